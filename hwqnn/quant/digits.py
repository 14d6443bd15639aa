"""Weights of few signed digits: w = sum of alpha_m * 2^(p - m) over m = 0 .. k - 1 with alpha_m in {-1, 0, +1}.

k positions below 2^p are a fixed-point format. With at most `terms` of the alphas not 0, a product is that many shifted additions: one term is a
power of two (incremental network quantization, Zhou et al. 2017; Miyashita et al. 2016), more are sums of powers of two (LightNN, Ding et al. 2017).
The form without neighbouring digits, canonical signed digits, has the fewest (Reitwiesner 1960); a frozen layer adds up just those.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from brevitas.inject import this
from torch import Tensor

from hwqnn.errors import InputError
from hwqnn.quant.base import Weight
from hwqnn.quant.levels import Levels
from hwqnn.quant.registry import weights

MAX_DIGITS = 8
"""Positions that a weight can have."""


@cache
def representable(digits: int, terms: int | None = None) -> tuple[int, ...]:
    """The integers sum of alpha_m * 2^(digits - 1 - m), ascending, with at most `terms` of the alphas not 0 (None: any number of them).

    Raises:
        InputError: `digits` is not from 1 to 8, or `terms` not from 1 to `digits`.
    """
    if not 1 <= digits <= MAX_DIGITS:
        raise InputError(f"weights of {digits} digits: 1 to {MAX_DIGITS} are possible")
    most = digits if terms is None else terms
    if not 1 <= most <= digits:
        raise InputError(f"weights with {most} of {digits} digits other than 0: 1 to {digits} are possible")
    forms: set[tuple[int, int]] = {(0, 0)}  # (value, terms) over the positions so far
    for _ in range(digits):
        forms = {(2 * value + alpha, used + abs(alpha)) for value, used in forms for alpha in (-1, 0, 1) if used + abs(alpha) <= most}
    return tuple(sorted({value for value, _ in forms}))


def exponent_of(greatest: float) -> int:
    """The p that weights up to `greatest` want: floor(log2(4/3 * greatest)), so that 2^p is the nearest power of two (Zhou et al. 2017, eq. 2)."""
    return math.floor(math.log2(4 / 3 * greatest)) if greatest > 0 else 0


class SignedDigits(Levels):
    """x to the nearest weight of so many signed digits; gradients go straight through.

    Args:
        digits, terms: of `representable`.
        exponent: p; when None it follows the greatest latent weight.
    """

    def __init__(self, digits: int, terms: int | None, exponent: int | None) -> None:
        super().__init__(representable(digits, terms), 1.0 if exponent is None else 2.0 ** (exponent - digits + 1))
        self.digits, self.exponent = digits, exponent

    def step_of(self, weight: Tensor) -> Tensor:
        if self.exponent is not None:
            return self.step
        return torch.full_like(self.step, 2.0 ** (exponent_of(weight.abs().max().item()) - self.digits + 1))


@weights("signed-digit", bits=range(1, MAX_DIGITS + 1), paper="Reitwiesner 1960; LightNN, Ding et al. 2017, eq. 1", terms=int, exponent=int)
class SignedDigitWeight(Weight):
    """`bits` positions; at most `terms` digits other than 0, where that is given; `exponent` is p."""

    tensor_quant = SignedDigits
    digits = this.bit_width
    bit_width = 4
    terms = None
    exponent = None


@weights("power-of-two", bits=range(1, MAX_DIGITS + 1), paper="Incremental network quantization, Zhou et al. 2017, eq. 1 and 2", exponent=int)
class PowerOfTwoWeight(SignedDigitWeight):
    """0 and +-2^p, ... +-2^(p - bits + 1)."""

    terms = 1  # type: ignore[assignment]
