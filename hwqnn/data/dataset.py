"""A labelled set of integer inputs, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hwqnn.errors import InputError

PIXEL = Fraction(1, 255)
"""What a step of a uint8 pixel stands for."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels.

    Attributes:
        name: what to call it in messages and reports.
        x: integers, uint8 or int64, (N, ...); the real input is x * scale.
        y: labels, int64, none negative: (N,), or one for each step or pixel of what comes out, (N, L) or (N, H, W).
        scale: the real value of an integer step, > 0.

    Raises:
        InputError: there is no item, or x and y differ in length, or a label is negative.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    scale: Fraction

    def __post_init__(self) -> None:
        if self.y.ndim not in (1, 2, 3):
            raise InputError(f"data '{self.name}': labels of shape {self.y.shape}, expected one integer an item, or one a step or pixel")
        if self.x.ndim < 2:
            raise InputError(f"data '{self.name}': x of shape {self.x.shape}, expected (N, ...)")
        if len(self.x) != len(self.y):
            raise InputError(f"data '{self.name}': {len(self.x)} items but {len(self.y)} labels")
        if not self.x.size:
            raise InputError(f"data '{self.name}' is empty: x has shape {self.x.shape}")
        if self.y.min() < 0:
            raise InputError(f"data '{self.name}': label {self.y.min()} is negative")

    def __len__(self) -> int:
        return len(self.x)

    def real(self) -> np.ndarray:
        """x * scale as float32 (N, ...), each value rounded once: what the float model gets."""
        return (self.x.astype(np.float64) * self.scale.numerator / self.scale.denominator).astype(np.float32)
