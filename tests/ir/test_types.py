"""The integer types: their ranges, the narrowest one for a range, their text."""

from __future__ import annotations

import pytest

from hwqnn.ir import Bipolar, Int, Ternary, UInt, smallest
from hwqnn.ir.types import parse

TYPES = [Bipolar(), Ternary(), *(UInt(n) for n in range(1, 70)), *(Int(n) for n in range(1, 70))]


def test_smallest_is_narrowest() -> None:
    """Against counting: the first width whose range, written out, holds both ends."""
    for lo in range(-140, 70):
        for hi in range(lo, 70):
            got = smallest(lo, hi)
            signed = lo < 0
            ranges = ((-(2**n) // 2, 2**n // 2 - 1) if signed else (0, 2**n - 1) for n in range(1, 20))
            width = next(n for n, (least, most) in enumerate(ranges, 1) if least <= lo and hi <= most)
            assert (isinstance(got, Int), got.bits) == (signed, width), (lo, hi)
            assert got.min <= lo and hi <= got.max


@pytest.mark.parametrize(("lo", "hi", "text"), [(0, 0, "uint1"), (-1, 0, "int1"), (-1, 1, "int2"), (0, 2**63, "uint64"), (-(2**63), 0, "int64")])
def test_smallest_at_the_edges(lo: int, hi: int, text: str) -> None:
    assert str(smallest(lo, hi)) == text


def test_smallest_of_nothing() -> None:
    with pytest.raises(ValueError, match="empty range"):
        smallest(1, 0)


@pytest.mark.parametrize("of", TYPES, ids=str)
def test_text_round_trip(of: object) -> None:
    assert parse(str(of)) == of


@pytest.mark.parametrize("text", ["", "uint", "uint0", "int-3", "int08", "Bipolar", "float32", "uint8 ", "int8x"])
def test_unknown_text(text: str) -> None:
    with pytest.raises(ValueError, match="unknown type"):
        parse(text)


def test_values_fit_the_bits() -> None:
    for of in TYPES:
        count = 2 if of == Bipolar() else 3 if of == Ternary() else of.max - of.min + 1
        assert count <= 2**of.bits
        assert of in (Bipolar(), Ternary()) or count == 2**of.bits
