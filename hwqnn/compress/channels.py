"""Layers that read fewer channels: a group lasso that trains them away, and LASSO regression that picks those from which the rest is rebuilt.

Group lasso: the loss gets lambda * sum over groups of sqrt(size) |w_group|, where a group is all that a layer reads of one channel: the outgoing
weights of a neuron (Scardapane, Comminiello, Hussain and Uncini 2017, "Group sparse regularization for deep neural networks", eq. 5 and 6), or of a
channel (Wen, Wu, Wang, Chen and Li 2016, "Learning structured sparsity in deep neural networks", eq. 4). Behind batch norm the incoming weights of a
neuron could shrink without any effect, the outgoing ones only beside the others; so a group is small or large beside the greatest of its layer.

LASSO selection: He, Zhang and Sun 2017, "Channel pruning for accelerating very deep neural networks", section 3.1, eq. 1 and 2. Layer by layer, with
Y what the layer gave before and X_i what the already pruned network hands it of channel i,

    minimize over b and W   |Y - sum_i b_i X_i W_i'|^2 / 2 + lambda |b|_1   with at most so many of the b_i other than 0

first over b for the W that there is, with a lambda that leaves so few, then over W alone: least squares.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hwqnn.compress.groups import ChannelPlan, by_channel, channels_read, narrowed
from hwqnn.compress.method import Batches, Term, register
from hwqnn.compress.report import Report, compare
from hwqnn.errors import InputError
from hwqnn.frontend.registry import plain

_LEAST_SQUARE = 1e-12
"""Added where a root would have no derivative at 0."""


@dataclass(frozen=True)
class GroupPenalty:
    """The training term: strength * sum over groups of sqrt(size) |w_group|, of the named layers with so many channels."""

    strength: float
    channels: Mapping[str, int]

    def __call__(self, model: nn.Module) -> Tensor:
        norms = []
        for name, channels in self.channels.items():
            grouped = by_channel(model.get_submodule(name).weight, channels)
            size = grouped.shape[0] * grouped.shape[2]
            norms.append(math.sqrt(size) * torch.sqrt(grouped.square().sum((0, 2)) + _LEAST_SQUARE).sum())
        return self.strength * torch.stack(norms).sum()

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None: ...


@register("group-lasso")
@dataclass(frozen=True)
class GroupLasso:
    """Trains channels away.

    Attributes:
        strength: lambda, in nats for a weight of 1.
        threshold: a channel goes whose weights have a norm of less than this part of the layer's greatest.
    """

    strength: float = 1e-5
    threshold: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.strength < math.inf:
            raise InputError(f"strength = {self.strength:g}: the penalty needs a strength greater than 0")
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold = {self.threshold:g}: it is a part of the greatest norm, between 0 and 1")

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        return copy.deepcopy(model).train(), GroupPenalty(self.strength, channels_read(model))

    def plan(self, model: nn.Module, batches: Batches | None) -> ChannelPlan:
        kept = {}
        for name, channels in channels_read(model).items():
            norms = by_channel(model.get_submodule(name).weight.detach(), channels).square().sum((0, 2)).sqrt()
            kept[name] = norms > self.threshold * norms.max()
        return narrowed(model, kept, {}, first_images(self, batches))

    def apply(self, model: nn.Module, plan: ChannelPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: ChannelPlan) -> Report:
        return compare(str(self), before, after, str(plan))


@register("lasso-channels")
@dataclass(frozen=True)
class LassoChannels:
    """Picks channels layer by layer, and rebuilds what the layer gives from them.

    Attributes:
        sparsity: the part of each layer's channels that goes, at least 0 and less than 1; one stays in any case.
        places: places of each map that are looked at, drawn at random (the paper's 10).
    """

    sparsity: float = 0.5
    places: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise InputError(f"sparsity = {self.sparsity:g}: the part of the channels that goes is at least 0 and less than 1")
        if self.places < 1:
            raise InputError(f"places = {self.places}: at least one place of a map must be looked at")

    def plan(self, model: nn.Module, batches: Batches | None) -> ChannelPlan:
        images = first_images(self, batches)
        assert batches is not None
        kept: dict[str, Tensor] = {}
        weights: dict[str, Tensor] = {}
        for name, count in channels_read(model).items():
            left = max(1, round((1 - self.sparsity) * count))
            pruned = narrowed(model, kept, weights, images).apply(model)
            moments = _moments(model, pruned, name, batches, self.places)
            weight = model.get_submodule(name).weight.detach()
            kept[name] = select(moments, by_channel(weight, count), left) != 0
            weights[name] = rebuilt(moments, kept[name]).to(weight.dtype).reshape(weight.shape)
        return narrowed(model, kept, weights, images)

    def apply(self, model: nn.Module, plan: ChannelPlan) -> nn.Module:
        return plan.apply(model)

    def report(self, before: nn.Module, after: nn.Module, plan: ChannelPlan) -> Report:
        return compare(str(self), before, after, str(plan))


def first_images(method: object, batches: Batches | None) -> Tensor:
    """Raises `InputError` where there are none."""
    if batches is None:
        raise InputError(f"{type(method).__name__} needs data, to see what channels hold")
    return next(batches())[0]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over samples of what a layer reads, x of n values, and what it gave, y of m: x x' (n, n), x y' (n, m) and y'y, all float64."""

    xx: Tensor
    xy: Tensor
    yy: float


def select(moments: Moments, weight: Tensor, count: int, sweeps: int = 200, halvings: int = 40) -> Tensor:
    """b of the first half of the problem: float64 (channels,), at most `count` of them not 0.

    By coordinate descent (Friedman et al. 2007) on its normal equations; the least lambda that leaves so few is found by halving.

    Args:
        weight: (m, channels, n / channels), of which channel i gives y the part X_i W_i'.
        sweeps: the most over all coordinates, for one lambda.
    """
    outputs, channels, size = weight.shape
    flat = weight.double().reshape(outputs, -1)
    gram = ((flat.T @ flat) * moments.xx).reshape(channels, size, channels, size).sum((1, 3)).numpy()
    right = (flat.T * moments.xy).reshape(channels, size, outputs).sum((1, 2)).numpy()
    low, high = 0.0, float(abs(right).max())
    best = lasso(gram, right, high, sweeps)
    for _ in range(halvings):
        middle = (low + high) / 2
        found = lasso(gram, right, middle, sweeps)
        if (found != 0).sum() <= count:
            high, best = middle, found
        else:
            low = middle
    return torch.from_numpy(best)


def lasso(gram: np.ndarray, right: np.ndarray, strength: float, sweeps: int = 200) -> np.ndarray:
    """The b that minimizes b'Gb / 2 - b'r + strength |b|_1, float64 (n,), by coordinate descent.

    Args:
        gram: G, symmetric and not negative (n, n). right: r (n,).
        sweeps: the most over all coordinates; fewer where none changes by a millionth of the greatest any more.
    """
    b, residual = np.zeros_like(right), right.copy()  # residual = r - G b
    able = np.flatnonzero(gram.diagonal() > 1e-12 * max(gram.diagonal().max(), 1e-300))
    for _ in range(sweeps):
        change = 0.0
        for i in able:
            along = residual[i] + gram[i, i] * b[i]
            new = np.sign(along) * max(abs(along) - strength, 0.0) / gram[i, i]
            if new != b[i]:
                residual -= gram[:, i] * (new - b[i])
                change, b[i] = max(change, abs(new - b[i])), new
        if change <= 1e-6 * abs(b).max():
            break
    return b


def rebuilt(moments: Moments, kept: Tensor) -> Tensor:
    """W of the second half: least squares of y over the channels that are kept, float64 (m, channels, n / channels), 0 elsewhere.

    A ridge of a millionth of the mean square of x decides where the samples do not.
    """
    size = len(moments.xx) // len(kept)
    used = kept.repeat_interleave(size)
    xx = moments.xx[used][:, used]
    ridge = 1e-6 * xx.diagonal().mean().clamp(min=1e-300)
    weight = torch.zeros_like(moments.xy)
    weight[used] = torch.linalg.solve(xx + ridge * torch.eye(len(xx), dtype=xx.dtype), moments.xy[used])
    return weight.T.reshape(moments.xy.shape[1], len(kept), size)


def _moments(model: nn.Module, pruned: nn.Module, name: str, batches: Batches, places: int) -> Moments:
    """Of one layer: y as the model has it, x as the pruned one has it, at the same places of the same images."""
    layer = model.get_submodule(name)
    xx: Tensor | float = 0.0
    xy: Tensor | float = 0.0
    yy = 0.0
    random = torch.Generator().manual_seed(0)
    for images, _ in batches():
        x, y = _columns(layer, _call(pruned, name, images)[0]), _call(model, name, images)[1]
        y = y.flatten(2).transpose(1, 2) if y.ndim > 2 else y[:, None]
        chosen = torch.randperm(x.shape[1], generator=random)[:places]
        x, y = x[:, chosen].flatten(0, 1).double(), y[:, chosen].flatten(0, 1).double()
        xx, xy, yy = xx + x.T @ x, xy + x.T @ y, yy + float((y * y).sum())
    assert isinstance(xx, Tensor) and isinstance(xy, Tensor)
    return Moments(xx, xy, yy)


def _call(model: nn.Module, name: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer reads, quantized, and what it gives, in eval mode."""
    seen: list[tuple[Tensor, Tensor]] = []
    evaluated = model.eval()
    layer: Any = evaluated.get_submodule(name)
    handle = layer.register_forward_hook(lambda _, args, out: seen.append((plain(layer.input_quant(args[0])), plain(out))))
    try:
        with torch.no_grad():
            evaluated(images)
    finally:
        handle.remove()
    return seen[0]


def _columns(layer: Any, x: Tensor) -> Tensor:
    """What each place of a layer's output reads: (N, places, inputs), in the order of its weight."""
    if isinstance(layer, nn.Linear):
        return x[:, None]
    sizes = [layer.kernel_size, layer.dilation, layer.padding, layer.stride]
    if isinstance(layer, nn.Conv1d):
        x, sizes = x[:, :, None], [(fill, size[0]) for fill, size in zip((1, 1, 0, 1), sizes, strict=True)]
    return functional.unfold(x, *sizes).transpose(1, 2)
