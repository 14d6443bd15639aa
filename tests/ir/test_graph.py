"""The verifier refuses what breaks a rule, and says which op; inferred edges hold what the ops really make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import GraphError
from hwqnn.ir import (
    Add,
    ArgMax,
    Bipolar,
    ChannelAffine,
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
    Requantize,
    Reshape,
    Rounding,
    SignQuantizer,
    Ternary,
    Threshold,
    Type,
    UInt,
    UniformQuantizer,
    Upsample,
)

X = Input(name="x", inputs=(), type=UInt(2), shape=(3,))


def matmul(weight: object = ((1, -1, 1), (1, 1, 1)), of: Type | None = None, name: str = "fc", source: str = "x") -> MatMul:
    return MatMul(name=name, inputs=(source,), weight=np.array(weight), weight_type=of or Bipolar())


def threshold(thresholds: object, descending: object, base: int = -1, step: int = 2, of: Type | None = None, source: str = "x") -> Threshold:
    table, down = np.array(thresholds, dtype=np.int64), np.array(descending)
    return Threshold(name="t", inputs=(source,), thresholds=table, descending=down, base=base, step=step, type=of or Bipolar())


def affine(mul: list[int], add: list[int]) -> ChannelAffine:
    return ChannelAffine(name="a", inputs=("x",), mul=np.array(mul), add=np.array(add))


def conv(geometry: Geometry = Geometry((2, 2)), shape: tuple[int, ...] | None = None, groups: int = 1, value: int = 1) -> Conv:  # noqa: B008
    weight = np.full(shape or (4, *geometry.kernel, 2), value)
    return Conv(name="c", inputs=("x",), weight=weight, weight_type=Bipolar(), geometry=geometry, groups=groups)


def pool(geometry: Geometry = Geometry((2, 2)), minimum: int = 1) -> MaxPool:  # noqa: B008
    return MaxPool(name="p", inputs=("x",), geometry=geometry, minimum=np.zeros(minimum, bool))


def on_map(*ops: Op) -> Graph:
    return Graph("g", (Input(name="x", inputs=(), type=UInt(2), shape=(4, 5, 2)), *ops), ops[-1].name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Graph("g", (X, matmul(name="x")), "x"), "MatMul 'x': another op has the same name"),
        (lambda: Graph("g", (X, matmul(source="y")), "fc"), "MatMul 'fc': its input 'y' is not produced by an earlier op"),
        (lambda: Graph("g", (matmul(), X), "fc"), "its input 'x' is not produced by an earlier op"),
        (lambda: Graph("g", (X, Input(name="y", inputs=(), type=UInt(1), shape=(1,))), "y"), "graph 'g' needs exactly one input"),
        (lambda: Graph("g", (), "x"), "needs exactly one input"),
        (lambda: Graph("g", (X,), "y"), "output 'y' is not produced"),
        (lambda: Graph("g", (X, matmul(), matmul(name="left over")), "fc"), "nothing reads left over"),
        (lambda: Graph("g", (Input(name="x", inputs=(), type=UInt(1), shape=()),), "x"), "Input 'x': shape"),
        (lambda: Graph("g", (Input(name="x", inputs=(), type=UInt(1), shape=(3, 0)),), "x"), "no elements"),
        (lambda: Graph("g", (X, matmul(((1, 1), (1, 1)))), "fc"), "does not fit an input of shape"),
        (lambda: Graph("g", (X, matmul((1, 1, 1))), "fc"), "MatMul 'fc': weight of shape"),
        (lambda: Graph("g", (X, matmul(((1, 0, 1),))), "fc"), "weight value 0 is not of type bipolar"),
        (lambda: Graph("g", (X, matmul(((1, 2, 1),), Ternary())), "fc"), "weight value 2 is not of type ternary"),
        (lambda: Graph("g", (X, matmul(((1, 4, 1),), Int(3))), "fc"), "weight value 4 is not of type int3"),
        (lambda: Graph("g", (X, matmul(((1, -1, 1),), UInt(3))), "fc"), "weight value -1 is not of type uint3"),
        (lambda: Graph("g", (X, threshold([[1], [2]], [False, False])), "t"), r"thresholds of shape \(2, 1\) do not fit 3 channels"),
        (lambda: Graph("g", (X, threshold([[1]], [False] * 3)), "t"), "do not fit 3 channels"),
        (lambda: Graph("g", (X, threshold([1, 2, 3], [False] * 3)), "t"), "Threshold 't': thresholds of shape"),
        (lambda: Graph("g", (X, threshold([[2, 1]], [False], 0, 1, UInt(2))), "t"), "not ascending"),
        (lambda: Graph("g", (X, threshold([[1, 2]], [False], 2, 1, UInt(2))), "t"), "output value 4 is not of type uint2"),
        (lambda: Graph("g", (X, threshold([[1]], [False], 0, 1, Bipolar())), "t"), "output value 0 is not of type bipolar"),
        (lambda: Graph("g", (X, affine([1, 1], [0, 0, 0])), "a"), "ChannelAffine 'a':.*do not fit 3 channels"),
        (lambda: Graph("g", (X, affine([1, 1, 1], [0])), "a"), "do not fit 3 channels"),
        (lambda: Graph("g", (X, ArgMax(name="l", inputs=("x",), k=4)), "l"), "ArgMax 'l': the 4 greatest of 3 channels"),
        (lambda: Graph("g", (X, ArgMax(name="l", inputs=("x",), k=0)), "l"), "the 0 greatest of 3 channels"),
        (lambda: Graph("g", (X, conv()), "c"), r"Conv 'c': needs a map \(height, width, channels\), got shape \(3,\)"),
        (lambda: on_map(conv(shape=(4, 2, 2, 3))), r"Conv 'c': weight of shape \(4, 2, 2, 3\) in 1 groups does not fit .* \(4, 5, 2\)"),
        (lambda: on_map(conv(shape=(4, 2, 2, 2), groups=2)), "in 2 groups does not fit"),
        (lambda: on_map(conv(shape=(4, 3, 2, 2))), "does not fit an input"),
        (lambda: on_map(conv(shape=(3, 2, 2, 1), groups=2)), "3 outputs do not divide into 2 groups"),
        (lambda: on_map(conv(value=0)), "weight value 0 is not of type bipolar"),
        (lambda: on_map(conv(Geometry((5, 2)))), r"a kernel of \(5, 2\) .* larger than the map of \(4, 5\)"),
        (lambda: on_map(conv(Geometry((2, 2), dilation=(1, 5)))), r"with dilation \(1, 5\)"),
        (lambda: on_map(conv(Geometry((2, 2), stride=(0, 1)))), "must be at least 1"),
        (lambda: on_map(conv(Geometry((2, 2), padding=(0, 0, -1, 0)))), "padding .* at least 0"),
        (lambda: Graph("g", (X, pool()), "p"), "MaxPool 'p': needs a map"),
        (lambda: on_map(pool(Geometry((2, 6)))), "MaxPool 'p': a kernel of"),
        (lambda: on_map(pool(minimum=3)), r"\(3,\) directions do not fit 2 channels"),
        (lambda: on_map(pool(Geometry((2, 2), padding=(2, 0, 0, 0)))), "makes a window with no element of the map in it"),
        (lambda: Graph("g", (X, Upsample(name="u", inputs=("x",), factor=(1, 1))), "u"), "Upsample 'u': needs a map"),
        (lambda: on_map(Upsample(name="u", inputs=("x",), factor=(0, 2))), r"factor \(0, 2\) must be at least 1"),
        (lambda: on_map(Reshape(name="r", inputs=("x",), shape=(3, 13))), r"Reshape 'r': shape \(4, 5, 2\) cannot become \(3, 13\)"),
        (lambda: on_map(Reshape(name="r", inputs=("x",), shape=())), "cannot become"),
        (lambda: on_map(Reshape(name="r", inputs=("x",), shape=(-4, -10))), "cannot become"),
        (lambda: on_map(conv(), Add(name="s", inputs=("x", "c"))), r"Add 's': shapes \(4, 5, 2\) and \(3, 4, 4\) differ"),
        (lambda: on_map(conv(), Concat(name="j", inputs=("x", "c"))), "Concat 'j': .* differ in more than their channels"),
    ],
)
def test_refusals(make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


@pytest.mark.parametrize(
    "ops",
    [
        [matmul(((3, -4, 1), (0, 0, 0), (-1, -1, -1)), Int(3))],
        [matmul(((1, 2, 3), (1, 0, 1)), UInt(2))],
        [affine([2, -3, 0], [5, 0, -9])],
        [affine([2, 1, 0], [5, 0, 9])],
        [threshold([[0, 1, 3], [2, 2, 9], [-1, 0, 5]], [True, False, True], -2, 1, Int(2))],
        [threshold([[2]], [False])],
        [Requantize(name="q", inputs=("x",), chain=(), quantizer=UniformQuantizer(Fraction(1), 1, -2, 3, Rounding.FLOOR))],
        [Requantize(name="q", inputs=("x",), chain=(), quantizer=SignQuantizer(Fraction(1)))],
        [ArgMax(name="l", inputs=("x",))],
        [ArgMax(name="l", inputs=("x",), k=3)],
        [affine([-1, 2, 0], [0, 1, 3]), Add(name="s", inputs=("a", "x"))],
        [affine([-1, 2, 0], [0, 1, 3]), Concat(name="j", inputs=("a", "x"))],
        [threshold([[2]], [False]), Concat(name="j", inputs=("t", "t"))],
    ],
    ids=lambda ops: str(ops[-1].kind),
)
def test_edges_hold_every_value(ops: list[Op]) -> None:
    """Over all inputs: `exact_model.trace` refuses values outside an edge's type, and for a product both ends of each channel come."""
    graph = Graph("g", (X, *ops), ops[-1].name)
    found = np.array([exact_model.evaluate(graph, x) for x in product(range(4), repeat=3)])
    if isinstance(ops[0], MatMul):
        lo, hi = ops[0].channel_range(X.type)
        assert (found.min(axis=0) == lo).all() and (found.max(axis=0) == hi).all()


@pytest.mark.parametrize("of", [Bipolar(), Ternary(), UInt(2), Int(2)], ids=str)
@pytest.mark.parametrize("padded", [False, True])
def test_range_of_a_convolution(of: Type, padded: bool) -> None:
    """Over all inputs of a map of 2x2: every accumulator lies in the range of its channel, and reaches both ends where nothing is padded."""
    geometry = Geometry((2, 2), padding=(0, 1, 0, 0) if padded else (0, 0, 0, 0))
    weight = np.array([1, -2, 3, 0, -1, -1, -1, -1, 1, 1, 1, 1]).reshape(3, 2, 2, 1)
    op = Conv(name="c", inputs=("x",), weight=weight, weight_type=Int(3), geometry=geometry, groups=1)
    graph = Graph("g", (Input(name="x", inputs=(), type=of, shape=(2, 2, 1)), op), "c")
    values = [v for v in range(of.min, of.max + 1) if v or not isinstance(of, Bipolar)]
    found = np.array([exact_model.evaluate(graph, x) for x in product(values, repeat=4)]).reshape(-1, 3)
    lo, hi = op.channel_range(of)
    assert (lo <= found.min(axis=0)).all() and (found.max(axis=0) <= hi).all()
    assert padded or ((lo == found.min(axis=0)).all() and (found.max(axis=0) == hi).all())


def test_types_of_joins() -> None:
    """Concat keeps a type that both share, bipolar included; other pairs meet in the narrowest plain integers."""
    sign, other = threshold([[1]], [False]), replace(threshold([[2]], [True]), name="t2")
    trits = replace(threshold([[1, 2]], [False], -1, 1, Ternary()), name="t3")

    def concat(a: Op, b: Op, cls: type[Op] = Concat) -> Edge:
        return Graph("g", (X, *{a.name: a, b.name: b}.values(), cls(name="j", inputs=(a.name, b.name))), "j").edges["j"]

    assert concat(sign, other) == Edge(Bipolar(), (6,))
    assert concat(sign, trits) == Edge(Int(2), (6,))
    assert concat(sign, sign) == Edge(Bipolar(), (6,))
    assert concat(sign, other, Add) == Edge(Int(3), (3,))
    two = threshold([[1, 2, 3]], [False], 0, 1, UInt(2))
    assert concat(two, replace(two, name="t2"), Add) == Edge(UInt(3), (3,))


def test_text_form() -> None:
    ops = (X, matmul(), threshold([[1]], [False], source="fc"), ArgMax(name="label", inputs=("t",)))
    assert str(Graph("net", ops, "label")) == (
        "graph net\n"
        "  %x: uint2[3] = Input()\n"
        "  %fc: int5[2] = MatMul(%x)\n"
        "  %t: bipolar[2] = Threshold(%fc)\n"
        "  %label: uint1[1] = ArgMax(%t)\n"
        "  return %label"
    )


def test_text_form_of_maps_and_joins() -> None:
    ops = (
        pool(Geometry((2, 2), (2, 2))),
        Upsample(name="u", inputs=("p",), factor=(2, 1)),
        Concat(name="j", inputs=("u", "u")),
        ArgMax(name="label", inputs=("j",), k=2),
        Reshape(name="r", inputs=("label",), shape=(16,)),
    )
    assert str(on_map(*ops)) == (
        "graph g\n"
        "  %x: uint2[4x5x2] = Input()\n"
        "  %p: uint2[2x2x2] = MaxPool(%x)\n"
        "  %u: uint2[4x2x2] = Upsample(%p)\n"
        "  %j: uint2[4x2x4] = Concat(%u, %u)\n"
        "  %label: uint2[4x2x2] = ArgMax(%j)\n"
        "  %r: uint2[16] = Reshape(%label)\n"
        "  return %r"
    )


def test_look_up_and_replace() -> None:
    graph = Graph("g", (X, matmul(), threshold([[1]], [False], source="fc")), "t")
    assert graph.input is X and graph.op("fc").kind == "MatMul"
    assert [op.name for op in graph.consumers("x")] == ["fc"] and graph.consumers("t") == ()
    shorter = graph.replace({"t": []}, output="fc")
    assert [op.name for op in shorter.ops] == ["x", "fc"] and shorter.output == "fc"
    with pytest.raises(GraphError, match="output 't' is not produced"):
        graph.replace({"t": []})
