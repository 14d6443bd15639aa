"""The verifier refuses what breaks a rule, and says which op; inferred edges hold what the ops really make."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import GraphError
from hwqnn.ir import (
    ArgMax,
    Bipolar,
    ChannelAffine,
    Graph,
    Input,
    Int,
    MatMul,
    Op,
    Requantize,
    Rounding,
    SignQuantizer,
    Ternary,
    Threshold,
    Type,
    UInt,
    UniformQuantizer,
)

X = Input(name="x", inputs=(), type=UInt(2), shape=(3,))


def matmul(weight: object = ((1, -1, 1), (1, 1, 1)), of: Type | None = None, name: str = "fc", source: str = "x") -> MatMul:
    return MatMul(name=name, inputs=(source,), weight=np.array(weight), weight_type=of or Bipolar())


def threshold(thresholds: object, descending: object, base: int = -1, step: int = 2, of: Type | None = None, source: str = "x") -> Threshold:
    table, down = np.array(thresholds, dtype=np.int64), np.array(descending)
    return Threshold(name="t", inputs=(source,), thresholds=table, descending=down, base=base, step=step, type=of or Bipolar())


def affine(mul: list[int], add: list[int]) -> ChannelAffine:
    return ChannelAffine(name="a", inputs=("x",), mul=np.array(mul), add=np.array(add))


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
        (
            lambda: Graph("g", (Input(name="x", inputs=(), type=UInt(1), shape=(2, 3)), ArgMax(name="l", inputs=("x",))), "l"),
            r"ArgMax 'l': needs one axis, got shape \(2, 3\)",
        ),
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


def test_look_up_and_replace() -> None:
    graph = Graph("g", (X, matmul(), threshold([[1]], [False], source="fc")), "t")
    assert graph.input is X and graph.op("fc").kind == "MatMul"
    assert [op.name for op in graph.consumers("x")] == ["fc"] and graph.consumers("t") == ()
    shorter = graph.replace({"t": []}, output="fc")
    assert [op.name for op in shorter.ops] == ["x", "fc"] and shorter.output == "fc"
    with pytest.raises(GraphError, match="output 't' is not produced"):
        graph.replace({"t": []})
