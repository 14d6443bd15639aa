"""Values to bit patterns, beats and ROM words, and back; against integers put together by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hwqnn.dataflow.pack import code, decode, from_bytes, memory, to_bytes
from hwqnn.ir import Bipolar, Int, Ternary, Type, UInt

TYPES: list[Type] = [Bipolar(), Ternary(), *(UInt(n) for n in (1, 2, 7, 8, 9, 16, 31, 33, 62)), *(Int(n) for n in (1, 2, 7, 8, 9, 32, 33, 62))]


def values_of(of: Type, count: int) -> np.ndarray:
    rng = np.random.default_rng(of.bits)
    drawn = rng.choice([-1, 1], count) if isinstance(of, Bipolar) else rng.integers(of.min, of.max, count, endpoint=True)
    return np.concatenate([[of.min, of.max], drawn])


def pattern(value: int, of: Type) -> int:
    return int(value > 0) if isinstance(of, Bipolar) else value % 2**of.bits


@pytest.mark.parametrize("of", TYPES, ids=str)
def test_code(of: Type) -> None:
    values = values_of(of, 50)
    assert code(values, of).tolist() == [pattern(v, of) for v in values.tolist()]
    assert decode(code(values, of), of).tolist() == values.tolist()


@pytest.mark.parametrize("of", TYPES, ids=str)
@pytest.mark.parametrize("elements", [1, 3, 10])
def test_bytes(of: Type, elements: int) -> None:
    patterns = code(values_of(of, 8 * elements - 2), of).reshape(8, elements)
    packed = to_bytes(patterns, of.bits)
    assert packed.shape == (8, -(-elements * of.bits // 8))
    for row, beat in zip(patterns.tolist(), packed, strict=True):
        assert int.from_bytes(beat.tobytes(), "little") == sum(p << (i * of.bits) for i, p in enumerate(row))
    assert from_bytes(packed, of.bits, elements).tolist() == patterns.tolist()
    wider = to_bytes(patterns, of.bits, packed.shape[1] + 3)
    assert (wider[:, : packed.shape[1]] == packed).all() and not wider[:, packed.shape[1] :].any()
    assert memory(patterns, of.bits).words == tuple(int.from_bytes(beat.tobytes(), "little") for beat in packed)
    assert memory(patterns, of.bits).width == elements * of.bits
