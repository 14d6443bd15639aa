"""Runs a live module once and follows its input through: layers by forward hooks, the functions between them by a `TorchFunctionMode`.

`torch.fx`, `torch.export` and Brevitas' own tracers all fail on real Brevitas models; watching one run does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from hwqnn.errors import UnsupportedError
from hwqnn.frontend.glue import METADATA
from hwqnn.frontend.registry import REGISTRY, Call, Handler, plain
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol

CONTAINERS = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)

LIBRARIES = ("torch.nn.", "brevitas.nn.")


@dataclass(frozen=True, eq=False)
class Seen:
    """A tensor that comes from the input. Holding the tensor keeps its id from being used again; `version` counts in-place writes."""

    tensor: torch.Tensor
    version: int
    symbol: Symbol


@dataclass(frozen=True, eq=False)
class Visit:
    """A layer or function that has begun: what it is and which of its operands come from the input (as they were then)."""

    place: Place
    what: str
    module: torch.nn.Module | None
    handler: Handler | None
    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    operands: list[Symbol]
    positions: list[int]

    @property
    def subject(self) -> str:
        """What an error says of it after naming the layer."""
        return "it" if self.module is not None else f"{self.what}, after {self.operands[0].last},"


class Recorder(TorchFunctionMode):
    """While active, every tensor that comes from the input has a `Symbol`. One use only.

    A layer with a handler, or from torch's or Brevitas' own library, is one unit: what it does inside is not looked at.

    Raises (out of the model's forward):
        UnsupportedError: a layer or function on the input's way has no handler.
    """

    def __init__(self, model: torch.nn.Module, tensor: torch.Tensor, symbol: Symbol, builder: GraphBuilder) -> None:
        super().__init__()
        self.builder = builder
        self.batch = tensor.shape[0]
        self.seen = {id(tensor): Seen(tensor, tensor._version, symbol)}
        self.last = symbol.last
        self.running: list[Visit] = []
        self.inside = 0
        self.handles: list[Any] = []
        self.hook("", model, set())

    def hook(self, path: str, module: torch.nn.Module, hooked: set[int]) -> None:
        """Watches `module` and what is under it; a module that sits in two places goes by its first."""
        if id(module) in hooked:
            return
        hooked.add(id(module))
        place = Place(path, type(module).__name__)
        handler = REGISTRY.for_layer(module)
        unit = handler is not None or (type(module).__module__.startswith(LIBRARIES) and type(module) not in CONTAINERS)

        def enter(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.running.append(self.visit(place, str(place), module, handler, module.forward, args, kwargs))
            self.inside += unit

        def leave(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
            visit = self.running.pop()
            if unit and self.inside == 1:
                self.record(visit, out)
            self.inside -= unit

        self.handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        self.handles.append(module.register_forward_hook(leave, with_kwargs=True))
        if not unit:
            for name, child in module.named_children():
                self.hook(f"{path}.{name}" if path else name, child, hooked)

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        for handle in self.handles:
            handle.remove()

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @property
    def place(self) -> Place:
        """The innermost layer that is running."""
        return self.running[-1].place if self.running else Place("", "model")

    def symbol(self, value: Any, place: Place) -> Symbol | None:
        """What `value` stands for, or None for what does not come from the input."""
        tensor = plain(value)
        found = self.seen.get(id(tensor))
        if found is None:
            return None
        if tensor._version != found.version:
            raise place.fail(f"it reads the result of {found.symbol.last}, which something has changed in place since")
        return found.symbol

    def operands(self, values: Any, place: Place) -> list[Symbol]:
        """Every tensor that comes from the input in a nest of tuples, lists and dictionaries."""
        if (found := self.symbol(values, place)) is not None:
            return [found]
        if isinstance(values, dict):
            values = tuple(values.values())
        if not isinstance(values, tuple | list):
            return []
        return [symbol for value in values for symbol in self.operands(value, place)]

    def visit(
        self, place: Place, what: str, module: Any, handler: Handler | None, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Visit:  # fmt: skip
        with self.unwatched():
            positions = [i for i, arg in enumerate(args) if self.symbol(arg, place) is not None]
            return Visit(place, what, module, handler, run, args, kwargs, self.operands((args, kwargs), place), positions)

    def record(self, visit: Visit, out: Any) -> None:
        """Gives the output of a layer or function its symbol."""
        if not visit.operands:
            return
        fail, subject = visit.place.fail, visit.subject
        if visit.handler is None:
            raise fail(f"{subject} is not supported")
        if visit.handler not in REGISTRY.joins:
            if len(visit.operands) > 1:
                raise fail(f"{subject} joins {len(visit.operands)} tensors that come from the input")
            if not visit.positions:
                raise fail(f"{subject} gets its operand by keyword or inside a list; pass it by position")
        value = plain(out)
        tensors = list(value) if isinstance(value, tuple | list) else [value]
        for tensor in tensors:
            if not torch.is_tensor(tensor) or tensor.dtype not in (torch.float32, torch.float64):
                kind = tensor.dtype if torch.is_tensor(tensor) else type(out).__name__
                raise fail(f"{subject} yields a {kind}; only float32 and float64 are supported")
        at = visit.positions[0] if visit.positions else -1
        results = visit.handler(
            Call(visit.place, visit.what, visit.operands, at, visit.args, visit.kwargs, tensors[0], visit.module, visit.run, self.builder)
        )
        for tensor, result in zip(tensors, results if isinstance(results, list) else [results], strict=True):
            shape = tuple(tensor.shape)
            if not shape or shape[0] != self.batch or shape[1:] != result.shape:
                raise fail(f"{subject} yields shape {shape}, which does not keep the {self.batch} samples of the batch apart")
            first = visit.operands[0]
            moved = result.producer == first.producer and result.chain is first.chain  # nothing to report
            self.last = result.last if moved else visit.what
            self.seen[id(tensor)] = Seen(tensor, tensor._version, replace(result, last=self.last))

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if self.inside:
            return func(*args, **kwargs)
        with self.unwatched():
            name = getattr(func, "__name__", "")
            if name == "__get__":
                name = f".{func.__self__.__name__}"
            if name in METADATA:
                return func(*args, **kwargs)
            what = resolve_name(func) or name
            visit = self.visit(self.place, what, None, REGISTRY.functions.get(name), func, args, kwargs)
            if visit.operands and visit.handler is None:
                self.record(visit, None)
            out = func(*args, **kwargs)
            self.record(visit, out)
            return out

    def output(self, out: Any) -> Symbol:
        """What the model's output stands for. Raises `UnsupportedError` unless it is one tensor that comes from the input."""
        if not torch.is_tensor(plain(out)):
            parts = len(out) if isinstance(out, tuple | list | dict) else 0
            raise UnsupportedError(f"the model returns {f'{parts} values in a ' if parts else 'a '}{type(out).__name__}; it must return one tensor")
        symbol = self.symbol(out, Place("", "model"))
        if symbol is None:
            raise UnsupportedError(
                f"the model's output does not come from its input by operations that can be followed; the last one was {self.last}. "
                "Scripted modules, autograd functions and numpy are not followed"
            )
        return symbol
