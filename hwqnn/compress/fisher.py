"""The curvature of the loss in a layer's weights: the Fisher information, that is the covariance of the gradients of single samples.

A change d of the weights raises the mean loss by about d'Hd / 2 (LeCun et al. 1990; the first order vanishes where training has ended). With labels
drawn from the model's own answer, F = E[g g'] is the Fisher information, which is the Gauss-Newton matrix of the cross-entropy (Martens 2014). A
dense layer's gradient of one sample is g = delta a', of what comes back to its output and its input. Three forms of it are kept, from cheap to full:

    Diagonal   E[g_i^2]                     no two weights interact
    Block      E[delta_o^2 a a']            for each output o, all of its weights (in x in)
    Kronecker  E[a a'] x E[delta delta']    K-FAC (Martens and Grosse 2015, eq. 1); convolutions as in Grosse and Martens 2016, eq. 27 to 30
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from hwqnn.compress.layers import layers
from hwqnn.compress.method import Batches
from hwqnn.errors import InputError
from hwqnn.frontend.registry import plain

MAX_BLOCK = 1 << 27
"""The most elements that the matrices of `Block` may have: a gigabyte."""


class Curvature(Protocol):
    """H of a layer's weights, seen as a matrix (out, in): a convolution's inputs are its taps, as torch flattens them."""

    @property
    def diagonal(self) -> Tensor:
        """H_ii, float64 (out, in)."""

    def loss(self, change: Tensor) -> float:
        """change' H change / 2, in nats, for a change float64 (out, in)."""


@dataclass(frozen=True, eq=False)
class Diagonal:
    """H_ii, float64 (out, in)."""

    diagonal: Tensor

    def loss(self, change: Tensor) -> float:
        return float((self.diagonal * change**2).sum() / 2)


@dataclass(frozen=True, eq=False)
class Block:
    """A matrix for each output's weights, float64 (out, in, in)."""

    matrices: Tensor

    @property
    def diagonal(self) -> Tensor:
        return self.matrices.diagonal(dim1=1, dim2=2)

    def loss(self, change: Tensor) -> float:
        return float(torch.einsum("oi,oij,oj->", change, self.matrices, change) / 2)


@dataclass(frozen=True, eq=False)
class Kronecker:
    """H of weights (o, i) and (p, j) = outputs[o, p] * inputs[i, j]; float64 (in, in) and (out, out)."""

    inputs: Tensor
    outputs: Tensor

    @property
    def diagonal(self) -> Tensor:
        return torch.outer(self.outputs.diagonal(), self.inputs.diagonal())

    def loss(self, change: Tensor) -> float:
        return float(((self.outputs @ change @ self.inputs) * change).sum() / 2)


def identity(weight: Tensor) -> Diagonal:
    """H = I: the squared error of the weights themselves, for where no data is at hand."""
    return Diagonal(torch.ones_like(weight))


class Sums(Protocol):
    """Adds up the samples of a batch: inputs (N, groups, in, places) and what came back (N, groups, out / groups, places)."""

    def add(self, inputs: Tensor, back: Tensor) -> None: ...
    def mean(self, samples: int) -> Curvature: ...


class _Diagonals:
    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0

    def add(self, inputs: Tensor, back: Tensor) -> None:
        if inputs.shape[3] == 1:  # (d a)^2 = d^2 a^2: no sample's gradient, as large as the weights, need be made
            self.sum = self.sum + torch.einsum("ngop,ngip->goi", back.double() ** 2, inputs.double() ** 2).flatten(0, 1)
        else:  # a gradient is a sum over places, whose square is not
            self.sum = self.sum + (_gradients(inputs, back).double() ** 2).sum(0)

    def mean(self, samples: int) -> Curvature:
        assert isinstance(self.sum, Tensor)
        return Diagonal(self.sum / samples)


class _Blocks:
    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0

    def add(self, inputs: Tensor, back: Tensor) -> None:
        gradients = _gradients(inputs, back).transpose(0, 1)
        if gradients.shape[0] * gradients.shape[2] ** 2 > MAX_BLOCK:
            raise InputError(
                f"a block of the Fisher information for each of {gradients.shape[0]} outputs with {gradients.shape[2]} weights does not fit; "
                "use curvature 'kronecker'"
            )
        self.sum = self.sum + torch.bmm(gradients.transpose(1, 2), gradients).double()

    def mean(self, samples: int) -> Curvature:
        assert isinstance(self.sum, Tensor)
        return Block(self.sum / samples)


class _Kroneckers:
    def __init__(self) -> None:
        self.inputs: Tensor | float = 0.0
        self.outputs: Tensor | float = 0.0
        self.places = 1

    def add(self, inputs: Tensor, back: Tensor) -> None:
        if inputs.shape[1] > 1:
            raise InputError(f"a convolution of {inputs.shape[1]} groups has no Kronecker form; use curvature 'diagonal' or 'block'")
        self.places = inputs.shape[3]
        a, d = (part[:, 0].transpose(0, 1).flatten(1) for part in (inputs, back))
        self.inputs, self.outputs = self.inputs + (a @ a.T).double(), self.outputs + (d @ d.T).double()

    def mean(self, samples: int) -> Curvature:
        assert isinstance(self.inputs, Tensor) and isinstance(self.outputs, Tensor)
        return Kronecker(self.inputs / samples, self.outputs / (samples * self.places))


FORMS: Mapping[str, Callable[[], Sums]] = {"diagonal": _Diagonals, "block": _Blocks, "kronecker": _Kroneckers}
"""What `fisher` can keep, by the name that recipes use."""


def fisher(model: nn.Module, batches: Batches, form: str, *, empirical: bool = False, seed: int = 0) -> dict[str, Curvature]:
    """The Fisher information of each layer with a quantized weight, by its name; of the quantized weights, with the model in eval mode.

    Args:
        model: gives class scores (N, classes); cross-entropy is its loss.
        batches: inputs and labels; every sample of one pass counts.
        form: one of `FORMS`.
        empirical: gradients of the given labels, instead of labels drawn from the model's own answer with `seed`.
    Raises:
        InputError: no such form, no samples, scores of another shape, or a layer that has no such form.
    """
    if form not in FORMS:
        raise InputError(f"no form '{form}' of the Fisher information; there are {', '.join(FORMS)}")
    named = layers(model)
    sums, samples = {name: FORMS[form]() for name in named}, 0
    random = torch.Generator().manual_seed(seed)
    with _evaluating(model), torch.enable_grad():
        for x, given in batches():
            with _watching(named) as seen:
                scores = plain(model(x.detach().clone().requires_grad_()))
            if scores.ndim != 2 or scores.shape[0] != len(x):
                raise InputError(f"the Fisher information wants class scores (N, classes), not {tuple(scores.shape)}")
            labels = given if empirical else torch.multinomial(scores.detach().softmax(1), 1, generator=random)[:, 0]
            calls = [(name, inputs, out) for name, found in seen.items() for inputs, out in found]
            back = torch.autograd.grad(F.cross_entropy(scores, labels, reduction="sum"), [out for _, _, out in calls])
            for name in named:
                parts = [_places(named[name], inputs, g) for (of, inputs, _), g in zip(calls, back, strict=True) if of == name]
                if parts:  # calls of one layer add up, as places of a convolution do
                    sums[name].add(*(torch.cat(part, 3) for part in zip(*parts, strict=True)))
            samples += len(x)
    if not samples:
        raise InputError("the Fisher information needs samples: there are no batches")
    return {name: each.mean(samples) for name, each in sums.items()}


def _gradients(inputs: Tensor, back: Tensor) -> Tensor:
    """Of each sample, (N, out, in)."""
    return torch.einsum("ngop,ngip->ngoi", back, inputs).flatten(1, 2)


def _places(layer: Any, inputs: Tensor, back: Tensor) -> tuple[Tensor, Tensor]:
    """A call's inputs (N, groups, in, places), one column for each output place, and what came back (N, groups, out / groups, places)."""
    if isinstance(layer, nn.Linear):
        a, d = (part.reshape(len(part), -1, part.shape[-1]).transpose(1, 2) for part in (inputs, back))
        return a[:, None], d[:, None]
    groups = layer.groups
    if isinstance(layer, nn.Conv1d):
        inputs, back = inputs[:, :, None], back[:, :, None]
        sizes = [(before, value[0]) for before, value in ((1, layer.kernel_size), (1, layer.dilation), (0, layer.padding), (1, layer.stride))]
    else:
        sizes = [layer.kernel_size, layer.dilation, layer.padding, layer.stride]
    columns = F.unfold(inputs, *sizes)  # channels outermost, so groups lie together
    return columns.unflatten(1, (groups, -1)), back.flatten(2).unflatten(1, (groups, -1))


@contextmanager
def _watching(named: Mapping[str, Any]) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
    """Collects each layer's calls while it lasts: (quantized input, detached; output)."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in named}

    def watch(name: str) -> Callable[[Any, Any, Any], None]:
        def keep(layer: Any, args: Any, out: Any) -> None:
            seen[name].append((plain(layer.input_quant(args[0])).detach(), plain(out)))

        return keep

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in named.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
