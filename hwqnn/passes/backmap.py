"""Carries a comparison of a real value back through the chain of pieces that made it, to a comparison of the integer it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from hwqnn.ir import Affine, BatchNorm, Clamp, Piece
from hwqnn.passes.surd import Surd


@dataclass(frozen=True)
class Compare:
    """`x >= bound`, made strict (>) and / or turned round (<=, <) by its flags."""

    bound: Surd
    strict: bool
    below: bool = False

    def first_integer(self) -> int:
        """The least integer at which the truth of the comparison changes: from false to true, or for `below` from true to false."""
        return self.bound.floor() + 1 if self.strict != self.below else self.bound.ceil()


def at(values: np.ndarray, channel: int) -> Fraction:
    """A piece's parameter for one channel (arrays of length 1 serve all)."""
    return values[channel if len(values) > 1 else 0]


def linear(piece: Affine | BatchNorm, channel: int) -> tuple[Surd, Surd]:
    """(slope, offset) of a piece that is a straight line."""
    if isinstance(piece, Affine):
        return Surd(at(piece.mul, channel)), Surd(at(piece.add, channel))
    variance = at(piece.variance, channel)
    slope = Surd(at(piece.gamma, channel)) * Surd.sqrt(1 / variance)
    return slope, Surd(at(piece.beta, channel)) - slope * Surd(at(piece.mean, channel))


def compose(chain: tuple[Piece, ...], channel: int) -> tuple[Surd, Surd]:
    """(slope, offset) of a whole chain without clamps."""
    slope, offset = Surd(1), Surd(0)
    for piece in chain:
        assert not isinstance(piece, Clamp)
        a, b = linear(piece, channel)
        slope, offset = a * slope, a * offset + b
    return slope, offset


def backmap(chain: tuple[Piece, ...], channel: int, compare: Compare) -> Compare | bool:
    """The comparison of the chain's input that holds exactly when `compare` holds of its output; a bool when it does not depend on it."""
    for piece in reversed(chain):
        if isinstance(piece, Clamp):
            outcome = _through_clamp(piece, compare)
            if outcome is not None:
                return outcome
            continue
        slope, offset = linear(piece, channel)
        bound = compare.bound - offset
        direction = slope.sign()
        if direction == 0:  # a constant channel: 0 >= bound
            side = -bound.sign() * (-1 if compare.below else 1)
            return side > 0 or (side == 0 and not compare.strict)
        compare = replace(compare, bound=bound * slope.reciprocal(), below=compare.below != (direction < 0))
    return compare


def _through_clamp(clamp: Clamp, compare: Compare) -> bool | None:
    """Whether min(max(x, lo), hi) settles the comparison; None when it is the same comparison of x."""

    def holds(value: Fraction) -> bool:
        side = (Surd(value) - compare.bound).sign() * (-1 if compare.below else 1)
        return side > 0 or (side == 0 and not compare.strict)

    # the ends that the clamped value can reach: if even the least favourable one holds, all do; if the most favourable fails, all fail
    least, most = (clamp.hi, clamp.lo) if compare.below else (clamp.lo, clamp.hi)
    if least is not None and holds(least):
        return True
    if most is not None and not holds(most):
        return False
    return None
