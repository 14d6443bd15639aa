"""The handlers: what a layer or a torch function does to a symbol. Each file beside this one registers its own with a decorator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from hwqnn.errors import InputError, UnsupportedError
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol, shape_text
from hwqnn.ir import exact


@dataclass(frozen=True)
class Site(Place):
    """A function called in a layer's forward."""

    function: str

    def fail(self, why: str) -> UnsupportedError:
        return super().fail(f"{self.function}: {why}")


@dataclass(frozen=True, eq=False)
class Call:
    """One recorded call of a layer or function.

    Attributes:
        place: the layer; for a function, the user's layer in whose `forward` it was called.
        what: the layer or function, as an error names it.
        operands: what went in and comes from the model's input, in order; only a handler that joins sees more than one.
        at: the position of the first of them in `args` (-1 when it is inside a list).
        out: the tensor that came out (the first of several); `args` and `kwargs` are what went in.
        module: the layer (None for a function).
        run: the function, or the layer's forward.
        builder: where ops go.
    """

    place: Place
    what: str
    operands: list[Symbol]
    at: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: torch.Tensor
    module: Any
    run: Callable[..., Any]
    builder: GraphBuilder

    @property
    def x(self) -> Symbol:
        return self.operands[0]

    def options(self, **defaults: Any) -> Any:
        """The arguments after the operand by these names, which are in the function's order; those not given have their default."""
        return SimpleNamespace(**(defaults | dict(zip(defaults, self.args[self.at + 1 :], strict=False)) | self.kwargs))

    @property
    def site(self) -> Place:
        """What an error is about: the layer, or the function in it."""
        return self.place if self.module is not None else Site(self.place.path, self.place.layer, self.what)

    def fail(self, why: str) -> UnsupportedError:
        return self.site.fail(why)

    def exact(self, what: str, values: object) -> np.ndarray:
        """`values` as Fractions, flat. Raises `InputError` when one is NaN or infinite."""
        try:
            return exact(plain(values).detach().double().cpu().numpy() if torch.is_tensor(plain(values)) else values)
        except ValueError as error:
            raise InputError(f"{self.place}: {what}: {error}; the model's parameters must be finite") from None

    def constant(self, what: str, value: object) -> np.ndarray:
        """A scalar or constant tensor as it meets this call's output: Fractions of length 1 or of the output's shape for one sample.

        torch converts a Python number to the tensor's own dtype first, so 0.1 means the float32 next to it.
        """
        tensor = plain(value)
        if not torch.is_tensor(tensor):
            if not isinstance(tensor, int | float):
                raise self.fail(f"an operand of type {type(value).__name__}")
            tensor = torch.tensor(tensor, dtype=self.out.dtype)
        if tensor.is_complex():
            raise self.fail("a complex operand")
        tensor = tensor.to(self.out.dtype)
        if tensor.numel() == 1:
            return self.exact(what, tensor)
        batched = tensor.reshape((1,) * (self.out.ndim - tensor.ndim) + tuple(tensor.shape))
        if batched.shape[0] != 1:
            raise self.fail(f"a constant of shape {tuple(tensor.shape)} that differs from sample to sample")
        return self.exact(what, batched.expand(1, *self.out.shape[1:])).reshape(self.out.shape[1:])

    def affine(self, x: Symbol, mul: np.ndarray, add: np.ndarray) -> Symbol:
        """mul * x + add; each is one Fraction or one for every element of `x`."""
        if any(values.size > 1 and values.shape != x.shape for values in (mul, add)):
            raise self.fail(f"it yields shape {tuple(self.out.shape)}, to which it repeats its operand of shape {shape_text(x)}")
        x, (mul, add) = self.builder.along(x, self.site, mul, add)
        return x.affine(mul, add)

    def number(self, value: float) -> Fraction:
        """A Python number in the dtype that torch computes in."""
        return Fraction(torch.tensor(value, dtype=self.out.dtype).item())


Handler = Callable[[Call], Symbol | list[Symbol]]
"""Gives the symbol of the output, or a list of them for a function with several outputs."""


@dataclass
class Registry:
    """Handlers by layer class, and by the name of a torch function; and which of them join several operands."""

    layers: dict[type[torch.nn.Module], Handler] = field(default_factory=dict)
    functions: dict[str, Handler] = field(default_factory=dict)
    joins: set[Handler] = field(default_factory=set)

    def joining(self, handler: Handler) -> Handler:
        """Marks a handler that takes several operands."""
        self.joins.add(handler)
        return handler

    def layer(self, *classes: type[torch.nn.Module]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.layers.update(dict.fromkeys(classes, handler))
            return handler

        return register

    def function(self, *names: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.functions.update(dict.fromkeys(names, handler))
            return handler

        return register

    def for_layer(self, module: torch.nn.Module) -> Handler | None:
        """The handler of the nearest registered base class whose `forward` the module still uses."""
        cls = next((cls for cls in type(module).__mro__ if cls in self.layers), None)
        return self.layers[cls] if cls is not None and type(module).forward is cls.forward else None


REGISTRY = Registry()


def plain(value: Any) -> Any:
    """The tensor inside a Brevitas QuantTensor; anything else as it is."""
    return value.value if hasattr(value, "bit_width") and hasattr(value, "value") else value
