"""The values between the layers of a chain: how large they are, on data, and how that is shared between the factors.

A bond's values may be scaled one by one, v to c v, if the factor before it gives them so and the factor behind it takes 1 / c: the product is the
same. Here c makes the mean square of all values of a bond 1, so that all use the whole range of their few bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hwqnn.compress.factored.chain import Part, ToMap, ToRow
from hwqnn.compress.method import Batches
from hwqnn.errors import InputError
from hwqnn.frontend.registry import plain

SAMPLES = 512
"""Inputs that are looked at, the first ones."""
_CLIPS = 64
"""Greatest values that are tried, from the greatest there is downwards."""


def inputs_of(model: nn.Module, layers: Mapping[str, Any], batches: Batches | None) -> dict[str, Tensor]:
    """What each layer reads on the first `SAMPLES` inputs, float64, in eval mode.

    Raises:
        InputError: there are no batches, or the model does not run a layer.
    """
    if batches is None:
        raise InputError("a factored layer's inner values are quantized by what they are on data: give batches of it")
    found: dict[str, list[Tensor]] = {name: [] for name in layers}
    seen, training = 0, model.training
    with torch.no_grad(), _watching(layers, found):
        for x, _ in batches():
            model.eval()(x[: SAMPLES - seen])
            seen += len(x)
            if seen >= SAMPLES:
                break
    model.train(training)
    if idle := [name for name, inputs in found.items() if not inputs]:
        raise InputError(f"layer '{idle[0]}' is not run on the data" if seen else "there are no batches of data")
    return {name: torch.cat(inputs).double() for name, inputs in found.items()}


@contextmanager
def _watching(layers: Mapping[str, Any], found: dict[str, list[Tensor]]) -> Iterator[None]:
    def watch(name: str) -> Callable[[Any, Any], None]:
        return lambda layer, args: found[name].append(plain(layer.input_quant(args[0])).detach())

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def balanced(parts: Sequence[Part], factors: Sequence[Tensor], x: Tensor, bits: int) -> tuple[tuple[Tensor, ...], tuple[float, ...]]:
    """The factors with all values of a bond of mean square 1 on the inputs `x`, and the greatest value of each bond that its quantizer should have.

    Args:
        factors: float64, in the shapes of the parts.
        x: float64, what the layer reads.
    """
    factors, maxima = list(factors), []
    for k, (part, behind) in enumerate(itertools.pairwise(parts)):
        values = run(part, factors[k], x)
        bond = behind.inputs  # of a part's outputs, those of the bond vary fastest
        channels = values.movedim(1, -1) if part.kernel is not None and part.rows is None else values
        size = channels.reshape(-1, bond).square().mean(0).sqrt()
        size = torch.where(size > 0, size, 1.0)
        factors[k] = (factors[k].unflatten(0, (-1, bond)) / size.view(-1, *[1] * (factors[k].ndim - 1))).flatten(0, 1)
        axis = 0 if behind.groups > 1 else 1
        spread = size.repeat_interleave(behind.outputs // behind.groups) if behind.groups > 1 else size
        factors[k + 1] = factors[k + 1] * spread.view([-1 if i == axis else 1 for i in range(factors[k + 1].ndim)])
        x = run(part, factors[k], x)
        maxima.append(clip(x, bits))
    return tuple(factors), tuple(maxima)


def run(part: Part, weight: Tensor, x: Tensor) -> Tensor:
    """A part on its input, in floats."""
    if part.kernel is None:
        return F.linear(x, weight)
    if part.rows is not None:
        return ToRow()(F.conv2d(ToMap(part.rows, part.inputs)(x), weight))
    return F.conv2d(x, weight, None, part.stride, part.padding, part.dilation, part.groups)


def clip(values: Tensor, bits: int) -> float:
    """The greatest value of a signed quantizer of `bits` bits whose mean squared error on these values is least, of `_CLIPS` ones."""
    peak = float(values.abs().max())
    if peak == 0:
        return 1.0
    flat = values.flatten()
    flat = flat[:: max(1, len(flat) // 100_000)]
    levels = 2 ** (bits - 1)

    def error(maximum: float) -> float:
        step = maximum / levels
        return float(((flat / step).round().clamp(1 - levels, levels - 1) * step - flat).square().mean())

    return min((peak * (1 - i / _CLIPS) for i in range(_CLIPS)), key=error)
