"""What integers mean as real numbers: the exact pieces of a float chain, and the quantizers that end it.

These are data only. Their meaning is exact rational arithmetic on the model's parameters (float32 values are rationals);
`passes/thresholds.py` turns a chain and its quantizer into integer thresholds. Every parameter is a one-dimensional object array
of `fractions.Fraction`, of length 1 (the same for all channels) or C.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


def exact(values: object) -> np.ndarray:
    """`values` (number, sequence, array or tensor turned to numpy) as a flat object array of `Fraction`.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    flat = np.asarray(values).reshape(-1)
    out = np.empty(flat.size, dtype=object)
    for i, v in enumerate(flat.tolist()):
        if isinstance(v, float) and not np.isfinite(v):
            raise ValueError(f"value {v} at index {i} is not finite")
        out[i] = Fraction(v)
    return out


@dataclass(frozen=True, eq=False)
class Affine:
    """y = mul * x + add."""

    mul: np.ndarray
    add: np.ndarray


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """y = gamma * (x - mean) / sqrt(variance) + beta, with `variance` > 0 already holding epsilon (Ioffe and Szegedy 2015)."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, eq=False)
class Clamp:
    """y = min(max(x, lo), hi); a bound of None is absent."""

    lo: Fraction | None
    hi: Fraction | None


Piece = Affine | BatchNorm | Clamp


class Rounding(enum.Enum):
    """How a real number becomes an integer."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    FLOOR = "floor"
    CEIL = "ceil"


@dataclass(frozen=True, eq=False)
class SignQuantizer:
    """x >= 0 gives +1, else -1 (so sign(0) = +1). The code stands for code * scale, `scale` > 0."""

    scale: Fraction


@dataclass(frozen=True, eq=False)
class UniformQuantizer:
    """code = clamp(round(x / scale + zero_point), lo, hi); the edge carries code - zero_point, which stands for (code - zero_point) * scale.

    `scale` > 0. `lo` and `hi` are the codes' inclusive bounds (narrow ranges are simply tighter bounds).
    """

    scale: Fraction
    zero_point: int
    lo: int
    hi: int
    rounding: Rounding


Quantizer = SignQuantizer | UniformQuantizer
