"""Adds ops to a graph, and chooses integers and real parameters under which the values in it matter: ties, both ends of every range."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import exact_model
import numpy as np

from hwqnn.ir import (
    Add,
    Affine,
    ArgMax,
    BatchNorm,
    Bipolar,
    ChannelAffine,
    Clamp,
    Concat,
    Conv,
    Edge,
    Geometry,
    Graph,
    MatMul,
    MaxPool,
    Op,
    Piece,
    Quantizer,
    Requantize,
    Reshape,
    Threshold,
    Type,
    UInt,
    UniformQuantizer,
    Upsample,
    exact,
)


def values(rng: np.random.Generator, of: Type, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a type: uniform, or nothing but its ends; int64."""
    if isinstance(of, Bipolar) or rng.random() < 0.2:
        return rng.choice([of.min, of.max], shape)
    return rng.integers(of.min, of.max, shape, endpoint=True)


@dataclass
class Builder:
    """Ops so far. Each method adds one behind the tip, which it becomes; a branch starts by setting `tip` back.

    Attributes:
        tip: the name of the op to continue from.
        edges: of every op.
    """

    rng: np.random.Generator
    ops: list[Op]
    tip: str = ""
    edges: dict[str, Edge] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ops, self.ops = self.ops, []
        for op in ops:
            self.add(op)

    def add(self, op: Op) -> None:
        self.edges[op.name] = op.infer(tuple(self.edges[name] for name in op.inputs))
        self.ops.append(op)
        self.tip = op.name

    @property
    def edge(self) -> Edge:
        return self.edges[self.tip]

    @property
    def channels(self) -> int:
        return self.edge.channels

    def graph(self, meaning: tuple[str, ...] = ()) -> Graph:
        """What the tip needs."""
        needed = {self.tip}
        for op in reversed(self.ops):
            if op.name in needed:
                needed.update(op.inputs)
        return Graph("random", tuple(op for op in self.ops if op.name in needed), self.tip, self.chain(meaning) if meaning else ())

    def matmul(self, name: str, outputs: int, of: Type) -> None:
        self.add(MatMul(name=name, inputs=(self.tip,), weight=values(self.rng, of, (outputs, self.channels)), weight_type=of))

    def conv(self, name: str, outputs: int, of: Type, geometry: Geometry, groups: int) -> None:
        weight = values(self.rng, of, (outputs, *geometry.kernel, self.channels // groups))
        self.add(Conv(name=name, inputs=(self.tip,), weight=weight, weight_type=of, geometry=geometry, groups=groups))

    def average(self, name: str, geometry: Geometry) -> None:
        weight = np.ones((self.channels, *geometry.kernel, 1), np.int64)
        self.add(Conv(name=name, inputs=(self.tip,), weight=weight, weight_type=UInt(1), geometry=geometry, groups=self.channels))

    def pool(self, name: str, geometry: Geometry) -> None:
        minimum = self.rng.random(1 if self.rng.random() < 0.3 else self.channels) < 0.4
        self.add(MaxPool(name=name, inputs=(self.tip,), geometry=geometry, minimum=minimum))

    def upsample(self, name: str, factor: tuple[int, int]) -> None:
        self.add(Upsample(name=name, inputs=(self.tip,), factor=factor))

    def reshape(self, name: str, shape: tuple[int, ...]) -> None:
        self.add(Reshape(name=name, inputs=(self.tip,), shape=shape))

    def scores(self, name: str) -> None:
        mul, add = (self.rng.integers(-4, 5, self.channels) for _ in range(2))
        self.add(ChannelAffine(name=name, inputs=(self.tip,), mul=mul, add=add))

    def argmax(self, name: str, k: int) -> None:
        self.add(ArgMax(name=name, inputs=(self.tip,), k=k))

    def join(self, name: str, other: str, cls: type[Add] | type[Concat]) -> None:
        self.add(cls(name=name, inputs=(other, self.tip)))

    def threshold(self, name: str, of: Type, levels: int) -> None:
        """Thresholds all over the range, some repeated, some never or always reached."""
        rows = 1 if self.rng.random() < 0.2 else self.channels
        lo, hi = self.edge.type.min, self.edge.type.max
        spread = max(2, int((hi - lo) * self.rng.choice([0.05, 0.3, 1])))
        middle = (lo + hi) // 2 + self.rng.integers(-spread // 4, spread // 4 + 1)
        table = np.sort(np.clip(middle + self.rng.integers(-spread // 2, spread // 2 + 2, (rows, levels)), lo, hi + 1), axis=1)
        base, step = (-1, 2) if isinstance(of, Bipolar) else (of.max - levels, 1)
        down = self.rng.random(rows) < self.rng.choice([0, 0.4])
        self.add(Threshold(name=name, inputs=(self.tip,), thresholds=table, descending=down, base=base, step=step, type=of))

    def requantize(self, name: str, kinds: tuple[str, ...], quantizer: Quantizer) -> None:
        chain = self.chain(kinds)
        if isinstance(quantizer, UniformQuantizer):
            lo, hi = self.reals(chain)
            codes = quantizer.hi - quantizer.lo
            scale = self.nice((hi - lo) / codes * self.rng.choice([0.3, 1, 1, 3]))
            quantizer = UniformQuantizer(scale, quantizer.zero_point, quantizer.lo, quantizer.hi, quantizer.rounding)
        self.add(Requantize(name=name, inputs=(self.tip,), chain=chain, quantizer=quantizer))

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

    def reals(self, chain: tuple[Piece, ...]) -> tuple[float, float]:
        """The least and greatest real value after a chain, over all channels."""
        producer = self.ops[-1]
        if isinstance(producer, MatMul | Conv) and producer.name == self.tip:
            lo, hi = producer.channel_range(self.edges[producer.inputs[0]].type)
        else:
            lo, hi = np.full(self.channels, self.edge.type.min), np.full(self.channels, self.edge.type.max)
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
