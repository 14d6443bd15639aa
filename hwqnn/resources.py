"""Cells of a 7-series device: what a design is made of, estimated or counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Resources:
    """So many cells of each kind; whole numbers where they were counted, but for `bram36`, where a RAMB18E1 is half a RAMB36E1."""

    lut: float = 0
    ff: float = 0
    carry4: float = 0
    bram36: float = 0
    dsp: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __mul__(self, times: float) -> Resources:
        return Resources(*(value * times for value in vars(self).values()))

    @property
    def vector(self) -> np.ndarray:
        """float64 (kinds of cells,), in the order of the fields."""
        return np.array(list(vars(self).values()), dtype=np.float64)
