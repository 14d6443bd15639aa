"""Random networks, as Hypothesis strategies: imported graphs that a frontend could have made, with inputs, a head, a port and foldings.

Hypothesis draws the structure, so that it can shrink it; a drawn seed fills the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import exact_model
import numpy as np
from hypothesis import strategies as st

from hwqnn.accelerator import Port
from hwqnn.dataflow.fold import NO_PINS, Pins
from hwqnn.dataflow.stage import Folding, Stage, divisors, stages
from hwqnn.ir import (
    Affine,
    BatchNorm,
    Bipolar,
    Clamp,
    Graph,
    Input,
    Int,
    MatMul,
    Op,
    Piece,
    Quantizer,
    Requantize,
    Rounding,
    SignQuantizer,
    Ternary,
    Type,
    UInt,
    UniformQuantizer,
    exact,
)
from hwqnn.passes import Head

SIZES = st.integers(1, 40) | st.sampled_from((53, 61, 67, 97, 128, 130))
CODES = st.sampled_from((Bipolar(), Ternary(), *(UInt(n) for n in range(1, 9)), *(Int(n) for n in range(1, 9))))
WEIGHTS = st.sampled_from((Bipolar(), Bipolar(), Ternary(), *(Int(n) for n in range(2, 9)), UInt(3)))


@dataclass(frozen=True, eq=False)
class Network:
    """A network and what to do with it.

    Attributes:
        images: int64 (N, inputs).
        folding: seed of the foldings; 0 leaves them to the solver.
    """

    imported: Graph
    head: Head
    port: Port
    folding: int
    images: np.ndarray

    def __repr__(self) -> str:
        notes = [f"{op.name}: {op.quantizer} of {len(op.chain)} pieces" for op in self.imported.ops if isinstance(op, Requantize)]
        return "\n".join([f"{self.head} {self.port} folding {self.folding}", str(self.imported), *notes])


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


@st.composite
def networks(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> Network:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    of = draw(st.just(UInt(8)) | CODES)
    ops: list[Op] = [Input(name="x", inputs=(), type=of, shape=(draw(sizes),))]
    builder = Builder(rng, ops)
    quantized = draw(st.booleans())
    if quantized:
        builder.requantize("quant", draw(chains()), draw(quantizers()))
    layers = draw(st.integers(1, 4))
    for i in range(1, layers + 1):
        outputs = draw(sizes if i < layers else st.integers(1, 12) | sizes.filter(lambda n: n <= 40))
        builder.matmul(f"fc{i}", outputs, draw(WEIGHTS))
        if i < layers or draw(st.integers(0, 5)) == 0:
            builder.requantize(f"act{i}", draw(chains()), draw(quantizers()))
    meaning = draw(st.sampled_from(((), ("affine",), ("norm",), ("affine", "norm"))))
    imported = builder.graph(meaning)
    head = draw(st.sampled_from(Head))
    port = Port.CODES if quantized and draw(st.booleans()) else Port.RAW
    return Network(imported, head, port, draw(st.integers(0, 2**16)), values(rng, of, (draw(st.integers(1, 6)), ops[0].shape[0])))


def values(rng: np.random.Generator, of: Type, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a type: uniform, or nothing but its ends; int64."""
    if isinstance(of, Bipolar) or rng.random() < 0.2:
        return rng.choice([of.min, of.max], shape)
    return rng.integers(of.min, of.max, shape, endpoint=True)


@dataclass
class Builder:
    """Adds ops to a chain, and chooses real parameters under which the values in it matter."""

    rng: np.random.Generator
    ops: list[Op]

    def graph(self, meaning: tuple[str, ...] = ()) -> Graph:
        return Graph("random", tuple(self.ops), self.ops[-1].name, self.chain(meaning) if meaning else ())

    def matmul(self, name: str, outputs: int, of: Type) -> None:
        inputs = self.graph().edges[self.ops[-1].name].channels
        self.ops.append(MatMul(name=name, inputs=(self.ops[-1].name,), weight=values(self.rng, of, (outputs, inputs)), weight_type=of))

    def requantize(self, name: str, kinds: tuple[str, ...], quantizer: Quantizer) -> None:
        chain = self.chain(kinds)
        if isinstance(quantizer, UniformQuantizer):
            lo, hi = self.reals(chain)
            codes = quantizer.hi - quantizer.lo
            scale = self.nice((hi - lo) / codes * self.rng.choice([0.3, 1, 1, 3]))
            quantizer = UniformQuantizer(scale, quantizer.zero_point, quantizer.lo, quantizer.hi, quantizer.rounding)
        self.ops.append(Requantize(name=name, inputs=(self.ops[-1].name,), chain=chain, quantizer=quantizer))

    def chain(self, kinds: tuple[str, ...]) -> tuple[Piece, ...]:
        pieces: tuple[Piece, ...] = ()
        for kind in kinds:
            lo, hi = self.reals(pieces)
            pieces += ({"affine": self.affine, "norm": self.norm, "clamp": self.clamp}[kind](lo, hi),)
        return pieces

    def affine(self, lo: float, hi: float) -> Affine:
        mul = self.numbers(1.0, signs=False)
        if self.rng.random() < 0.2:
            mul = mul * exact(self.rng.choice([-1, 0, 1], len(mul)))
        add = self.numbers(self.rng.choice([0.0, (hi - lo) / 4]))
        return Affine(mul, add)

    def norm(self, lo: float, hi: float) -> BatchNorm:
        """A third of the factors negative, some zero; variances often squares, or dependent (2 and 8)."""
        gamma = self.numbers(1.0) * exact(self.rng.choice([1, 1, 1, 1, -1, -1, 0], self.channels))
        variance = self.numbers(max(1.0, (hi - lo) ** 2 / 16), signs=False)
        if self.rng.random() < 0.6:
            variance = exact([Fraction(int(v)) for v in self.rng.choice([1, 4, 16, 9, 2, 8, 32, 3], len(variance))])
        mean = self.numbers((hi - lo) / 4) + exact([round(lo + hi) // 2])
        return BatchNorm(gamma, self.numbers(1.0), mean, variance)

    def clamp(self, lo: float, hi: float) -> Clamp:
        a, b = sorted(self.nice(v) for v in (lo + (hi - lo) * self.rng.random(2)))
        return Clamp(*((Fraction(0), None), (a, b), (None, b))[self.rng.integers(3)])

    @property
    def channels(self) -> int:
        return self.graph().edges[self.ops[-1].name].channels

    def reals(self, chain: tuple[Piece, ...]) -> tuple[float, float]:
        """The least and greatest real value after a chain, over all channels."""
        graph = self.graph()
        producer, edge = self.ops[-1], graph.edges[self.ops[-1].name]
        if isinstance(producer, MatMul):
            lo, hi = producer.channel_range(graph.edges[producer.inputs[0]].type)
        else:
            lo, hi = np.full(edge.channels, edge.type.min), np.full(edge.channels, edge.type.max)
        ends = [float(v) for end in (lo, hi) for v in exact_model.apply_chain(chain, end.tolist())]
        return min(ends), max(max(ends), min(ends) + 1e-3)

    def numbers(self, size: float, signs: bool = True) -> np.ndarray:
        """Numbers of about this size, one for all channels or one each: of few bits (so that ties happen), or any float32."""
        count = 1 if self.rng.random() < 0.3 else self.channels
        if self.rng.random() < 0.6:
            found = [self.nice(size * 2.0 ** self.rng.integers(-2, 3)) for _ in range(count)] if size else [Fraction(0)] * count
        else:
            found = [Fraction(float(np.float32(abs(v) + 0.01) * np.float32(size))) for v in self.rng.normal(size=count)]
        return exact(found) * (exact(self.rng.choice([-1, 1], count)) if signs else 1)

    def nice(self, value: float) -> Fraction:
        """A number of one or two bits near `value`."""
        if value == 0:
            return Fraction(0)
        power = Fraction(2) ** int(np.floor(np.log2(abs(value))))
        return power * (1 if value > 0 else -1) * self.rng.choice([Fraction(1), Fraction(3, 2), Fraction(1)])


def random_pins(hardware: Graph, seed: int, lanes: int = 256) -> Pins:
    """Foldings for some or all stages, with at most `lanes` products at a time; none for seed 0."""
    if seed == 0:
        return NO_PINS
    rng = np.random.default_rng(seed)

    def choose(stage: Stage) -> Folding:
        return stage.foldings[rng.choice([i for i, f in enumerate(stage.foldings) if f.simd * f.pe <= lanes or i == 0])]

    layers = {stage.layer: choose(stage) for stage in stages(hardware) if rng.random() < 0.9}
    entry = hardware.edges[hardware.input.name]
    elements = [d for d in divisors(entry.channels) if d * entry.type.bits <= 512]
    return Pins(layers, int(rng.choice(elements)) if rng.random() < 0.8 else None)
