"""Stages: what the folding solver chooses for. One stage is one block: an op of the canonical graph, a part of it (the window of a
convolution), or several that one block computes together.

A stage maker registers itself for the op class it starts with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hwqnn.dataflow.accumulator import Product, accumulator, products
from hwqnn.dataflow.affine import ChannelAffineBlock
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.design import MAX_FUSED, Beat, Block, Store
from hwqnn.dataflow.frozen import Frozen
from hwqnn.dataflow.head import ArgMaxBlock
from hwqnn.dataflow.joins import AddBlock, ConcatBlock
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.pack import code
from hwqnn.dataflow.pool import PoolBlock, StreamPool
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.vote import VoteBlock
from hwqnn.dataflow.window import Window
from hwqnn.dataflow.window_parallel import ParallelWindow
from hwqnn.errors import UnsupportedError
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import Add, ArgMax, ChannelAffine, Concat, Conv, Edge, Geometry, Graph, MatMul, MaxPool, Op, Reshape, Threshold, Upsample, Vote


@dataclass(frozen=True)
class Folding:
    """Elements a stage takes (SIMD) and gives (PE) per beat, where its memory lies, and how it multiplies."""

    simd: int
    pe: int
    store: Store = Store.LUT
    product: Product = Product.PLANES

    def __str__(self) -> str:
        store = f", store={self.store}" if self.store is not Store.LUT else ""
        product = f", product={self.product}" if self.product is not Product.PLANES else ""
        return f"pe={self.pe}, simd={self.simd}" + store + product


@dataclass(frozen=True, eq=False)
class Stage:
    """A place in the design that wants a block.

    Attributes:
        layer: the user's name for it. A window and the block that it feeds share one.
        kind: the block's kind, for names.
        edge: the op whose output this stage gives; None for a window, which only repeats what it was given.
        inputs: the stages whose streams it reads; None is the accelerator's input.
        frame: elements it takes per frame, of each input (of each alike; a concatenation has its own for each).
        foldings: every folding there is.
        block: makes the block for a folding.
        vectors: a block that pauses its input does so after each of so many parts of a frame; 0 for one that never pauses.
        locked: the order of its input depends on the width of the beats, so that no converter may go before it.
    """

    layer: str
    kind: str
    edge: str | None
    inputs: tuple[Stage | None, ...]
    frame: tuple[int, ...]
    foldings: tuple[Folding, ...]
    block: Callable[[Folding], Block]
    vectors: int = 0
    locked: bool = False


MAX_SIMD = 1024
"""The widest dot product of a step, and with it the widest beat. Its datapath has as many registers on the way as the clock asks for."""

MAX_WINDOW_BITS = 4096
"""The widest beat of a window that comes whole."""

Maker = Callable[[Graph, Op, tuple[Stage | None, ...], float], Iterator[Stage]]
MAKERS: dict[type[Op], Maker] = {}
"""Op class -> maker; a maker gets the op, the stages that give its inputs and the clock in MHz. The last stage that it yields gives the op's
output, or that of the op behind it which it computes too; one that yields none hands its input on."""


def maker(op: type[Op]) -> Callable[[Maker], Maker]:
    def register(function: Maker) -> Maker:
        MAKERS[op] = function
        return function

    return register


def divisors(n: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, n + 1) if n % d == 0)


def stages(graph: Graph, clock_mhz: float) -> tuple[Stage, ...]:
    """The stages of a canonical graph for a clock, producers before consumers. The last one gives its output: nothing else is without a reader.

    Raises:
        UnsupportedError: an op has no block, or there is nothing to compute.
    """
    found: list[Stage] = []
    giver: dict[str, Stage | None] = {graph.input.name: None}
    for op in graph.ops:
        if op.name in giver:  # the input, or computed by the stage before
            continue
        if type(op) not in MAKERS:
            raise UnsupportedError(f"{op.kind} '{op.name}' has no hardware block; ops that have one: {', '.join(sorted(c.__name__ for c in MAKERS))}")
        sources = tuple(giver[name] for name in op.inputs)
        made = list(MAKERS[type(op)](graph, op, sources, clock_mhz))
        found += made
        giver[op.name] = made[-1] if made else sources[0]
        if made and made[-1].edge is not None:
            giver[made[-1].edge] = made[-1]
    if not found:
        raise UnsupportedError(f"graph '{graph.name}' computes nothing")
    return tuple(found)


def _lanes(channels: int) -> tuple[Folding, ...]:
    return tuple(Folding(d, d) for d in divisors(channels))


def _size(edge: Edge) -> int:
    return math.prod(edge.shape)


def _pixels(edge: Edge) -> int:
    return _size(edge) // edge.channels


@maker(Reshape)
def _reshape(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    return iter(())  # a stream is row-major under any shape


@maker(Threshold)
def _threshold(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, Threshold)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    # where all channels compare alike, a beat may span pixels
    channels, vectors = (_size(x), 1) if len(op.thresholds) == 1 else (x.channels, _pixels(x))
    budget = budget_ns(clock_mhz)

    def block(f: Folding) -> Block:
        return ThresholdBlock(beat_in=Beat(f.simd, x.type), beat_out=Beat(f.pe, y.type), op=op, channels=channels, vectors=vectors, budget_ns=budget)

    yield Stage(op.name, "threshold", op.name, sources, (_size(x),), _lanes(channels), block)


@maker(MatMul)
@maker(Conv)
def _matrix(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, MatMul | Conv)
    x, matrix, threshold = graph.edges[op.inputs[0]], Matrix.of(op, graph.edges[op.inputs[0]]), _fused(graph, op)
    acc, edge = accumulator(matrix, threshold, x.type), threshold.name if threshold is not None else op.name
    lanewise = matrix.depthwise and matrix.groups > 1  # a single channel is a dense product: taps in parallel
    in_order = isinstance(op, MatMul) or _in_order(op.geometry, x, tiles=op.groups)
    if not in_order:
        assert isinstance(op, Conv)
        window = _window(op, op.geometry, x, sources, None if lanewise else x.channels // op.groups, 0)
        yield window
        sources = (window,)
    styles, budget = products(matrix, x.type), budget_ns(clock_mhz)
    frame = (matrix.vectors * matrix.inputs,)

    if lanewise:

        def lanes(f: Folding) -> Block:
            return Depthwise.fold(matrix, threshold, x.type, f.pe, store=f.store, acc=acc, product=f.product, budget_ns=budget)

        foldings = tuple(
            Folding(d, d, store, product)
            for d in divisors(x.channels)
            for product in styles
            for store in _stores(Depthwise.words(matrix, d), product)
        )
        yield Stage(op.name, "depthwise", edge, sources, frame, foldings, lanes, locked=not in_order)
        return

    def block(f: Folding) -> Block:
        if f.store is Store.FROZEN:
            return Frozen.of(matrix, threshold, x.type, acc, budget)
        return Mvu.fold(matrix, threshold, x.type, f.pe, f.simd, store=f.store, acc=acc, product=f.product, budget_ns=budget)

    widths = [d for d in divisors(matrix.inputs) if d <= MAX_SIMD]
    foldings = tuple(
        Folding(simd, pe, store, product)
        for simd in widths
        for pe in divisors(matrix.outputs // matrix.groups)
        for product in styles
        for store in _stores(Mvu.words(matrix, pe, simd), product)
    )
    if Frozen.fits(matrix, threshold, x.type, acc):
        foldings += (Folding(matrix.inputs, matrix.outputs, Store.FROZEN),)
    yield Stage(op.name, "mvu", edge, sources, frame, foldings, block, matrix.vectors)


def _stores(words: int, product: Product) -> tuple[Store, ...]:
    """Where so many words of weights can lie. A single one is a constant, and part of products that are LUTs."""
    if product is Product.DSP:
        return (Store.LUT, Store.BRAM) if words > 1 else (Store.LUT,)
    return (Store.FUSED,) if words == 1 else (Store.LUT, Store.FUSED, Store.BRAM) if words <= MAX_FUSED else (Store.LUT, Store.BRAM)


def _fused(graph: Graph, op: Op) -> Threshold | None:
    """The thresholds behind a matrix that its block compares with: those that alone read it, unless some descend."""
    readers = graph.consumers(op.name)
    if len(readers) == 1 and isinstance(readers[0], Threshold) and op.name != graph.output and not readers[0].descending.any():
        return readers[0]
    return None


def _in_order(geometry: Geometry, x: Edge, tiles: int) -> bool:
    """Whether the stream itself is the stream of windows: single pixels, or one window that is the whole map."""
    if any(geometry.padding):
        return False
    return (geometry.kernel == geometry.stride == (1, 1)) or (geometry.kernel == x.shape[:2] and tiles == 1)


def _window(op: Op, geometry: Geometry, x: Edge, sources: tuple[Stage | None, ...], tile: int | None, pad: np.ndarray | int) -> Stage:
    """`tile` None: a tile is a beat."""
    height, width, channels = x.shape

    def block(f: Folding) -> Block:
        beat = Beat(f.simd, x.type)
        if f.pe > f.simd:
            bram = f.store is Store.BRAM
            return ParallelWindow(beat_in=beat, beat_out=Beat(f.pe, x.type), geometry=geometry, height=height, width=width, bram=bram)
        return Window(
            beat_in=beat,
            beat_out=beat,
            geometry=geometry,
            height=height,
            width=width,
            channels=channels,
            tile=tile or f.simd,
            pad=pad,
            bram=f.store is Store.BRAM,
        )

    foldings = [Folding(d, d, store) for d in divisors(tile or channels) for store in (Store.LUT, Store.BRAM)]
    whole = channels * geometry.taps
    if tile == channels < whole <= MAX_WINDOW_BITS // x.type.bits and ParallelWindow.problem(geometry, height, width) is None:
        foldings += [Folding(channels, whole, store) for store in (Store.LUT, Store.BRAM)]
    return Stage(op.name, "window", None, sources, (_size(x),), tuple(foldings), block)


@maker(MaxPool)
def _pool(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, MaxPool)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    minimum = np.broadcast_to(op.minimum, (x.channels,))
    if StreamPool.tiles(op.geometry):
        height, width, channels = x.shape

        def stream(f: Folding) -> Block:
            beat = Beat(f.pe, x.type)
            return StreamPool(beat_in=beat, beat_out=beat, geometry=op.geometry, height=height, width=width, channels=channels, minimum=minimum)

        yield Stage(op.name, "pool", op.name, sources, (_size(x),), _lanes(channels), stream)
        return
    window = _window(op, op.geometry, x, sources, None, code(np.where(minimum, x.type.max, x.type.min), x.type))
    yield window

    def block(f: Folding) -> Block:
        beat = Beat(f.pe, x.type)
        return PoolBlock(beat_in=beat, beat_out=beat, taps=op.geometry.taps, channels=x.channels, pixels=_pixels(y), minimum=minimum)

    yield Stage(op.name, "pool", op.name, (window,), (_size(y) * op.geometry.taps,), _lanes(x.channels), block, locked=True)


@maker(Add)
def _add(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    (a, b), y = (graph.edges[name] for name in op.inputs), graph.edges[op.name]

    def block(f: Folding) -> Block:
        return AddBlock(beat_in=Beat(f.simd, a.type), beat_in_b=Beat(f.simd, b.type), beat_out=Beat(f.pe, y.type), elements=_size(y))

    yield Stage(op.name, "add", op.name, sources, (_size(a), _size(b)), _lanes(y.channels), block)


@maker(Concat)
def _concat(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    (a, b), y = (graph.edges[name] for name in op.inputs), graph.edges[op.name]
    channels = (a.channels, b.channels)

    def block(f: Folding) -> Block:
        beats = {"beat_in": Beat(f.simd, a.type), "beat_in_b": Beat(f.simd, b.type), "beat_out": Beat(f.pe, y.type)}
        return ConcatBlock(**beats, channels=channels, pixels=_pixels(y))

    yield Stage(op.name, "concat", op.name, sources, (_size(a), _size(b)), _lanes(math.gcd(*channels)), block)


@maker(Upsample)
def _upsample(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, Upsample)
    x = graph.edges[op.inputs[0]]
    height, width, channels = x.shape

    def block(f: Folding) -> Block:
        beat = Beat(f.simd, x.type)
        bram = f.store is Store.BRAM
        return UpsampleBlock(beat_in=beat, beat_out=beat, factor=op.factor, height=height, width=width, channels=channels, bram=bram)

    foldings = tuple(Folding(d, d, store) for d in divisors(channels) for store in (Store.LUT, Store.BRAM))
    yield Stage(op.name, "upsample", op.name, sources, (_size(x),), foldings, block)


@maker(ChannelAffine)
def _channel_affine(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, ChannelAffine)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    budget = budget_ns(clock_mhz)

    def block(f: Folding) -> Block:
        return ChannelAffineBlock.make(op, Beat(f.simd, x.type), y, budget)

    yield Stage(op.name, "affine", op.name, sources, (_size(x),), _lanes(x.channels), block)


@maker(ArgMax)
def _argmax(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, ArgMax)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    budget = budget_ns(clock_mhz)

    def block(f: Folding) -> Block:
        return ArgMaxBlock(beat_in=Beat(f.simd, x.type), beat_out=Beat(f.pe, y.type), channels=x.channels, vectors=_pixels(x), budget_ns=budget)

    yield Stage(op.name, "argmax", op.name, sources, (_size(x),), tuple(Folding(d, op.k) for d in divisors(x.channels)), block)


@maker(Vote)
def _vote(graph: Graph, op: Op, sources: tuple[Stage | None, ...], clock_mhz: float) -> Iterator[Stage]:
    assert isinstance(op, Vote)
    x, y = graph.edges[op.inputs[0]], graph.edges[op.name]
    budget = budget_ns(clock_mhz)

    def block(f: Folding) -> Block:
        beats = Beat(f.simd, x.type), Beat(f.pe, y.type)
        return VoteBlock(beat_in=beats[0], beat_out=beats[1], weight=op.weight, classes=op.classes, vectors=_pixels(x), budget_ns=budget)

    foldings = tuple(Folding(x.channels, d) for d in divisors(y.channels))
    yield Stage(op.name, "vote", op.name, sources, (_size(x),), foldings, block, vectors=_pixels(x))
