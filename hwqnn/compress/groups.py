"""Groups of weights that go together: all that a layer reads of one channel, and what becomes useless with them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from brevitas.nn.quant_layer import QuantNonLinearActLayer
from torch import Tensor, nn

from hwqnn.compress.layers import changed, layers, prunable, prune, requantize
from hwqnn.errors import InputError
from hwqnn.frontend.registry import plain


def channels_read(model: nn.Module) -> dict[str, int]:
    """How many channels each layer but the first reads, by name; a dense layer that follows a convolution reads its channels as flattening
    leaves them, all places of one and then of the next. The first layer reads the network's own inputs, which stay.

    Raises:
        InputError: as `prunable`; or there is no second layer, or a convolution of several groups.
    """
    found = prunable(model)
    if len(found) < 2:
        raise InputError(f"{type(model).__name__} has one layer, which reads the network's inputs: there is no channel that could go")
    read = {}
    for (_, before), (name, layer) in pairwise(found.items()):
        if getattr(layer, "groups", 1) > 1:
            raise InputError(f"layer '{name}' has {layer.groups} groups: channels can go from layers that read all of them")
        inputs, outputs = layer.weight.shape[1], before.weight.shape[0]
        flattened = isinstance(layer, nn.Linear) and not isinstance(before, nn.Linear) and inputs % outputs == 0
        read[name] = outputs if flattened else inputs
    return read


def by_channel(weight: Tensor, channels: int) -> Tensor:
    """A layer's weight (out, ...) as (out, channels, weights of one channel)."""
    return weight.reshape(len(weight), channels, -1)


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A layer that reads fewer channels.

    Attributes:
        weight: float32, its new weight.
        channels: which are still read, bool (channels,). outputs: which of its own are still read by others, bool (out,).
    """

    weight: Tensor
    channels: Tensor
    outputs: Tensor

    @property
    def keep(self) -> Tensor:
        """bool, in the shape of the weight."""
        rows = by_channel(torch.ones_like(self.weight, dtype=torch.bool), len(self.channels)) & self.channels[:, None]
        return (rows & self.outputs[:, None, None]).reshape(self.weight.shape)

    def put(self, layer: Any) -> None:
        """Gives a layer this weight, with its own quantizer anew, and its zeros for good; in place."""
        requantize(layer, layer.weight_quant.quant_injector, self.weight * self.keep)
        prune(layer, self.keep)


@dataclass(frozen=True, eq=False)
class ChannelPlan:
    """Every layer by its name; the first layer reads all of its channels."""

    layers: dict[str, Narrowed]

    def __str__(self) -> str:
        lines = []
        for name, each in self.layers.items():
            parts = [f"{int(kept.sum()):,} of {len(kept):,} {what}" for kept, what in ((each.channels, "channels read"), (each.outputs, "outputs"))]
            lines.append(f"{name:<24} {', '.join(parts)}, {int(each.keep.sum()):,} of {each.weight.numel():,} weights left")
        return "\n".join(lines)

    def apply(self, model: nn.Module) -> nn.Module:
        """A copy of the model in eval mode with these layers. What went stays 0 in any training behind it."""
        change: dict[str, Callable[[Any], None]] = {name: each.put for name, each in self.layers.items()}
        return changed(model, change)


def narrowed(model: nn.Module, channels: dict[str, Tensor], weights: dict[str, Tensor], images: Tensor) -> ChannelPlan:
    """The plan by which layers read these channels, bool by layer, with these weights (the model's own where none is given). Outputs go that nothing
    reads then."""
    found = {}
    for name, layer in layers(model).items():
        weight = weights.get(name, layer.weight.detach().clone())
        read = channels.get(name, torch.ones(weight.shape[1], dtype=torch.bool))
        found[name] = Narrowed(weight, read, torch.ones(len(weight), dtype=torch.bool))
    idle = unread(ChannelPlan(found).apply(model), images)
    return ChannelPlan({name: Narrowed(each.weight, each.channels, ~idle[name]) for name, each in found.items()})


def unread(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Which outputs of each layer with a quantized weight make no difference, because all weights that read them are 0: bool (out,), by name.

    Found by the derivative of random sums of the scores, with activations left out: it is exactly 0 where every path has a weight 0 in it, and
    nowhere else but by a freak of numbers.

    Args:
        model: in any mode; its activations are Brevitas' layers.
        images: float (N, ...), as the model takes them. Their values do not matter.
    """
    linear = copy.deepcopy(model).eval()
    for name, module in list(linear.named_modules()):
        if isinstance(module, QuantNonLinearActLayer):
            linear.set_submodule(name, nn.Identity())
    named = layers(linear)
    outputs: dict[str, list[Tensor]] = {name: [] for name in named}
    for name, layer in named.items():
        layer.register_forward_hook(lambda _module, _args, out, name=name: outputs[name].append(plain(out)))
    random = torch.Generator().manual_seed(0)
    with torch.enable_grad():
        scores = plain(linear(torch.rand(images.shape, generator=random).requires_grad_()))
        calls = [(name, out) for name, found in outputs.items() for out in found]
        ends = torch.autograd.grad((scores * torch.randn(scores.shape, generator=random)).sum(), [out for _, out in calls], allow_unused=True)
    found = {name: torch.ones(layer.weight.shape[0], dtype=torch.bool) for name, layer in named.items()}
    for (name, _), end in zip(calls, ends, strict=True):
        if end is not None:
            found[name] &= ~(end.transpose(0, 1).flatten(1) != 0).any(1)
    return found
