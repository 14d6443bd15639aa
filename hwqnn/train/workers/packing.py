"""Small integers in bytes: what a message between workers is made of."""

from __future__ import annotations

import torch
from torch import Tensor

TRITS = 5
"""Values of three kinds in a byte: 3^5 = 243."""


def pack(values: Tensor, base: int, per_byte: int) -> Tensor:
    """Digits to bytes, uint8 (ceil(n / per_byte),): the first one counts least.

    Args:
        values: integers (n,) in [0, base). base ** per_byte is at most 256.
    """
    padded = torch.zeros(-(-len(values) // per_byte) * per_byte, dtype=torch.int64)
    padded[: len(values)] = values
    return (padded.view(-1, per_byte) * _powers(base, per_byte)).sum(1).to(torch.uint8)


def unpack(data: Tensor, base: int, per_byte: int, count: int) -> Tensor:
    """The `count` digits that `pack` put into bytes, int64 (count,)."""
    return (data.to(torch.int64)[:, None] // _powers(base, per_byte) % base).flatten()[:count]


def to_bytes(values: Tensor) -> Tensor:
    """Any numbers as their bytes, uint8."""
    return values.contiguous().view(torch.uint8).flatten()


def from_bytes(data: Tensor, kind: torch.dtype) -> Tensor:
    """The numbers of a type whose bytes these are."""
    return data.clone().view(kind)


def _powers(base: int, per_byte: int) -> Tensor:
    return base ** torch.arange(per_byte)
