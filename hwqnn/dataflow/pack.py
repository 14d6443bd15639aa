"""Integers to the bit patterns that streams and ROMs carry."""

from __future__ import annotations

import numpy as np

from hwqnn.dataflow.design import Memory
from hwqnn.ir import Bipolar, Type, UInt


def kind(of: Type) -> int:
    """How a block in `rtl/` reads a stream of this type: 0 bipolar, 1 unsigned, 2 signed."""
    return 0 if isinstance(of, Bipolar) else 1 if isinstance(of, UInt) else 2


def code(values: np.ndarray, of: Type) -> np.ndarray:
    """Values of a type as unsigned bit patterns of `of.bits` bits: bipolar +1 is 1, signed values are two's complement; int64."""
    if isinstance(of, Bipolar):
        return (values > 0).astype(np.int64)
    return values.astype(np.int64) & ((1 << of.bits) - 1)


def decode(patterns: np.ndarray, of: Type) -> np.ndarray:
    """The inverse of `code`."""
    if isinstance(of, Bipolar):
        return 2 * patterns.astype(np.int64) - 1
    patterns = patterns.astype(np.int64)
    return patterns - ((patterns > of.max).astype(np.int64) << of.bits)


def to_bytes(patterns: np.ndarray, bits: int, size: int | None = None) -> np.ndarray:
    """Rows of patterns packed end to end, element 0 in the least significant bits.

    Args:
        patterns: (rows, elements), each below 2**bits.
        size: bytes a row; the least that fits when None.
    Returns:
        uint8 (rows, size), little endian.
    """
    rows, elements = patterns.shape
    planes = ((patterns.astype(np.uint64)[:, :, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)).astype(np.uint8)
    packed = np.packbits(planes.reshape(rows, elements * bits), axis=1, bitorder="little")
    if size is not None and size > packed.shape[1]:
        packed = np.pad(packed, ((0, 0), (0, size - packed.shape[1])))
    return packed


def from_bytes(rows: np.ndarray, bits: int, elements: int) -> np.ndarray:
    """The inverse of `to_bytes`: int64 (rows, elements)."""
    planes = np.unpackbits(rows, axis=1, bitorder="little", count=bits * elements).reshape(len(rows), elements, bits)
    return planes.astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))


def memory(patterns: np.ndarray, bits: int) -> Memory:
    """A ROM whose word a is row a of `patterns` (words, elements), packed."""
    packed = to_bytes(patterns, bits)
    return Memory(tuple(int.from_bytes(row.tobytes(), "little") for row in packed), patterns.shape[1] * bits)
