"""Random Brevitas networks over all layers and number types, as compact descriptions, which `brevitas_modules.build` turns into modules.

Any description means a network: a parameter that does not fit where it stands is brought to the nearest that does, and a quantizer is put where a
product would meet real values. So Hypothesis may drop and simplify parts at will, and the `repr` of what fails is a reproducer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hwqnn.passes import Head

Pair = tuple[int, int]


@dataclass(frozen=True)
class Weight:
    """`nice`: the scale is a power of two (and the weights' statistics give just that)."""

    kind: str  # bipolar, ternary, int
    bits: int = 1
    per_channel: bool = False
    narrow: bool = True
    nice: bool = True


@dataclass(frozen=True)
class Act:
    """A quantizer. `function`: identity, relu, hardtanh, or a float layer in front (relu then, hardtanh then). `tensor`: yields a QuantTensor."""

    kind: str = "int"  # sign, ternary, int
    bits: int = 4
    signed: bool = True
    narrow: bool = False
    function: str = "identity"
    nice: bool = True
    tensor: bool = False


@dataclass(frozen=True)
class Conv:
    """A convolution, as torch means the parameters; on a signal the second of each pair counts. On a flat edge: a linear layer."""

    outputs: int
    weight: Weight
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: str = "dense"  # two, depthwise
    bias: str = "none"  # float, int


@dataclass(frozen=True)
class Linear:
    """`across`: over the channels at each place of a map; else the map is flattened first."""

    outputs: int
    weight: Weight
    bias: str = "none"
    across: bool = False


@dataclass(frozen=True)
class Norm:
    """Batch norm. `nice`: rational, with ties; `affine`: negative and zero factors."""

    nice: bool = True
    affine: bool = True


@dataclass(frozen=True)
class MaxPool:
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)


@dataclass(frozen=True)
class AveragePool:
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: bool = False


@dataclass(frozen=True)
class TruncPool:
    """Truncating average pool, behind a quantizer of its own. `whole`: adaptive, over the whole map."""

    bits: int = 4
    kernel: int = 2
    floor: bool = False
    whole: bool = False
    signed: bool = False


@dataclass(frozen=True)
class GlobalPool:
    how: str = "adaptive"  # mean


@dataclass(frozen=True)
class Upsample:
    factor: int = 2
    how: str = "module"  # quant, function


@dataclass(frozen=True)
class Flatten:
    how: str = "module"  # view, function


@dataclass(frozen=True)
class Scale:
    """Arithmetic with constants: mul * x + add."""

    mul: float = 2.0
    add: float = -1.0


@dataclass(frozen=True)
class Residual:
    """body(x) + shortcut(x), which 1x1 convolutions bring to one shape. `shared`: one quantizer runs on both and the sum is of QuantTensors."""

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()
    shared: Act | None = None


@dataclass(frozen=True)
class Branches:
    """torch.cat of two branches."""

    left: tuple[Layer, ...]
    right: tuple[Layer, ...] = ()


Layer = Conv | Linear | Norm | Act | MaxPool | AveragePool | TruncPool | GlobalPool | Upsample | Flatten | Scale | Residual | Branches


@dataclass(frozen=True)
class Description:
    """A network, what leaves it, and how it is folded.

    Attributes:
        shape: of a sample: (C, H, W), (C, L) or (F,).
        signed_input: int8 instead of uint8; the integer q stands for the real q / steps.
        seed: of all numbers in it.
        images: how many.
        folding: seed of the foldings; 0 leaves them to the solver.
        codes_port: the codes of the input's quantizer enter the accelerator, if it has one.
        dynamo: which of Brevitas' exporters writes the QONNX file; this one takes a second.
    """

    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    head: Head = Head.SCORES
    top: int = 1
    signed_input: bool = False
    steps: int = 1
    seed: int = 0
    images: int = 2
    folding: int = 0
    codes_port: bool = False
    dynamo: bool = False

    def __repr__(self) -> str:
        return source(self)

    @property
    def exportable(self) -> bool:
        """Whether Brevitas' QONNX files say what the module does: they hold 1-bit integers as bipolar, and float weights behind a rounding `Quant`
        where the module compares with a threshold. And torch.export does not get through a QuantUpsample, which wants the tensor's `value`."""
        return not any(
            (isinstance(part, Act) and part.kind == "int" and part.bits == 1)
            or (isinstance(part, Weight) and part.kind == "ternary" and part.narrow)
            or (isinstance(part, Upsample) and part.how == "quant" and self.dynamo)
            for part in parts(self.layers)
        )

    def pixels(self) -> np.ndarray:
        """int64 (N, *shape), channels first."""
        rng = np.random.default_rng(self.seed)
        lo, hi = (-128, 127) if self.signed_input else (0, 255)
        uniform = rng.integers(lo, hi, (self.images, *self.shape), endpoint=True)
        return np.where(rng.random((self.images, *[1] * len(self.shape))) < 0.2, rng.choice([lo, hi], uniform.shape), uniform)


def parts(value: object) -> Iterator[object]:
    """Everything in a description."""
    yield value
    inner = value if isinstance(value, tuple) else [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else ()
    for part in inner:
        yield from parts(part)


def source(value: object) -> str:
    """Python that makes a description or a part of it; fields left at their defaults are left out."""
    if isinstance(value, Head):
        return str(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(source, value))}{',' if len(value) == 1 else ''})"
    if not is_dataclass(value):
        return repr(value)
    said = [f"{f.name}={source(v)}" for f in fields(value) if (v := getattr(value, f.name)) != f.default]
    return f"{type(value).__name__}({', '.join(said)})"


def pairs(*values: SearchStrategy[int]) -> SearchStrategy[Pair]:
    """Most often the same number twice."""
    one = st.one_of(*values)
    return one.map(lambda v: (v, v)) | st.tuples(one, one)


NICE = st.sampled_from((True, True, True, False))
WEIGHTS = st.one_of(
    st.builds(Weight, st.just("bipolar"), nice=NICE),
    st.builds(Weight, st.just("ternary"), st.just(2), nice=NICE),
    st.builds(Weight, st.just("int"), st.integers(2, 8), st.booleans(), st.booleans(), NICE),
)
FUNCTIONS = st.sampled_from(("identity", "identity", "relu", "relu", "hardtanh", "relu then", "hardtanh then"))
INTEGERS = st.builds(Act, st.just("int"), st.integers(1, 8), st.booleans(), st.booleans(), FUNCTIONS, NICE, st.booleans())
ACTS = INTEGERS | st.builds(
    Act, st.sampled_from(("sign", "sign", "ternary")), function=st.sampled_from(("identity", "relu then")), tensor=st.booleans()
)
CHANNELS = st.integers(1, 4) | st.integers(1, 8)
BIASES = st.sampled_from(("none", "none", "float", "int"))
NORMS = st.builds(Norm, NICE, st.sampled_from((True, True, False)))
CONVS = st.builds(
    Conv,
    CHANNELS,
    WEIGHTS,
    pairs(st.just(3), st.integers(1, 4)),
    pairs(st.just(1), st.just(1), st.integers(1, 3)),
    pairs(st.just(0), st.just(1), st.integers(0, 2)),
    pairs(st.just(1), st.just(1), st.just(1), st.integers(1, 3)),
    st.sampled_from(("dense", "dense", "two", "depthwise")),
    BIASES,
)
SAME_SIZE = st.builds(lambda conv: Conv(conv.outputs, conv.weight, (3, 3), padding=(1, 1), groups=conv.groups, bias=conv.bias), CONVS)
LINEARS = st.builds(Linear, st.integers(1, 8), WEIGHTS, BIASES, st.sampled_from((False, False, True)))
POOLS = st.builds(MaxPool, pairs(st.integers(1, 3)), pairs(st.integers(1, 3)), pairs(st.just(0), st.integers(0, 1)))
AVERAGES = st.one_of(
    st.builds(AveragePool, pairs(st.integers(1, 3)), pairs(st.integers(1, 3)), st.booleans()),
    st.builds(TruncPool, st.integers(2, 8), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans()),
    st.builds(GlobalPool, st.sampled_from(("adaptive", "mean"))),
)
UPSAMPLES = st.builds(Upsample, st.integers(1, 3), st.sampled_from(("module", "quant", "function")))
FLATTENS = st.builds(Flatten, st.sampled_from(("module", "view", "function")))
SCALES = st.builds(Scale, st.sampled_from((1.0, 2.0, -0.5, 0.75)), st.sampled_from((0.0, 1.0, -0.25)))


def unit(products: SearchStrategy[Layer]) -> SearchStrategy[tuple[Layer, ...]]:
    """A product and what usually comes behind it; the pool before or after the activation."""
    acts = ACTS.map(lambda a: (a,))
    return st.builds(
        lambda product, norm, rest: (product, *norm, *rest),
        products,
        st.one_of(st.just(()), NORMS.map(lambda n: (n,))),
        st.one_of(acts, acts, st.tuples(POOLS, ACTS), st.tuples(ACTS, POOLS), st.tuples(SCALES, ACTS), st.just(())),
    )


def one(layers: SearchStrategy[Layer]) -> SearchStrategy[tuple[Layer, ...]]:
    return layers.map(lambda layer: (layer,))


def sequence(parts: SearchStrategy[tuple[Layer, ...]], least: int, most: int) -> SearchStrategy[tuple[Layer, ...]]:
    return st.lists(parts, min_size=least, max_size=most).map(lambda found: tuple(layer for part in found for layer in part))


def joins(inner: SearchStrategy[tuple[Layer, ...]]) -> SearchStrategy[tuple[Layer, ...]]:
    """Residuals and concatenations of what keeps the size of a map, most often with a quantizer behind the join."""
    branch, short = sequence(inner, 1, 2), sequence(inner, 0, 1)
    shared = st.none() | INTEGERS.map(lambda a: Act(a.kind, a.bits, a.signed, a.narrow, "identity", a.nice, True))
    join = st.builds(Residual, branch, short, shared) | st.builds(Branches, branch, short)
    return st.builds(lambda layer, behind: (layer, *behind), join, st.one_of(one(ACTS), one(ACTS), st.just(())))


INNER = unit(SAME_SIZE) | one(ACTS)
BODY = st.one_of(
    unit(CONVS), unit(CONVS), unit(CONVS), unit(CONVS), unit(LINEARS), one(POOLS), one(AVERAGES), one(UPSAMPLES), one(UPSAMPLES), one(FLATTENS),
    joins(INNER), joins(INNER | joins(INNER)),
)  # fmt: skip
TAILS = st.one_of(st.just(()), one(LINEARS), one(LINEARS), one(CONVS))
STARTS = st.one_of(st.just(()), st.just(()), one(ACTS), st.tuples(SCALES, ACTS))
SHAPES = st.one_of(
    st.tuples(CHANNELS, st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    st.tuples(CHANNELS, st.integers(1, 16)), st.tuples(st.integers(1, 20)),
)  # fmt: skip


@st.composite
def descriptions(draw: st.DrawFn, most: int = 6) -> Description:
    return Description(
        shape=draw(SHAPES),
        layers=(*draw(STARTS), *draw(sequence(BODY, 0, most)), *draw(TAILS)),
        head=draw(st.sampled_from(Head)),
        top=draw(st.just(1) | st.integers(1, 5)),
        signed_input=draw(st.booleans()),
        steps=draw(st.sampled_from((1, 256, 255))),
        seed=draw(st.integers(0, 2**20)),
        images=draw(st.integers(1, 4)),
        folding=draw(st.integers(0, 2**16)),
        codes_port=draw(st.booleans()),
        dynamo=draw(st.integers(0, 9)) == 9,
    )
