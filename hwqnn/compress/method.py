"""What a compression method and a training term are, and the registry of methods by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Protocol, TypeVar, get_args, get_type_hints, runtime_checkable

from torch import Tensor, nn

from hwqnn.compress.report import Report
from hwqnn.errors import InputError
from hwqnn.words import nearest

Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""Gives a pass over some data, each time it is called: (inputs as the model takes them, float (N, ...); labels, int64 (N,))."""

Plan = TypeVar("Plan")


@runtime_checkable
class Method(Protocol[Plan]):
    """A transformation of a trained model: a frozen dataclass of its options, in three steps, so that a plan can be read before it is done."""

    def plan(self, model: nn.Module, batches: Batches | None) -> Plan:
        """What would be done, a frozen dataclass that prints itself. Looks at the model and changes nothing.

        Raises:
            InputError: the model has no layer that the method can take, or the method needs data and `batches` is None.
        """

    def apply(self, model: nn.Module, plan: Plan) -> nn.Module:
        """A changed copy of the model, in eval mode. Its weights are still those of Brevitas layers, so the frontend lowers them."""

    def report(self, before: nn.Module, after: nn.Module, plan: Plan) -> Report:
        """What the weights of both models consist of."""


@runtime_checkable
class Learned(Method[Plan], Protocol[Plan]):
    """A method whose plan is read from what a training has learned, such as the posterior of each weight: one step more, before the plan."""

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        """A copy in train mode whose layers are stochastic or penalized, and the term of its loss. What was trained of it is what `plan` and
        `apply` get; `apply` gives ordinary layers back.

        Args:
            examples: how many training images there are: the loss is a mean over images, so a divergence of all weights is divided by it.
        Raises:
            InputError: the model has no layer that the method can take.
        """


@runtime_checkable
class Term(Protocol):
    """What a training loop adds to the loss, and what it does between epochs."""

    def __call__(self, model: nn.Module) -> Tensor:
        """A scalar that is added to the loss of every step."""

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Called before epoch number `epoch` of `epochs`, counted from 0; changes the model in place."""


METHODS: dict[str, type[Method[Any]]] = {}
"""Every method by the name that recipes use."""

_Class = TypeVar("_Class", bound=type)


def register(name: str) -> Callable[[_Class], _Class]:
    """Enters a method's class under `name`."""

    def enter(kind: _Class) -> _Class:
        METHODS[name] = kind
        return kind

    return enter


def make(name: str, **options: Any) -> Method[Any]:
    """The method `name` with these options.

    Raises:
        InputError: there is no such method or option, or a value is not legal.
    """
    if name not in METHODS:
        raise InputError(f"no compression method '{name}'; {nearest(name, METHODS)}")
    kind: Any = METHODS[name]
    known, legal = [field.name for field in fields(kind)], get_type_hints(kind)
    for option, value in options.items():
        if option not in known:
            raise InputError(f"method '{name}' has no option '{option}'; {nearest(option, known)}")
        accepted = get_args(legal[option]) or (legal[option],)
        if type(value) not in accepted and not (type(value) is int and float in accepted):
            raise InputError(f"method '{name}': {option} = {value!r} is no {accepted[0].__name__}")
    return kind(**options)
