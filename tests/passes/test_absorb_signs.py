"""Negated weights instead of descending thresholds: the network computes the same, and its types still hold."""

from __future__ import annotations

from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.ir import Add, Bipolar, Conv, Geometry, Graph, Input, Int, MatMul, Op, Ternary, Threshold, Type, UInt
from hwqnn.passes import absorb_signs


def graph_of(weight: list[list[int]], of: Type, thresholds: list[list[int]], descending: list[bool]) -> Graph:
    ops = (
        Input(name="x", inputs=(), type=Int(3), shape=(len(weight[0]),)),
        MatMul(name="fc", inputs=("x",), weight=np.array(weight), weight_type=of),
        Threshold(
            name="act", inputs=("fc",), thresholds=np.array(thresholds), descending=np.array(descending), base=-1, step=1, type=Int(3)
        ),
    )  # fmt: skip
    return Graph("g", ops, "act")


@pytest.mark.parametrize(
    ("weight", "of", "after"),
    [
        ([[1, -1], [-1, -1], [1, 1]], Bipolar(), Bipolar()),
        ([[0, -1], [-1, 1], [0, 0]], Ternary(), Ternary()),
        ([[3, -4], [-4, 1], [2, 2]], Int(3), Int(4)),
        ([[3, 3], [-4, 1], [-3, 2]], Int(3), Int(3)),
        ([[3, 1], [0, 2], [1, 1]], UInt(2), Int(3)),
    ],
)
@pytest.mark.parametrize("descending", [[True, False, True], [False, True, False], [True]])
def test_same_function(weight: list[list[int]], of: Type, after: Type, descending: list[bool]) -> None:
    thresholds = [[-3, 0, 0], [-1, 2, 9], [-20, 1, 20]][: len(descending)]
    before = graph_of(weight, of, thresholds, descending)
    graph = absorb_signs(before)
    assert not graph.op("act").descending.any()
    for x in product(range(-4, 4), repeat=2):
        assert exact_model.evaluate(graph, x) == exact_model.evaluate(before, x)
    if descending == [True, False, True]:
        assert str(graph.op("fc").weight_type) == str(after)


def test_the_most_negative_weight_gets_a_wider_type() -> None:
    graph = absorb_signs(graph_of([[-4, 0]], Int(3), [[0]], [True]))
    assert graph.op("fc").weight.tolist() == [[4, 0]]
    assert graph.op("fc").weight_type.max >= 4


def test_a_descending_threshold_on_the_input_stays() -> None:
    ops = (
        Input(name="x", inputs=(), type=UInt(8), shape=(2,)),
        Threshold(name="t", inputs=("x",), thresholds=np.array([[7]]), descending=np.array([True]), base=0, step=1, type=UInt(1)),
    )
    assert absorb_signs(Graph("g", ops, "t")).op("t").descending.all()


def conv_graph(*readers: Op, output: str) -> Graph:
    """A padded depthwise convolution of bipolar weights on a bipolar map, and what reads it."""
    weight = np.array([[[[1], [-1], [1]]], [[[-1], [-1], [1]]]])
    conv = Conv(name="c", inputs=("x",), weight=weight, weight_type=Bipolar(), geometry=Geometry((1, 3), padding=(0, 1, 0, 1)), groups=2)
    return Graph("g", (Input(name="x", inputs=(), type=Bipolar(), shape=(1, 4, 2)), conv, *readers), output)


def act(name: str) -> Threshold:
    thresholds, descending = np.array([[0], [-1]]), np.array([True, False])
    return Threshold(name=name, inputs=("c",), thresholds=thresholds, descending=descending, base=-1, step=2, type=Bipolar())


def test_convolution() -> None:
    before = conv_graph(act("act"), output="act")
    graph = absorb_signs(before)
    assert not graph.op("act").descending.any()
    assert graph.op("c").weight[:, 0, :, 0].tolist() == [[-1, 1, -1], [-1, -1, 1]] and graph.op("c").weight_type == Bipolar()
    for x in product((-1, 1), repeat=8):
        assert exact_model.evaluate(graph, x) == exact_model.evaluate(before, x)


def test_a_product_with_two_readers_stays() -> None:
    graph = absorb_signs(conv_graph(act("act"), Add(name="sum", inputs=("act", "c")), output="sum"))
    assert graph.op("act").descending.tolist() == [True, False]
