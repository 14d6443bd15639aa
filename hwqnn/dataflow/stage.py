"""Stages: what the folding solver chooses for. One stage is one op of the canonical graph, or several that one block computes together.

A stage maker registers itself for the op class it starts with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from hwqnn.dataflow.design import Beat, Block
from hwqnn.dataflow.head import ArgMaxBlock, ChannelAffineBlock
from hwqnn.dataflow.mvu import Mvu, accumulator
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.errors import UnsupportedError
from hwqnn.ir import ArgMax, ChannelAffine, Graph, Input, MatMul, Op, Threshold


@dataclass(frozen=True)
class Folding:
    """Elements a stage takes (SIMD) and gives (PE) per beat; whether its weights lie in block RAM."""

    simd: int
    pe: int
    bram: bool = False

    def __str__(self) -> str:
        return f"pe={self.pe}, simd={self.simd}" + (", bram=true" if self.bram else "")


@dataclass(frozen=True, eq=False)
class Stage:
    """A place in the chain that wants a block.

    Attributes:
        layer: the user's name for it.
        kind: the block's kind, for names.
        edge: the op whose output this stage gives.
        frame: elements it takes per frame.
        foldings: every folding there is.
        block: makes the block for a folding.
        decoupled: it pauses its input, so a FIFO goes before it.
    """

    layer: str
    kind: str
    edge: str
    frame: int
    foldings: tuple[Folding, ...]
    block: Callable[[Folding], Block]
    decoupled: bool = False


MAX_SIMD = 64
"""The widest dot product in one clock cycle: 64 terms without a register in between routed at 107 to 169 MHz on an xc7z020-1."""

Maker = Callable[[Graph, list[Op]], tuple[Stage, int]]
MAKERS: dict[type[Op], Maker] = {}
"""Op class -> maker; a maker gets the ops from this one on and says how many of them its stage computes."""


def maker(op: type[Op]) -> Callable[[Maker], Maker]:
    def register(function: Maker) -> Maker:
        MAKERS[op] = function
        return function

    return register


def divisors(n: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, n + 1) if n % d == 0)


def stages(graph: Graph) -> Iterator[Stage]:
    """The chain of stages of a canonical graph.

    Raises:
        UnsupportedError: the graph is not a chain, or an op has no block.
    """
    ops = list(graph.ops)
    for previous, op in pairwise(ops):
        if op.inputs != (previous.name,):
            raise UnsupportedError(f"'{op.name}' does not follow '{previous.name}': only chains of layers have hardware so far")
    if not isinstance(ops[0], Input) or len(ops) < 2:
        raise UnsupportedError(f"graph '{graph.name}' computes nothing")
    rest = ops[1:]
    while rest:
        if type(rest[0]) not in MAKERS:
            raise UnsupportedError(
                f"{rest[0].kind} '{rest[0].name}' has no hardware block; ops that have one: {', '.join(sorted(c.__name__ for c in MAKERS))}"
            )
        stage, used = MAKERS[type(rest[0])](graph, rest)
        yield stage
        rest = rest[used:]


def _lanes(channels: int) -> tuple[Folding, ...]:
    return tuple(Folding(d, d) for d in divisors(channels))


@maker(Threshold)
def _threshold(graph: Graph, ops: list[Op]) -> tuple[Stage, int]:
    op = ops[0]
    assert isinstance(op, Threshold)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]

    def block(f: Folding) -> Block:
        return ThresholdBlock(beat_in=Beat(f.simd, x.type), beat_out=Beat(f.pe, y.type), op=op, channels=x.channels)

    return Stage(op.name, "threshold", op.name, x.channels, _lanes(x.channels), block), 1


@maker(MatMul)
def _mvu(graph: Graph, ops: list[Op]) -> tuple[Stage, int]:
    op = ops[0]
    assert isinstance(op, MatMul)
    threshold = ops[1] if len(ops) > 1 and isinstance(ops[1], Threshold) and not ops[1].descending.any() else None
    x = graph.edges[op.inputs[0]]
    acc = accumulator(op, threshold, x.type)
    outputs, inputs = op.weight.shape
    foldings = tuple(Folding(simd, pe, bram) for simd in divisors(inputs) if simd <= MAX_SIMD for pe in divisors(outputs) for bram in (False, True))
    stage = Stage(
        layer=op.name,
        kind="mvu",
        edge=threshold.name if threshold else op.name,
        frame=inputs,
        foldings=foldings,
        block=lambda f: Mvu.fold(op, threshold, x.type, f.pe, f.simd, f.bram, acc),
        decoupled=True,
    )
    return stage, 2 if threshold else 1


@maker(ChannelAffine)
def _channel_affine(graph: Graph, ops: list[Op]) -> tuple[Stage, int]:
    op = ops[0]
    assert isinstance(op, ChannelAffine)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    return Stage(op.name, "affine", op.name, x.channels, _lanes(x.channels), lambda f: ChannelAffineBlock.make(op, Beat(f.simd, x.type), y)), 1


@maker(ArgMax)
def _argmax(graph: Graph, ops: list[Op]) -> tuple[Stage, int]:
    op = ops[0]
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]

    def block(f: Folding) -> Block:
        return ArgMaxBlock(beat_in=Beat(f.simd, x.type), beat_out=Beat(1, y.type), channels=x.channels)

    return Stage(op.name, "argmax", op.name, x.channels, tuple(Folding(d, 1) for d in divisors(x.channels)), block), 1
