"""A layer as a chain of smaller ones: how it is built, and how it is told to be built again when a stored network is read.

Between two layers of a chain stands a quantizer of few signed bits, because a block in hardware reads few-bit inputs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from brevitas import nn as qnn
from torch import Tensor, nn

from hwqnn import quant
from hwqnn.compress.layers import Layer
from hwqnn.compress.method import METHODS
from hwqnn.errors import InputError

BITS = (2, 8)
"""The fewest and the most bits of the values between two layers of a chain."""


@dataclass(frozen=True)
class Part:
    """One layer of a chain.

    Attributes:
        inputs, outputs: features of a dense layer, channels of a convolution.
        kernel, stride, padding, dilation: of a convolution, (rows, columns); kernel None: a dense layer.
        rows: its input is a flat row of features, seen as a map of so many rows with `inputs` channels, channels last; it gives such a row again.
            None: the input is as it comes.
    """

    inputs: int
    outputs: int
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    rows: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its weight."""
        return (self.outputs, self.inputs // self.groups, *(self.kernel or ()))

    def layer(self, like: Any, last: bool) -> Any:
        """The Brevitas layer, its weight quantizer made anew from that of `like`; the last of a chain takes over the bias."""
        bias = last and like.bias is not None
        if self.kernel is None:
            made: Any = qnn.QuantLinear(self.inputs, self.outputs, bias=bias, weight_quant=None)
        else:
            made = qnn.QuantConv2d(
                self.inputs, self.outputs, self.kernel, stride=self.stride, padding=self.padding, dilation=self.dilation, groups=self.groups,
                bias=bias, weight_quant=None,
            )  # fmt: skip
        made.weight_quant = like.weight_quant.__class__(made, like.weight_quant.quant_injector)
        if bias:
            made.bias.data.copy_(like.bias.data)
            made.bias_quant = like.bias_quant.__class__(made, like.bias_quant.quant_injector)
        return made


class ToMap(nn.Module):
    """A flat row (N, rows * W * channels) to a map (N, channels, rows, W): the hardware's order of a map, so nothing moves."""

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.rows, self.channels = rows, channels

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.rows, -1, self.channels).permute(0, 3, 1, 2)


class ToRow(nn.Module):
    """A map (N, channels, rows, W) to a flat row (N, rows * W * channels): back again."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


@dataclass(frozen=True)
class Structure:
    """What a layer has become: all that is needed to build it again, but its weights.

    Attributes:
        form: the method's name.
        ranks: of its bonds, one fewer than layers.
        bits: of the values between them.
    """

    form: str
    ranks: tuple[int, ...]
    bits: int


class Chain(nn.Sequential):
    """The layers in the place of one: factors with their quantizers between them.

    Args:
        like: the layer in whose place it stands; its quantizers are made anew.
        maxima: the greatest values between the layers, one a bond; None where a stored network brings them.
    """

    def __init__(self, structure: Structure, parts: Sequence[Part], like: Any, maxima: Sequence[float] | None = None) -> None:
        maxima = maxima or [1.0] * (len(parts) - 1)
        factors = [part.layer(like, part is parts[-1]) for part in parts]
        factors[0].input_quant, factors[-1].output_quant = like.input_quant, like.output_quant
        modules: list[nn.Module] = []
        for part, factor, maximum in zip(parts, factors, [*maxima, None], strict=True):
            moves: tuple[list[nn.Module], list[nn.Module]] = ([], []) if part.rows is None else ([ToMap(part.rows, part.inputs)], [ToRow()])
            modules += [*moves[0], factor, *moves[1]]
            if maximum is not None:
                modules.append(quant.act("integer", structure.bits, maximum=maximum))
        super().__init__(*modules)
        self.structure = structure

    @property
    def factors(self) -> list[Any]:
        """Its layers."""
        return [module for module in self if isinstance(module, Layer)]


def put(model: nn.Module, name: str, new: nn.Module) -> nn.Module:
    """The model with its module `name` replaced, in place; for "" that is `new`."""
    if not name:
        return new
    *parents, last = name.split(".")
    setattr(model.get_submodule(".".join(parents)), last, new)
    return model


def describe(model: nn.Module) -> str:
    """The structure of every chain, in JSON, outer ones first; "" where there is none."""
    found = {name: asdict(module.structure) for name, module in model.named_modules() if isinstance(module, Chain)}
    return json.dumps(found) if found else ""


def rebuild(model: nn.Module, text: str) -> nn.Module:
    """What `describe` said, done to a freshly made network, in place.

    Raises:
        InputError: it is of another network.
    """
    for name, each in (json.loads(text) if text else {}).items():
        try:
            structure = Structure(each["form"], tuple(each["ranks"]), each["bits"])
            form: Any = METHODS[structure.form]
            layer = model.get_submodule(name)
            model = put(model, name, Chain(structure, form.parts(layer, structure.ranks), layer))
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"layer '{name}' cannot be factored as the stored network says: {error}") from error
    return model
