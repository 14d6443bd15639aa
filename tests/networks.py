"""Random graphs, as Hypothesis strategies: imported graphs that a frontend could have made, and canonical ones that no pass has simplified.

Hypothesis draws the structure, so that it can shrink it; a drawn seed fills the arrays. Whole Brevitas networks: `brevitas_networks.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from graph_builder import Builder, values
from hypothesis import strategies as st

from hwqnn.accelerator import Port
from hwqnn.dataflow.design import Design, Store
from hwqnn.dataflow.fold import NO_PINS, Pins
from hwqnn.dataflow.pins import Pin
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.stage import Stage, divisors, stages
from hwqnn.emit import Target
from hwqnn.ir import (
    Add,
    Bipolar,
    Concat,
    Geometry,
    Graph,
    Input,
    Int,
    Quantizer,
    Requantize,
    Reshape,
    Rounding,
    SignQuantizer,
    Ternary,
    Threshold,
    UInt,
    UniformQuantizer,
)
from hwqnn.passes import Head

SIZES = st.integers(1, 40) | st.sampled_from((53, 61, 67, 97, 128, 130))
CODES = st.sampled_from((Bipolar(), Ternary(), *(UInt(n) for n in range(1, 9)), *(Int(n) for n in range(1, 9))))
WEIGHTS = st.sampled_from((Bipolar(), Bipolar(), Ternary(), *(Int(n) for n in range(2, 9)), UInt(3)))
SIDES = st.integers(1, 5) | st.integers(4, 9)
FEW = st.integers(1, 4) | st.integers(1, 8)
MAX_OPERAND = 9
"""Bits of the widest input of a product: a sum of two 8-bit activations."""
MAX_SIDE = 12


@dataclass(frozen=True, eq=False)
class Network:
    """A network and what to do with it.

    Attributes:
        imported: the graph; canonical already where `lowered`.
        head, top: what leaves it: labels (the `top` best), or scores.
        folding: seed of the foldings, and of how it is built; 0 leaves them to the solver.
        images: int64 (N, *input shape).
    """

    imported: Graph
    head: Head
    top: int
    port: Port
    folding: int
    images: np.ndarray
    lowered: bool = False

    @property
    def build(self) -> Build:
        return Build.drawn(self.folding)

    def __repr__(self) -> str:
        notes = [f"{op.name}: {op.quantizer} of {len(op.chain)} pieces" for op in self.imported.ops if isinstance(op, Requantize)]
        return "\n".join([f"{self.head} top {self.top} {self.port} folding {self.folding} {self.build}", str(self.imported), *notes])


@st.composite
def quantizers(draw: st.DrawFn) -> Quantizer:
    """Sign, or a uniform quantizer of 1 to 8 bits with scale 1 (see `scaled`)."""
    if draw(st.booleans()):
        return SignQuantizer(Fraction(1))
    bits, signed, narrow = draw(st.integers(1, 8)), draw(st.booleans()), draw(st.booleans())
    lo, hi = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if narrow and bits > 1:
        lo, hi = (lo + 1, hi) if signed else (lo, hi - 1)
    zero_point = draw(st.just(0) | st.integers(lo, hi))
    return UniformQuantizer(Fraction(1), zero_point, lo, hi, draw(st.sampled_from((Rounding.HALF_EVEN, *Rounding))))


@st.composite
def chains(draw: st.DrawFn) -> tuple[str, ...]:
    """The kinds of pieces between a product and a quantizer."""
    return draw(st.sampled_from(((), ("affine",), ("affine", "norm"), ("norm",), ("norm", "norm"), ("affine", "clamp"), ("norm", "clamp", "affine"))))


MEANINGS = st.sampled_from(((), ("affine",), ("norm",), ("affine", "norm")))


@st.composite
def networks(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> Network:
    """Imported chains of matrix products."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    of = draw(st.just(UInt(8)) | CODES)
    entry = Input(name="x", inputs=(), type=of, shape=(draw(sizes),))
    builder = Builder(rng, [entry])
    quantized = draw(st.booleans())
    if quantized:
        builder.requantize("quant", draw(chains()), draw(quantizers()))
    layers = draw(st.integers(1, 4))
    for i in range(1, layers + 1):
        outputs = draw(sizes if i < layers else st.integers(1, 12) | sizes.filter(lambda n: n <= 40))
        builder.matmul(f"fc{i}", outputs, draw(WEIGHTS))
        if i < layers or draw(st.integers(0, 5)) == 0:
            builder.requantize(f"act{i}", draw(chains()), draw(quantizers()))
    imported = builder.graph(draw(MEANINGS))
    head = draw(st.sampled_from(Head))
    port = Port.CODES if quantized and draw(st.booleans()) else Port.RAW
    return Network(imported, head, 1, port, draw(st.integers(0, 2**16)), values(rng, of, (draw(st.integers(1, 6)), *entry.shape)))


@st.composite
def map_networks(draw: st.DrawFn, canonical: bool = False) -> Network:
    """Graphs of all ops, over maps at first and flat later on, with forks and joins: imported ones, or canonical ones drawn directly, in
    which thresholds of both directions stand anywhere."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    of = draw(st.just(UInt(8)) | CODES)
    shape = draw(st.tuples(SIDES, SIDES, FEW) | st.tuples(st.just(1), st.integers(1, 16), FEW) | st.tuples(st.integers(1, 24)))
    growth = Growth(draw, Builder(rng, [Input(name="x", inputs=(), type=of, shape=shape)]), canonical)
    if draw(st.booleans()):
        growth.activate()
    growth.layers(draw(st.integers(1, 5)), depth=2)
    quantized = len(growth.builder.ops) > 1 and len(readers := [op for op in growth.builder.ops if "x" in op.inputs]) == 1
    quantized = quantized and isinstance(readers[0], Requantize | Threshold)
    head, top = Head.SCORES, 1
    if draw(st.booleans()):
        top = draw(st.just(1) | st.integers(1, growth.builder.channels))
        if canonical:
            growth.builder.argmax("argmax", top)
        else:
            head = Head.LABEL
    if all(isinstance(op, Input | Reshape) for op in growth.builder.ops):
        growth.activate()  # there must be something to compute
        quantized = False
    graph = growth.builder.graph(() if canonical else draw(MEANINGS))
    port = Port.CODES if quantized and len(graph.ops) > 2 and draw(st.booleans()) else Port.RAW
    images = values(rng, of, (draw(st.integers(1, 4)), *shape))
    return Network(graph, head, top, port, draw(st.integers(0, 2**16)), images, canonical)


@dataclass
class Growth:
    """Draws layers behind a builder's tip."""

    draw: st.DrawFn
    builder: Builder
    canonical: bool
    count: int = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def layers(self, most: int, depth: int) -> None:
        for _ in range(most):
            on_map = len(self.builder.edge.shape) == 3
            kinds = MAP_LAYERS if on_map else FLAT_LAYERS
            self.draw(st.sampled_from(kinds if depth else [k for k in kinds if k not in JOINS]))(self, depth)

    def narrow(self) -> None:
        """An activation, where the values are too wide to multiply."""
        if self.builder.edge.type.bits > MAX_OPERAND:
            self.activate()

    def activate(self) -> None:
        draw = self.draw
        if not self.canonical:
            self.builder.requantize(self.name("act"), draw(chains()), draw(quantizers()))
            return
        of = draw(CODES)
        most = 1 if isinstance(of, Bipolar) else 2 if isinstance(of, Ternary) else of.max - of.min
        self.builder.threshold(self.name("act"), of, most if draw(st.booleans()) else draw(st.integers(1, most)))

    def geometry(self, longest: int, dilated: bool = True) -> Geometry:
        """Fits the map; each padding is smaller than the window, as a pool needs it and nearly every convolution has it."""
        draw = self.draw
        height, width, _ = self.builder.edge.shape

        def along(size: int) -> tuple[int, int, int, int, int]:
            kernel = draw(st.integers(1, min(longest, size + 2)) | st.just(min(size, 6)))
            dilation = draw(st.integers(1, 3)) if dilated and draw(st.integers(0, 3)) == 0 else 1
            reach = (kernel - 1) * dilation
            pads = draw(st.just((0, 0)) | st.tuples(st.integers(0, 2), st.integers(0, 2)) | st.just((reach // 2, reach // 2)))
            before, after = min(pads[0], reach), min(pads[1], reach)
            while size + before + after <= reach and kernel > 1:
                kernel, before, after = kernel - 1, min(before, reach - dilation), min(after, reach - dilation)
                reach -= dilation
            return kernel, draw(st.just(1) | st.integers(1, 3)), before, after, dilation

        rows = along(height)
        columns = rows if draw(st.booleans()) and height == width else along(width)
        return Geometry((rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2], rows[3], columns[3]), (rows[4], columns[4]))

    def conv(self, _depth: int) -> None:
        self.narrow()
        channels = self.builder.channels
        groups = self.draw(st.just(1) | st.just(channels) | st.sampled_from(divisors(channels)))
        outputs = groups * self.draw(st.integers(1, max(1, 8 // groups)))
        self.builder.conv(self.name("conv"), outputs, self.draw(WEIGHTS), self.geometry(3), groups)
        self.often_activate()

    def often_activate(self) -> None:
        if self.draw(st.integers(0, 3)):
            self.activate()

    def pool(self, _depth: int) -> None:
        geometry = self.geometry(3, dilated=False)
        height, width, _ = self.builder.edge.shape
        if all(inside.any(axis=1).all() for inside in geometry.inside(height, width)):
            self.builder.pool(self.name("pool"), geometry)

    def average(self, _depth: int) -> None:
        self.narrow()
        height, width, _ = self.builder.edge.shape
        self.builder.average(self.name("average"), Geometry((height, width)) if self.draw(st.booleans()) else self.geometry(3, dilated=False))
        self.often_activate()

    def upsample(self, _depth: int) -> None:
        height, width, _ = self.builder.edge.shape
        factor = self.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        if height * factor[0] <= MAX_SIDE and width * factor[1] <= MAX_SIDE:
            self.builder.upsample(self.name("up"), factor)

    def flatten(self, _depth: int) -> None:
        self.builder.reshape(self.name("flat"), (math.prod(self.builder.edge.shape),))
        if self.draw(st.booleans()):
            self.matmul(0)

    def fold_rows(self, _depth: int) -> None:
        """A map of a flat edge, or of another map."""
        size = math.prod(self.builder.edge.shape)
        height = self.draw(st.sampled_from(divisors(size)))
        width = self.draw(st.sampled_from(divisors(size // height)))
        if max(height, width) <= MAX_SIDE:
            self.builder.reshape(self.name("map"), (height, width, size // height // width))

    def matmul(self, _depth: int) -> None:
        self.narrow()
        self.builder.matmul(self.name("fc"), self.draw(st.integers(1, 12)), self.draw(WEIGHTS))
        self.often_activate()

    def scores(self, _depth: int) -> None:
        """An alignment of scales, as it comes before joins."""
        if self.builder.edge.type.bits <= 24:
            self.builder.scores(self.name("align"))

    def branch(self, depth: int) -> tuple[str, str]:
        """The tips of two branches that start here and end in maps of the same size. The second may be where they start."""
        builder, start = self.builder, self.builder.tip
        tips = []
        for _ in range(2):
            builder.tip = start
            for _ in range(self.draw(st.integers(0, 2))):
                kinds = SAME_SIZE_ON_MAPS if len(builder.edge.shape) == 3 else SAME_SIZE_FLAT
                self.draw(st.sampled_from(kinds if depth > 1 else [k for k in kinds if k not in JOINS]))(self, depth - 1)
            tips.append(builder.tip)
        return tips[0], tips[1]

    def same_conv(self, _depth: int) -> None:
        """Keeps height and width."""
        self.narrow()
        kernel = self.draw(st.tuples(*(st.sampled_from((1, 3)) for _ in range(2))))
        padding = (kernel[0] // 2, kernel[1] // 2)
        channels = self.builder.channels
        groups = self.draw(st.sampled_from((1, channels)))
        self.builder.conv(
            self.name("conv"), channels if groups > 1 else self.draw(FEW), self.draw(WEIGHTS), Geometry(kernel, (1, 1), padding * 2), groups
        )
        self.often_activate()

    def activation(self, _depth: int) -> None:
        self.activate()

    def add(self, depth: int) -> None:
        first, second = self.branch(depth)
        builder = self.builder
        if builder.edges[first].shape != builder.edges[second].shape:  # bring the second to the channels of the first
            self.narrow()
            channels = builder.edges[first].channels
            if len(builder.edge.shape) == 3:
                builder.conv(self.name("conv"), channels, self.draw(WEIGHTS), Geometry((1, 1)), 1)
            else:
                builder.matmul(self.name("fc"), channels, self.draw(WEIGHTS))
        if first != builder.tip:  # x + x reads one edge twice: nothing makes that
            builder.join(self.name("add"), first, Add)
        self.often_activate()

    def concat(self, depth: int) -> None:
        first, second = self.branch(depth)
        if first != second and self.builder.edges[first].channels + self.builder.edges[second].channels <= 16:
            self.builder.join(self.name("cat"), first, Concat)


Layer = Callable[[Growth, int], None]
JOINS: tuple[Layer, ...] = (Growth.add, Growth.concat)
SHAPES: tuple[Layer, ...] = (Growth.pool, Growth.average, Growth.upsample, Growth.flatten, Growth.fold_rows)
MAP_LAYERS: tuple[Layer, ...] = (Growth.conv, Growth.conv, Growth.conv, Growth.activation, Growth.scores, *SHAPES, *JOINS, *JOINS)
FLAT_LAYERS: tuple[Layer, ...] = (Growth.matmul, Growth.matmul, Growth.activation, Growth.fold_rows, Growth.scores, *JOINS)
SAME_SIZE_ON_MAPS: tuple[Layer, ...] = (Growth.same_conv, Growth.same_conv, Growth.activation, Growth.scores, *JOINS)
SAME_SIZE_FLAT: tuple[Layer, ...] = (Growth.matmul, Growth.activation, Growth.scores, *JOINS)


@dataclass(frozen=True)
class Build:
    """How a network is built: a clock, which decides how blocks are pipelined, a rate in frames/s (None: fast) and a form of the library."""

    clock_mhz: float = 100.0
    fps: float | None = None
    target: Target = Target.XC7

    @classmethod
    def drawn(cls, seed: int) -> Build:
        if seed == 0:
            return cls()
        rng = np.random.default_rng((seed, 1))
        target = Target.PORTABLE if rng.random() < 0.15 else Target.XC7
        # slow: layers without a pin are small then
        return cls(float(rng.choice((100, 200, 300))), None if rng.random() < 0.3 else 1000.0, target)


def random_pins(hardware: Graph, seed: int, clock_mhz: float, lanes: int = 64) -> Pins:
    """Foldings for some or all stages, with at most `lanes` products at a time, many more where they are frozen; none for seed 0.

    First a store is drawn and how to multiply, then a folding, so that what there is once a layer, frozen weights, is drawn as often as the rest.
    """
    if seed == 0:
        return NO_PINS
    rng = np.random.default_rng(seed)

    def choose(stage: Stage) -> Pin:
        most = {Store.FROZEN: 16 * lanes}
        able = [f for f in stage.foldings if f.simd * f.pe <= most.get(f.store, lanes)] or list(stage.foldings[:1])
        kinds = sorted({(f.store, f.product) for f in able})
        store, product = kinds[rng.integers(len(kinds))]
        of_kind = [f for f in able if (f.store, f.product) == (store, product)]
        folding = of_kind[rng.integers(len(of_kind))]
        return Pin(folding.simd, folding.pe, folding.store, folding.product)

    found = stages(hardware, clock_mhz)
    layers = {stage.layer: choose(stage) for stage in found if stage.edge is not None and rng.random() < 0.9}
    windows = {stage.layer: choose(stage) for stage in found if stage.edge is None and rng.random() < 0.7}
    for stage in found:
        if stage.locked and stage.layer in layers:  # a window and what reads it lane by lane have one width
            windows.pop(stage.layer, None)
    entry = hardware.edges[hardware.input.name]
    elements = [d for d in divisors(math.prod(entry.shape)) if d * entry.type.bits <= 512]
    return Pins(layers, int(rng.choice(elements)) if rng.random() < 0.8 else None, windows)


def random_fifos(design: Design, seed: int) -> Design:
    """The design with some of its FIFOs deeper, in any memory; none for seed 0. Small networks want none of more than a few beats."""
    if seed == 0:
        return design
    rng = np.random.default_rng((seed, 2))

    def other(fifo: Fifo) -> Fifo:
        depth = fifo.depth + int(rng.choice((0, 1, 3, 14, 37)))
        if rng.random() < 0.5:
            return replace(fifo, depth=max(2, depth))
        return replace(fifo, depth=max(4, 1 << (depth - 1).bit_length()), bram=bool(rng.random() < 0.7))

    nodes = [replace(n, block=other(n.block)) if isinstance(n.block, Fifo) and rng.random() < 0.4 else n for n in design.nodes]
    return replace(design, nodes=tuple(nodes))
