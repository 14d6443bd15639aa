"""The executor against the meaning of each op in Python's integers."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from oracle import evaluate, random_graph, values_of

from hwqnn.errors import GraphError, InputError
from hwqnn.ir import ArgMax, Bipolar, ChannelAffine, Graph, Input, Int, MatMul, Requantize, SignQuantizer, Ternary, Threshold, UInt
from hwqnn.reference import Executor


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed: int) -> None:
    graph, x = random_graph(seed)
    expected = [evaluate(graph, image) for image in x.tolist()]
    executor = Executor(graph, threads=1)
    assert executor.run(x).tolist() == [values[graph.output] for values in expected]
    trace = executor.trace(x)
    assert list(trace) == [op.name for op in graph.ops]
    for name, values in trace.items():
        assert values.tolist() == [image[name] for image in expected], name


def binary(width: int, *outs: int) -> Graph:
    """Input and product, bipolar, then for all but the last layer a threshold at every second possible value."""
    rng = np.random.default_rng(width)
    ops = [Input(name="in", inputs=(), type=Bipolar(), shape=(width,))]
    for i, (n, m) in enumerate(zip((width, *outs), outs, strict=False)):
        ops.append(MatMul(name=f"m{i}", inputs=(ops[-1].name,), weight=values_of(rng, Bipolar(), (m, n)), weight_type=Bipolar()))
        if i < len(outs) - 1:
            level = np.arange(m)[:, None] % (2 * n + 3) - n - 1  # every accumulator value and both sides beyond
            down = np.arange(m) % 3 == 0
            ops.append(Threshold(name=f"t{i}", inputs=(ops[-1].name,), thresholds=level, descending=down, base=-1, step=2, type=Bipolar()))
    return Graph("binary", tuple(ops), ops[-1].name)


EDGES = [(1, (1,)), (1, (7, 1)), (5, (64, 64, 3)), (63, (65, 2)), (64, (128, 10)), (65, (257, 9)), (192, (300, 513, 10))]


@pytest.mark.parametrize(("width", "outs"), EDGES)
def test_every_binary_accumulator_and_word_edge(width: int, outs: tuple[int, ...]) -> None:
    graph = binary(width, *outs)
    x = values_of(np.random.default_rng(1), Bipolar(), (33, width))
    assert Executor(graph, threads=1).run(x).tolist() == [evaluate(graph, image)[graph.output] for image in x.tolist()]


def test_a_threshold_at_every_byte() -> None:
    """Each pixel value against each threshold from below 0 to above 255, rising and falling."""
    level = np.repeat(np.arange(-1, 258), 2)[:, None]
    ops = (
        Input(name="in", inputs=(), type=UInt(8), shape=(len(level),)),
        Threshold(name="t", inputs=("in",), thresholds=level, descending=np.arange(len(level)) % 2 == 1, base=-1, step=2, type=Bipolar()),
        MatMul(name="m", inputs=("t",), weight=2 * np.eye(len(level), dtype=np.int64) - 1, weight_type=Bipolar()),
    )
    x = np.repeat(np.arange(256, dtype=np.uint8)[:, None], len(level), axis=1)
    bits = np.where((x >= level[:, 0]) ^ (np.arange(len(level)) % 2 == 1), 1, -1)
    assert (Executor(Graph("bytes", ops, "m"), threads=1).run(x) == bits @ ops[2].weight.T).all()


@pytest.mark.parametrize("bits", [24, 53])
@pytest.mark.parametrize("last", [-1, 1])
def test_products_at_the_edge_of_each_float_type(bits: int, last: int) -> None:
    """2^24 + 1 has no float32 and 2^53 + 1 no float64; nor do sums that pass there on the way back."""
    weight = np.array([[2**bits, last, 0], [2**bits, 1, -(2**bits)], [2**bits - 1, 1, 0], [-(2**bits), -1, 0]])
    entry = Input(name="in", inputs=(), type=UInt(1), shape=(3,))
    graph = Graph("wide", (entry, MatMul(name="m", inputs=("in",), weight=weight, weight_type=Int(60))), "m")
    x = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
    executor = Executor(graph, threads=1)
    expected = [evaluate(graph, image)["m"] for image in x.tolist()]
    assert executor.run(x).tolist() == expected
    assert executor.trace(x)["m"].tolist() == expected


@pytest.mark.parametrize(("base", "step"), [(1, -2), (1, 0), (-1, 0)])
def test_bipolar_thresholds_that_fall_or_stay(base: int, step: int) -> None:
    """On the graph's input and after a product."""
    inner = binary(70, 66, 4)
    entry = Input(name="pixels", inputs=(), type=UInt(8), shape=(70,))
    first = Threshold(name="in", inputs=("pixels",), thresholds=np.array([[99]]), descending=np.array([True]), base=base, step=step, type=Bipolar())
    rest = [replace(op, base=base, step=step) if isinstance(op, Threshold) else op for op in inner.ops[1:]]
    graph = Graph("falling", (entry, first, *rest), inner.output)
    x = np.random.default_rng(2).integers(95, 103, (9, 70))
    assert Executor(graph, threads=1).run(x).tolist() == [evaluate(graph, image)[graph.output] for image in x.tolist()]


def test_bipolar_threshold_without_levels() -> None:
    inner = binary(5, 7, 2)
    none = np.empty((1, 0), np.int64)
    ops = [replace(op, thresholds=none, descending=np.array([False]), base=1) if isinstance(op, Threshold) else op for op in inner.ops]
    graph = Graph("constant", tuple(ops), inner.output)
    x = values_of(np.random.default_rng(2), Bipolar(), (3, 5))
    assert Executor(graph, threads=1).run(x).tolist() == [evaluate(graph, image)[graph.output] for image in x.tolist()]


def test_input_codes_of_sixteen_bits() -> None:
    inner = binary(3, 2)
    entry = Input(name="codes", inputs=(), type=UInt(16), shape=(3,))
    level = np.array([[40_000], [70_000], [-5]])
    first = Threshold(name="in", inputs=("codes",), thresholds=level, descending=np.zeros(3, bool), base=-1, step=2, type=Bipolar())
    graph = Graph("codes", (entry, first, *inner.ops[1:]), inner.output)
    x = np.array([[39_999, 65_535, 0], [40_000, 65_535, 1], [65_535, 0, 2]])
    assert Executor(graph, threads=1).run(x).tolist() == [evaluate(graph, image)[graph.output] for image in x.tolist()]


def test_argmax_tie_goes_to_the_lowest_index_even_past_64_bits() -> None:
    scores = Input(name="in", inputs=(), type=Int(9), shape=(3,))
    wide = ChannelAffine(name="a", inputs=("in",), mul=np.full(3, 2**60), add=np.array([0, 0, 1]))
    x = np.array([[5, 5, 4], [255, 255, 255], [-256, 7, 7], [3, 9, 9]])
    plain = Graph("tie", (scores, ArgMax(name="y", inputs=("in",))), "y")
    assert Executor(plain).run(x).tolist() == [[0], [0], [1], [1]]
    exact = Graph("wide", (scores, wide, ArgMax(name="y", inputs=("a",))), "y")
    assert Executor(exact).run(x).tolist() == [[0], [2], [2], [2]]


def test_threads_agree_and_one_thread_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = binary(100, 80, 10)
    x = values_of(np.random.default_rng(3), Bipolar(), (1700, 100))
    many = Executor(graph, threads=3).run(x)
    started: list[object] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    assert (Executor(graph, threads=1).run(x) == many).all()
    assert not started


def test_no_images() -> None:
    assert Executor(binary(9, 4)).run(np.empty((0, 9), np.int8)).shape == (0, 4)


@pytest.mark.parametrize(
    ("entry", "x", "message"),
    [
        (UInt(8), np.zeros((2, 5), np.int64), r"expected \(N, 4\)"),
        (UInt(8), np.zeros(4, np.int64), r"expected \(N, 4\)"),
        (UInt(8), np.zeros((2, 4)), "is float64, expected integers"),
        (UInt(8), np.array([[0, 0, 0, 0], [0, 300, 0, 0]]), "image 1 holds 300, which is not of type uint8"),
        (UInt(4), np.array([[0, 16, 0, 0]], np.uint8), "holds 16, which is not of type uint4"),
        (Int(4), np.array([[0, -9, 0, 0]], np.int8), "holds -9, which is not of type int4"),
        (Ternary(), np.array([[0, 2, 0, 0]]), "holds 2, which is not of type ternary"),
        (Bipolar(), np.array([[1, 0, 1, 1]]), "holds 0, which is not of type bipolar"),
    ],
)
def test_bad_input(entry: UInt, x: np.ndarray, message: str) -> None:
    product = MatMul(name="m", inputs=("in",), weight=np.ones((2, 4), np.int64), weight_type=Bipolar())
    graph = Graph("g", (Input(name="in", inputs=(), type=entry, shape=(4,)), product), "m")
    executor = Executor(graph)
    for call in (executor.run, executor.trace):
        with pytest.raises(InputError, match=message):
            call(x)


def test_bad_graphs() -> None:
    entry = Input(name="in", inputs=(), type=UInt(8), shape=(4,))
    imported = Requantize(name="relu", inputs=("in",), chain=(), quantizer=SignQuantizer(1))
    with pytest.raises(GraphError, match=r"Requantize 'relu'.*lower the graph first"):
        Executor(Graph("imported", (entry, imported), "relu"))
    wide = ChannelAffine(name="a", inputs=("in",), mul=np.full(4, 2**62), add=np.zeros(4, np.int64))
    with pytest.raises(GraphError, match=r"'a'.*more than 63 bits"):
        Executor(Graph("wide", (entry, wide), "a"))
    with pytest.raises(InputError, match="threads 0"):
        Executor(Graph("g", (entry,), "in"), threads=0)
