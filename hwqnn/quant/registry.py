"""The families of quantizers by name: what a recipe says, and what a layer is given for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hwqnn.errors import InputError
from hwqnn.words import nearest

Legal = type | tuple[Any, ...]
"""What an option may be: any value of a type, or one of some values."""


@dataclass(frozen=True, eq=False)
class Family:
    """Quantizers of one kind.

    Attributes:
        name: what a recipe calls it.
        paper: who proposed it, and the equation or algorithm.
        bits: the legal bit widths.
        options: the other options, and what each may be.
        make: (bits, **options) to the arguments of a layer (weights) or to the activation layer.
    """

    name: str
    paper: str
    bits: tuple[int, ...]
    options: Mapping[str, Legal]
    make: Callable[..., Any]


class Registry(Mapping[str, Family]):
    """Families that enter by a decorator; `kind` is what an error calls them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.families: dict[str, Family] = {}

    def __getitem__(self, name: str) -> Family:
        return self.families[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.families)

    def __len__(self) -> int:
        return len(self.families)

    def add(self, name: str, *, paper: str, bits: Sequence[int], options: Mapping[str, Legal], make: Callable[..., Any]) -> None:
        self.families[name] = Family(name, paper, tuple(bits), options, make)

    def make(self, name: str, bits: int | None, options: Mapping[str, Any]) -> Any:
        """Raises `InputError`: an unknown name, an illegal bit width or option; the message lists what there is."""
        if name not in self:
            raise InputError(f"no {self.kind} quantizer '{name}'; {nearest(name, self)}")
        family = self[name]
        if bits is None and len(family.bits) == 1:
            bits = family.bits[0]
        if bits not in family.bits:
            asked = "needs its bits" if bits is None else f"cannot have {bits} bits"
            raise InputError(f"{self.kind} quantizer '{name}' {asked}; it takes {', '.join(map(str, family.bits))}")
        for option, value in options.items():
            if option not in family.options:
                raise InputError(f"{self.kind} quantizer '{name}' has no option '{option}'; {nearest(option, family.options)}")
            legal = family.options[option]
            if isinstance(legal, tuple) and value not in legal:
                raise InputError(f"{self.kind} quantizer '{name}': {option} = {value!r}; it takes {', '.join(map(repr, legal))}")
            if isinstance(legal, type) and not (type(value) is legal or (legal is float and type(value) is int)):
                raise InputError(f"{self.kind} quantizer '{name}': {option} = {value!r} is no {legal.__name__}")
        return family.make(bits, **options)


WEIGHTS, ACTS = Registry("weight"), Registry("activation")


def weight(name: str, bits: int | None = None, **options: Any) -> dict[str, Any]:
    """Arguments for `qnn.QuantLinear` or `qnn.QuantConv2d`: the quantizer of the family `name` in `WEIGHTS`, and no bias.

    Raises:
        InputError: there is no such family, bit width or option.
    """
    return WEIGHTS.make(name, bits, options)


def act(name: str, bits: int | None = None, **options: Any) -> nn.Module:
    """The activation layer of the family `name` in `ACTS`, on real tensors of any shape.

    Raises:
        InputError: there is no such family, bit width or option.
    """
    return ACTS.make(name, bits, options)


def weights(name: str, *, paper: str, bits: Sequence[int], **options: Legal) -> Callable[[type], type]:
    """Registers a Brevitas injector of weights; each of its options is an attribute that it has, and so is `bit_width`."""

    def register(injector: type) -> type:
        def make(bits: int, **given: Any) -> dict[str, Any]:
            return {"weight_quant": injector, "bias": False, "weight_bit_width": bits, **{f"weight_{key}": value for key, value in given.items()}}

        WEIGHTS.add(name, paper=paper, bits=bits, options=options, make=make)
        return injector

    return register


def acts(name: str, *, paper: str, bits: Sequence[int], **options: Legal) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Registers a function (bits, **options) that makes an activation layer."""

    def register(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        ACTS.add(name, paper=paper, bits=bits, options=options, make=make)
        return make

    return register
