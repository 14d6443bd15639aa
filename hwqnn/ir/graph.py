"""The graph: ops in topological order, checked when it is made, and its readable text form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hwqnn.errors import GraphError
from hwqnn.ir.ops import Edge, Input, Op
from hwqnn.ir.real import Piece


@dataclass(frozen=True, eq=False)
class Graph:
    """A network over integers.

    Attributes:
        name: the model's name.
        ops: every op, producers before consumers; exactly one is an `Input`.
        output: the name of the op whose edge leaves the network.
        meaning: what the output's integers mean as reals (empty when they mean themselves, as a label does).
        edges: name of op -> its inferred `Edge`.

    Raises:
        GraphError: a name repeats, an input is unknown or comes later, an op's own rule fails, or an op is dead.
    """

    name: str
    ops: tuple[Op, ...]
    output: str
    meaning: tuple[Piece, ...] = ()
    edges: dict[str, Edge] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        edges: dict[str, Edge] = {}
        for op in self.ops:
            if op.name in edges:
                raise op.fail("another op has the same name")
            for name in op.inputs:
                if name not in edges:
                    raise op.fail(f"its input '{name}' is not produced by an earlier op")
            edges[op.name] = op.infer(tuple(edges[name] for name in op.inputs))
        if sum(isinstance(op, Input) for op in self.ops) != 1:
            raise GraphError(f"graph '{self.name}' needs exactly one input")
        if self.output not in edges:
            raise GraphError(f"graph '{self.name}': output '{self.output}' is not produced by any op")
        used = {self.output} | {name for op in self.ops for name in op.inputs}
        if dead := [op.name for op in self.ops if op.name not in used]:
            raise GraphError(f"graph '{self.name}': nothing reads {', '.join(dead)}")
        object.__setattr__(self, "edges", edges)

    @property
    def input(self) -> Input:
        return next(op for op in self.ops if isinstance(op, Input))

    def op(self, name: str) -> Op:
        return next(op for op in self.ops if op.name == name)

    def consumers(self, name: str) -> tuple[Op, ...]:
        return tuple(op for op in self.ops if name in op.inputs)

    def replace(self, changed: Mapping[str, Sequence[Op]], output: str | None = None, meaning: tuple[Piece, ...] | None = None) -> Graph:
        """A new graph in which each op named in `changed` gives way to the ops listed for it (none deletes it)."""
        ops = tuple(new for op in self.ops for new in changed.get(op.name, (op,)))
        return Graph(self.name, ops, output or self.output, self.meaning if meaning is None else meaning)

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        for op in self.ops:
            edge = self.edges[op.name]
            shape = "x".join(map(str, edge.shape))
            lines.append(f"  %{op.name}: {edge.type}[{shape}] = {op.kind}({', '.join('%' + i for i in op.inputs)})")
        return "\n".join([*lines, f"  return %{self.output}"])
