"""An op that hwqnn does not have, added without changing a file of it: y = |x|, which no thresholds can stand for, since it falls and rises.

The worked example of docs/adding-an-op.md; importing this file registers every part. Its RTL is absolute.sv, beside this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from hwqnn.dataflow.design import Beat, Block, Resources, Schedule
from hwqnn.dataflow.stage import Folding, Stage, divisors, maker
from hwqnn.frontend.registry import REGISTRY, Call
from hwqnn.frontend.symbolic import Symbol, as_line
from hwqnn.ir import Bipolar, Edge, Graph, Op, exact, smallest
from hwqnn.reference.step import Step, step_of, storage

# 1. The op: its type rule and its verifier.


@dataclass(frozen=True, eq=False, kw_only=True)
class Absolute(Op):
    """y = |x|, element by element."""

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if x.type.min >= 0 or isinstance(x.type, Bipolar):
            raise self.fail(f"its input is of type {x.type}, whose absolute value says nothing new")
        return Edge(smallest(0, max(-x.type.min, x.type.max)), x.shape)


# 2. The reference: what the hardware has to match.


@step_of(Absolute)
def absolute_step(op: Absolute, source: Edge, target: Edge) -> Step:
    """Integers (N, ..., C) to integers of the same shape. Widened first: the least int32 has no negative in 32 bits."""
    result = storage(target.type)
    return lambda x: np.abs(x.astype(result))


# 3. The hardware block and the stage that the folding solver chooses for.


@dataclass(frozen=True, eq=False, kw_only=True)
class AbsoluteBlock(Block):
    """`beat_in.elements` lanes, one beat a cycle."""

    module: ClassVar[str] = "absolute"
    library: ClassVar[Path] = Path(__file__).parent
    elements: int
    """A frame: of a map, all pixels' channels."""

    @property
    def fold(self) -> int:
        return self.elements // self.beat_in.elements

    @property
    def schedule(self) -> Schedule:
        every = np.ones(self.fold, dtype=bool)
        return Schedule(every, every, every, 1)

    @property
    def parameters(self) -> dict[str, int]:
        return {
            "PE": self.beat_in.elements,
            "FOLD": self.fold,
            "WIDTH": self.beat_in.type.bits,
            "OUT_BITS": self.beat_out.type.bits,
        }

    @property
    def estimate(self) -> Resources:
        return Resources(lut=self.beat_out.bits + self.fold.bit_length() + 2, ff=self.beat_out.bits + self.fold.bit_length() + 2)


@maker(Absolute)
def absolute_stage(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    elements = math.prod(x.shape)

    def block(f: Folding) -> Block:
        return AbsoluteBlock(beat_in=Beat(f.simd, x.type), beat_out=Beat(f.pe, y.type), elements=elements)

    foldings = tuple(Folding(d, d) for d in divisors(x.channels))
    yield Stage(layer=op.name, kind="absolute", edge=op.name, inputs=sources, frame=(elements,), foldings=foldings, block=block)


# 4. The frontend: a layer of the user's own, and the torch functions that do the same.


class Modulus(torch.nn.Module):
    """|x|, written as a user writes it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x, -x)  # two operands from the input: only as a layer with a handler can it be imported


@REGISTRY.layer(Modulus)
@REGISTRY.function("abs", "abs_", "absolute", "absolute_")
def absolute(call: Call) -> Symbol:
    """|scale * q| = |scale| * |q|, which leaves an integer op and a scale."""
    scale, offset = as_line(call.x, call.place)
    if (offset != 0).any():
        raise call.fail(f"its input is shifted after {call.x.last}; put a quantizer before it")
    op = Absolute(name=call.builder.fresh(call.place.op_name), inputs=(call.x.producer,))
    return call.builder.add(op, call.x.index, call.what).affine(abs(scale), exact([0]))
