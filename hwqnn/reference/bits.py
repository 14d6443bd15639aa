"""Packed bits: 64 bipolar values in a uint64, the first in the lowest bit, +1 as 1. Bits past the last channel are 0."""

from __future__ import annotations

import numpy as np

WORD = 64


def words(n: int) -> int:
    """How many words hold `n` bits."""
    return -(-n // WORD)


def pack(ones: np.ndarray) -> np.ndarray:
    """bool (..., n) to uint64 (..., words(n)). For what is packed once; `pack_threshold` is for batches."""
    padded = np.zeros((*ones.shape[:-1], words(ones.shape[-1]) * WORD), bool)
    padded[..., : ones.shape[-1]] = ones
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(packed: np.ndarray, n: int) -> np.ndarray:
    """uint64 (..., words(n)) to its `n` bits, uint8 (..., n) of 0 and 1."""
    bytes_ = np.ascontiguousarray(packed).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(bytes_, axis=-1, count=n, bitorder="little")
