"""Number formats for weights, by the values that they can represent: integers times a power of two that the whole layer shares.

    fixed           -(2^(n-1) - 1) ... 2^(n-1) - 1
    minifloat       (-1)^s 2^(e-1) (2^m + f), and f for e = 0: subnormals as in IEEE 754, without infinities and NaN; 1 + e + m bits
    posit           (-1)^s 2^(k 2^es + e) (1 + f), k from a run of equal bits (Gustafson and Yonemoto 2017, section 2); without NaR
    power-of-two    0 and (-1)^s 2^e with e < 2^(n-1) - 1 (Miyashita, Lee and Murmann 2016)
    block-floating  fixed, with an exponent for each block of weights that lie side by side in an output's row (Wilkinson 1963; Song et al. 2018)

All lower exactly: a float format is a fixed-point one in which most integers do not occur, and a frozen layer only pays for the digits that do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.fisher import Curvature
from hwqnn.compress.fit import Fit, Rounding, check_curvature, curvatures, kept_of, weights_of
from hwqnn.compress.layers import changed, requantize
from hwqnn.compress.method import Batches, register
from hwqnn.compress.report import Report, compare, digit_counts
from hwqnn.errors import InputError
from hwqnn.quant.levels import LevelsWeight

MAX_SPAN = 1 << 15
"""The greatest integer that a weight may become: sums of more than that leave float32, and hardware's 30 bits."""


@cache
def fixed(bits: int, _fine: int) -> tuple[int, ...]:
    return tuple(range(1 - (1 << bits - 1), 1 << bits - 1))


@cache
def minifloat(bits: int, exponent_bits: int) -> tuple[int, ...]:
    """Integers, in steps of the least subnormal."""
    fraction = bits - 1 - exponent_bits
    positive = set(range(1 << fraction))
    positive |= {((1 << fraction) + f) << e - 1 for e in range(1, 1 << exponent_bits) for f in range(1 << fraction)}
    return tuple(sorted(positive | {-v for v in positive}))


@cache
def posit(bits: int, es: int) -> tuple[int, ...]:
    """Integers, in steps of the least positive value, 2^-((bits - 2) 2^es)."""
    positive = {_posit_value(code, bits, es) for code in range(1, 1 << bits - 1)}
    return tuple(sorted(positive | {0} | {-v for v in positive}))


def _posit_value(code: int, bits: int, es: int) -> int:
    """Of a positive code, whose sign bit is 0."""
    text = f"{code:0{bits - 1}b}"
    run = len(text) - len(text.lstrip(text[0]))
    k = run - 1 if text[0] == "1" else -run
    rest = text[run + 1 :]
    exponent, fraction = rest[:es].ljust(es, "0"), rest[es:]  # exponent bits that do not fit any more are 0
    scale = k * (1 << es) + (int(exponent, 2) if es else 0) + (bits - 2) * (1 << es)
    return ((1 << len(fraction)) + (int(fraction, 2) if fraction else 0)) << scale >> len(fraction)


@cache
def power_of_two(bits: int, _fine: int) -> tuple[int, ...]:
    positive = {1 << e for e in range((1 << bits - 1) - 1)}
    return tuple(sorted(positive | {0} | {-v for v in positive}))


@dataclass(frozen=True, eq=False)
class Kind:
    """A family of formats: its values by (bits, fine), and the legal `fine` for so many bits; `meaning` is what `fine` is."""

    values: Callable[[int, int], tuple[int, ...]]
    fine: Callable[[int], range]
    meaning: str


KINDS = {
    "fixed": Kind(fixed, lambda _bits: range(1), "unused"),
    "minifloat": Kind(minifloat, lambda bits: range(1, bits), "bits of the exponent"),
    "posit": Kind(posit, lambda _bits: range(3), "bits of the exponent (es)"),
    "power-of-two": Kind(power_of_two, lambda _bits: range(1), "unused"),
    "block-floating": Kind(fixed, lambda _bits: range(1, 1 << 16), "weights in a block"),
}
"""Every format by the name that recipes use."""


@dataclass(frozen=True, eq=False)
class FormatPlan:
    """Every layer by its name."""

    layers: dict[str, Fit]

    @property
    def loss(self) -> float:
        """As of `DigitsPlan`."""
        return sum(fit.loss for fit in self.layers.values())

    def __str__(self) -> str:
        return "\n".join(f"{name:<24} step 2^{fit.exponent}, {fit.digits:,} digits, loss {fit.loss:.3g}" for name, fit in self.layers.items())


@register("format")
@dataclass(frozen=True)
class Format:
    """Weights in a number format, each layer's power of two by its loss.

    Attributes:
        kind: one of `KINDS`. bits: of a weight, 2 to 8; of block floating point without its exponent.
        fine: what else makes the format: a minifloat's bits of exponent, a posit's es, the weights of a block; 0 for the others.
        curvature, rounding, width: as of `SignedDigits`; block floating point rounds to nearest.
    """

    kind: str = "fixed"
    bits: int = 4
    fine: int = 0
    curvature: str = "diagonal"
    rounding: str = "nearest"
    width: int = 8

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"no number format '{self.kind}'; there are {', '.join(KINDS)}")
        if not 2 <= self.bits <= 8:
            raise InputError(f"weights of {self.bits} bits: 2 to 8 are possible")
        kind = KINDS[self.kind]
        if self.fine not in kind.fine(self.bits):
            legal = kind.fine(self.bits)
            raise InputError(f"{self.kind} of {self.bits} bits with fine = {self.fine} ({kind.meaning}): {legal[0]} to {legal[-1]} are possible")
        if self.levels[-1] > MAX_SPAN:
            raise InputError(f"{self.kind} of {self.bits} bits spans 1 to {self.levels[-1]:,}: more than 2^15 is too wide for exact sums")
        check_curvature(self.curvature)
        Rounding(self.rounding, self.width)

    @property
    def levels(self) -> tuple[int, ...]:
        """The integers that a weight can be, ascending."""
        return KINDS[self.kind].values(self.bits, self.fine)

    def plan(self, model: nn.Module, batches: Batches | None) -> FormatPlan:
        found, kept = curvatures(model, batches, self.curvature, False), kept_of(model)
        how = Rounding(self.rounding, self.width)

        def one(name: str, weight: Tensor) -> Fit:
            if self.kind == "block-floating":
                return blocks(weight, found[name], self.levels, self.fine)
            return how.fit(weight, found[name], self.levels, kept[name])

        return FormatPlan({name: one(name, weight) for name, weight in weights_of(model).items()})

    def apply(self, model: nn.Module, plan: FormatPlan) -> nn.Module:
        def change(fit: Fit) -> Callable[[Any], None]:
            levels = tuple(fit.values.unique().tolist()) if self.kind == "block-floating" else self.levels
            return lambda layer: requantize(layer, LevelsWeight, fit.weights, levels=levels, step=2.0**fit.exponent)

        return changed(model, {name: change(fit) for name, fit in plan.layers.items()})

    def report(self, before: nn.Module, after: nn.Module, plan: FormatPlan) -> Report:
        return compare(str(self), before, after, str(plan))


def blocks(weight: Tensor, curvature: Curvature, levels: tuple[int, ...], block: int) -> Fit:
    """Block floating point: each block has the power of two of least loss on the diagonal of H, of the layer's 8 greatest. 0 stays 0.

    Args:
        weight: float64 (out, in). block: weights side by side; a row's last block may be shorter.
    """
    outputs, inputs = weight.shape
    padded = -(-inputs // block) * block
    w, h = (nn.functional.pad(part, (0, padded - inputs)).reshape(-1, block) for part in (weight, curvature.diagonal))
    limit, greatest = levels[-1], float(weight.abs().max())
    top = math.ceil(math.log2(greatest / limit)) if greatest else 0
    exponents = range(top, top - 8, -1)
    codes = torch.stack([torch.round(w / 2.0**e).clamp(-limit, limit) for e in exponents])
    scales = torch.tensor([2.0**e for e in exponents], dtype=torch.float64)
    errors = (h * (w - codes * scales[:, None, None]) ** 2).sum(2)
    best = errors.argmin(0)
    lowest = exponents[int(best.max())]
    made = torch.gather(codes, 0, best[None, :, None].expand(1, -1, block))[0] * (scales[best] / 2.0**lowest)[:, None]
    values = made.reshape(outputs, padded)[:, :inputs].long()
    return Fit(values, lowest, curvature.loss(weight - values * 2.0**lowest), int(digit_counts(values).sum()))
