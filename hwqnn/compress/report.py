"""What a model's weights consist of, layer by layer: the numbers that hardware pays for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hwqnn.compress.layers import integers, layers
from hwqnn.frontend.products import weight_type


@dataclass(frozen=True)
class Count:
    """The weights of a layer, or of all.

    Attributes:
        weights: how many there are.
        nonzero: how many are not 0.
        bits: of all weights, each in the narrowest type that holds its layer's integers.
        values: different integers other than 0, up to sign; of all layers, the sum.
        digits: signed digits of all weights, each in its form with fewest (Reitwiesner 1960): what a frozen layer adds up.
    """

    weights: int
    nonzero: int
    bits: int
    values: int
    digits: int

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


NOTHING = Count(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Report:
    """Both models of a method, layer by layer.

    Attributes:
        method: its name and options, for the reader.
        notes: what else the method has to say, such as the loss that it expects.
    """

    method: str
    before: dict[str, Count]
    after: dict[str, Count]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> tuple[Count, Count]:
        """Of all layers, before and after."""
        return sum(self.before.values(), NOTHING), sum(self.after.values(), NOTHING)

    def json(self) -> dict[str, Any]:
        return {"method": self.method, "notes": list(self.notes), "before": _plain(self.before), "after": _plain(self.after)}

    def __str__(self) -> str:
        lines = [self.method, f"{'layer':<24}{'weights':>10}{'nonzero':>24}{'bits':>24}{'values':>12}{'digits':>24}"]
        rows = [(name, self.before[name], self.after[name]) for name in self.before]
        for name, old, new in [*rows, ("all", *self.total)]:
            numbers = zip((old.nonzero, old.bits, old.values, old.digits), (new.nonzero, new.bits, new.values, new.digits), strict=True)
            pairs = [f"{a:,} > {b:,}" for a, b in numbers]
            lines.append(f"{name:<24}{new.weights:>10,}{pairs[0]:>24}{pairs[1]:>24}{pairs[2]:>12}{pairs[3]:>24}")
        return "\n".join([*lines, *self.notes])


def digit_counts(values: Tensor) -> Tensor:
    """How many signed digits each integer has in its canonical form: the ones of 3n XOR n (Prodinger 2000), int64 in the same shape."""
    n = values.abs()
    bits, count = (3 * n) ^ n, torch.zeros_like(values)
    while bool(bits.any()):
        count += bits & 1
        bits = bits >> 1
    return count


def count(model: nn.Module) -> dict[str, Count]:
    """The counts of each layer with a quantized weight, by name."""
    return {name: _count(integers(name, layer).values) for name, layer in layers(model).items()}


def compare(method: str, before: nn.Module, after: nn.Module, *notes: str) -> Report:
    """The report of a method that changed `before` to `after`."""
    return Report(method, count(before), count(after), notes)


def _count(values: Tensor) -> Count:
    return Count(
        weights=values.numel(),
        nonzero=int(values.count_nonzero()),
        bits=weight_type(values.numpy()).bits * values.numel(),
        values=len(set(values.abs().unique().tolist()) - {0}),
        digits=int(digit_counts(values).sum()),
    )


def _plain(counts: dict[str, Count]) -> dict[str, dict[str, int]]:
    return {name: asdict(each) for name, each in counts.items()}
