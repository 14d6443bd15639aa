"""Canonical graphs made by hand, with random weights: what the tests of folding, emission and simulation share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwqnn.ir import (
    Add,
    ArgMax,
    Bipolar,
    Concat,
    Conv,
    Edge,
    Geometry,
    Graph,
    Input,
    Int,
    MatMul,
    MaxPool,
    Op,
    Reshape,
    Threshold,
    Type,
    UInt,
    Upsample,
)


@dataclass
class Net:
    """Adds ops; each method returns the name of what it added, and reads the last one unless told otherwise."""

    type: Type
    shape: tuple[int, ...]
    seed: int = 0
    ops: list[Op] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.ops.append(Input(name="@input", inputs=(), type=self.type, shape=self.shape))

    def edge(self, name: str) -> Edge:
        return Graph("part", tuple(_live(self.ops, name)), name).edges[name]

    def add(self, op: type[Op], x: tuple[str, ...] | str | None, **fields: object) -> str:
        name = str(fields.pop("name", f"{op.kind.lower()}{len(self.ops)}"))
        inputs = (self.ops[-1].name,) if x is None else (x,) if isinstance(x, str) else x
        self.ops.append(op(name=name, inputs=inputs, **fields))
        return name

    def weights(self, shape: tuple[int, ...], of: Type) -> np.ndarray:
        if isinstance(of, Bipolar):
            return self.rng.choice([-1, 1], shape)
        return self.rng.integers(of.min, of.max, shape, endpoint=True)

    def conv(self, out: int, kernel: int = 3, x: str | None = None, of: Type = Bipolar(), groups: int = 1, **window: object) -> str:  # noqa: B008
        source = x or self.ops[-1].name
        channels = self.edge(source).channels
        geometry = Geometry((kernel, kernel), **window)
        return self.add(
            Conv, source, weight=self.weights((out, kernel, kernel, channels // groups), of), weight_type=of, geometry=geometry, groups=groups
        )

    def dense(self, out: int, x: str | None = None, of: Type = Bipolar()) -> str:  # noqa: B008
        source = x or self.ops[-1].name
        return self.add(MatMul, source, weight=self.weights((out, self.edge(source).channels), of), weight_type=of)

    def sign(self, x: str | None = None) -> str:
        """Bipolar by a threshold of its own for each channel, near the middle of the sums."""
        source = x or self.ops[-1].name
        edge = self.edge(source)
        middle, spread = (edge.type.min + edge.type.max + 1) // 2, max(1, int((edge.type.max - edge.type.min) ** 0.5))
        thresholds = middle + self.rng.integers(-spread, spread, (edge.channels, 1), endpoint=True)
        return self.add(Threshold, source, thresholds=thresholds, descending=np.zeros(edge.channels, dtype=bool), base=-1, step=2, type=Bipolar())

    def quantize(self, bits: int, x: str | None = None) -> str:
        """Unsigned codes by thresholds of its own for each channel."""
        source = x or self.ops[-1].name
        edge = self.edge(source)
        middle, spread = (edge.type.min + edge.type.max + 1) // 2, max(2**bits, int((edge.type.max - edge.type.min) ** 0.5))
        thresholds = np.sort(middle + self.rng.integers(-spread, spread, (edge.channels, 2**bits - 1), endpoint=True), axis=1)
        return self.add(Threshold, source, thresholds=thresholds, descending=np.zeros(edge.channels, dtype=bool), base=0, step=1, type=UInt(bits))

    def pool(self, kernel: int = 2, x: str | None = None, **window: object) -> str:
        geometry = Geometry((kernel, kernel), **({"stride": (kernel, kernel)} | window))
        return self.add(MaxPool, x, geometry=geometry, minimum=np.zeros(1, dtype=bool))

    def flatten(self) -> str:
        return self.add(Reshape, None, shape=(int(np.prod(self.edge(self.ops[-1].name).shape)),))

    def graph(self, name: str, output: str | None = None) -> Graph:
        return Graph(name, tuple(self.ops), output or self.ops[-1].name)


def _live(ops: list[Op], name: str) -> list[Op]:
    wanted = {name}
    for op in reversed(ops):
        if op.name in wanted:
            wanted |= set(op.inputs)
    return [op for op in ops if op.name in wanted]


def cnv(classes: int = 10, width: int = 64) -> Graph:
    """The shape of CNV-W1A1 (Umuroglu et al. 2017, FINN): 32x32 RGB bytes, six binary convolutions without padding, two pools, three dense layers."""
    net = Net(UInt(8), (32, 32, 3))
    for i, channels in enumerate((width, width, 2 * width, 2 * width, 4 * width, 4 * width)):
        net.conv(channels)
        net.sign()
        if i in (1, 3):
            net.pool()
    net.flatten()
    for size in (8 * width, 8 * width):
        net.dense(size)
        net.sign()
    net.dense(classes)
    net.add(ArgMax, None)
    return net.graph("cnv")


def residual() -> Graph:
    """Two blocks with a skip: one that is the identity, one through a 1x1 convolution of stride 2; padding, few-bit codes."""
    net = Net(UInt(8), (8, 8, 3), seed=1)
    net.conv(8, of=UInt(2), padding=(1, 1, 1, 1))
    start = net.quantize(2)
    net.conv(8, padding=(1, 1, 1, 1))
    net.quantize(2)
    long = net.conv(8, padding=(1, 1, 1, 1))
    net.add(Add, (long, start))
    middle = net.quantize(3)
    net.conv(12, padding=(1, 1, 1, 1), stride=(2, 2), x=middle)
    net.quantize(2)
    long = net.conv(12, padding=(1, 1, 1, 1))
    short = net.conv(12, 1, stride=(2, 2), x=middle)
    net.add(Add, (short, long))
    net.sign()
    net.conv(12, 4)
    net.sign()
    net.flatten()
    net.dense(5)
    net.add(ArgMax, None)
    return net.graph("residual")


def resnet20(bits: int = 4) -> Graph:
    """ResNet-20 (He et al. 2016) on 32x32 RGB bytes, weights and activations of `bits` bits, an average pool and a dense layer."""
    net = Net(UInt(8), (32, 32, 3))
    same = {"padding": (1, 1, 1, 1), "of": Int(bits)}
    net.conv(16, **same)
    x = net.quantize(bits)
    for channels in (16, 32, 64):
        for i in range(3):
            stride = (2, 2) if i == 0 and channels > 16 else (1, 1)
            net.conv(channels, x=x, stride=stride, **same)
            net.quantize(bits)
            net.conv(channels, **same)
            long, short = net.quantize(bits), x
            if stride != (1, 1):
                net.conv(channels, 1, x=x, stride=stride, of=Int(bits))
                short = net.quantize(bits)
            net.add(Add, (long, short))
            x = net.quantize(bits)
    net.add(Conv, None, weight=np.ones((64, 8, 8, 1), dtype=np.int64), weight_type=UInt(1), geometry=Geometry((8, 8)), groups=64)
    net.flatten()
    net.dense(10, of=Int(bits))
    net.add(ArgMax, None)
    return net.graph("resnet20")


def branches() -> Graph:
    """The input itself is read twice; concatenation, a padded pool, upsampling, groups, a depthwise layer, a sum of a stream with itself."""
    net = Net(UInt(4), (6, 6, 4), seed=2)
    one = net.conv(6, x="@input", of=UInt(2), padding=(1, 1, 1, 1), groups=2)
    one = net.quantize(2)
    two = net.conv(4, 1, x="@input")
    two = net.quantize(2)
    two = net.pool(3, stride=(1, 1), padding=(1, 1, 1, 1))
    both = net.add(Concat, (one, two))
    net.conv(10, 3, x=both, groups=10, padding=(1, 1, 1, 1), stride=(2, 2))
    net.quantize(2)
    up = net.add(Upsample, None, factor=(2, 2))
    double = net.add(Add, (up, up))
    net.add(Concat, (double, both))
    net.conv(6)
    net.sign()
    net.conv(3, 1)
    net.add(ArgMax, None, k=2)
    return net.graph("branches")


def flat() -> Graph:
    """Dense layers with a skip around one of them, summed with what a whole-map convolution gives."""
    net = Net(Bipolar(), (4, 3, 2), seed=3)
    net.add(Conv, None, weight=net.weights((12, 4, 3, 2), Bipolar()), weight_type=Bipolar(), geometry=Geometry((4, 3)), groups=1)
    net.quantize(2)
    first = net.flatten()
    net.dense(12)
    net.add(Add, (net.quantize(2), first))
    net.dense(4)
    return net.graph("flat")


GRAPHS = {f.__name__: f for f in (residual, branches, flat)}
