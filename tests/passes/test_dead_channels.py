"""Channels that make no difference are gone, and the network computes the same in every bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import exact_model
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from network_checks import Case, accelerator, check_reference, check_rtl, flat
from networks import Network, map_networks
from networks import networks as matrices

from hwqnn.accelerator import Port
from hwqnn.errors import UnsupportedError
from hwqnn.ir import (
    Add,
    ArgMax,
    Bipolar,
    ChannelAffine,
    Concat,
    Conv,
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
from hwqnn.passes import Head, remove_dead_channels


def deadened(graph: Graph, rng: np.random.Generator) -> Graph:
    """The graph with weights of some channels 0, on one side or the other, and some thresholds out of reach."""

    def dead(op: Op) -> Op:
        if isinstance(op, MatMul | Conv) and not isinstance(op.weight_type, Bipolar):
            weight = op.weight.copy()
            weight[rng.random(len(weight)) < 0.3] = 0
            weight[..., rng.random(weight.shape[-1]) < 0.3] = 0
            return replace(op, weight=weight)
        if isinstance(op, Threshold):
            edge = graph.edges[op.inputs[0]]
            rows = np.broadcast_to(op.thresholds, (edge.channels, op.levels)).copy()
            rows[rng.random(len(rows)) < 0.15] = edge.type.max + 1
            rows[rng.random(len(rows)) < 0.15] = edge.type.min
            return replace(op, thresholds=rows, descending=np.broadcast_to(op.descending, len(rows)))
        return op

    return Graph(graph.name, tuple(map(dead, graph.ops)), graph.output, graph.meaning)


def same(before: Graph, after: Graph, images: np.ndarray) -> None:
    for image in images:
        assert exact_model.evaluate(after, flat(image)) == exact_model.evaluate(before, flat(image)), f"{before}\n{after}"


def sizes(graph: Graph) -> dict[str, int]:
    return {op.name: graph.edges[op.name].channels for op in graph.ops}


@pytest.mark.parametrize("kind", ["imported", "canonical", "matrices"])
def test_random_networks_compute_the_same(kind: str) -> None:
    """All ops, forks and joins, with dead channels: as a frontend makes them, all of whose edges are checked on the way, and without other passes."""
    seen = {"networks": 0, "smaller": 0}
    kinds = {"imported": map_networks(), "canonical": map_networks(canonical=True), "matrices": matrices(st.integers(1, 16))}

    def check(network: Network, number: int) -> None:
        before = deadened(network.imported, np.random.default_rng(number))
        if network.lowered:
            after = remove_dead_channels(before)
            same(before, after, network.images)
        else:
            try:
                after = check_reference(replace(network, imported=before))
            except UnsupportedError:  # an argmax that no integers decide
                return
        assert after.input.shape == before.input.shape
        lost = [sizes(before)[op.name] - sizes(after)[op.name] for op in after.ops if isinstance(op, MatMul | Conv)]
        assert min(lost, default=0) >= 0 and min(sizes(after).values()) >= 1
        seen["networks"] += 1
        seen["smaller"] += any(lost)

    options = settings(max_examples=40, database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    seed(3)(options(given(kinds[kind], st.integers(0, 2**16))(check)))()
    assert seen["smaller"] > 0.1 * seen["networks"], seen


def matmul(name: str, source: str, weight: list[list[int]], of: Type = Int(4)) -> MatMul:  # noqa: B008
    return MatMul(name=name, inputs=(source,), weight=np.array(weight, dtype=np.int64), weight_type=of)


def act(name: str, source: str, thresholds: list[list[int]], of: Type = UInt(2)) -> Threshold:  # noqa: B008
    base = of.max - len(thresholds[0])
    table = np.array(thresholds)
    return Threshold(name=name, inputs=(source,), thresholds=table, descending=np.zeros(len(table), bool), base=base, step=1, type=of)


def entry(*shape: int, of: Type = UInt(2)) -> Input:  # noqa: B008
    return Input(name="x", inputs=(), type=of, shape=shape)


def everything(graph: Graph) -> np.ndarray:
    """Each input that the graph can have."""
    of = graph.input.type
    return np.array(np.meshgrid(*[np.arange(of.min, of.max + 1)] * int(np.prod(graph.input.shape)))).reshape(int(np.prod(graph.input.shape)), -1).T


def test_by_hand() -> None:
    """Of six hidden neurons one has no weights, one never reaches a threshold, one always does, one has no reader: two are left."""
    ops = (
        entry(2),
        matmul("a", "x", [[1, 2], [0, 0], [1, 0], [3, 1], [2, -1], [1, 1]]),
        act("t", "a", [[1, 3, 5], [1, 2, 3], [4, 5, 6], [-2, -1, 0], [0, 1, 2], [2, 3, 4]]),
        matmul("b", "t", [[1, 5, -3, 2, -2, 0], [2, 7, 7, 0, 1, 0]]),
        act("u", "b", [[0, 4, 8], [1, 2, 3]]),
    )
    before = Graph("g", ops, "u")
    after = remove_dead_channels(before)
    assert sizes(after) == {"x": 2, "a": 2, "t": 2, "b": 2, "u": 2}
    a, b, u = (after.op(name) for name in "abu")
    assert isinstance(a, MatMul) and isinstance(b, MatMul) and isinstance(u, Threshold)
    assert a.weight.tolist() == [[1, 2], [2, -1]] and b.weight.tolist() == [[1, -2], [2, 1]]
    # the first sum had 2 * 3 from the neuron that always gives 3; both sums of what is left lie in [-6, 9], so no threshold is out of its type
    assert u.thresholds.tolist() == [[-6, -2, 2], [1, 2, 3]]
    same(before, after, everything(before))


def test_a_chain_goes_at_once() -> None:
    """What only a neuron without a reader reads goes with it, layer by layer."""
    ops = (
        entry(2),
        matmul("a", "x", [[1, 2], [2, 1], [1, 1]]),
        act("t", "a", [[2, 3], [1, 4], [3, 5]]),
        matmul("b", "t", [[1, 2, 0], [0, 0, 3], [0, 1, 3]]),
        act("u", "b", [[3, 4], [3, 6], [3, 7]]),
        matmul("c", "u", [[1, 0, 0], [2, 0, 0]]),
    )
    before = Graph("g", ops, "c")
    after = remove_dead_channels(before)
    assert sizes(after) == {"x": 2, "a": 2, "t": 2, "b": 1, "u": 1, "c": 2}
    same(before, after, everything(before))


def test_channels_that_read_only_each_other() -> None:
    """A residual stream of two channels, of which the second only ever feeds itself."""
    ops = (
        entry(2),
        matmul("in", "x", [[1, 2], [2, 1]]),
        act("s", "in", [[2, 4], [1, 3]]),
        matmul("h", "s", [[2, 0], [0, 3]]),
        act("g", "h", [[1, 2], [3, 4]]),
        matmul("back", "g", [[1, 0], [0, 1]]),
        Add(name="sum", inputs=("s", "back")),
        matmul("out", "sum", [[1, 0], [2, 0], [3, 0]]),
    )
    before = Graph("g", ops, "out")
    after = remove_dead_channels(before)
    assert [sizes(after)[name] for name in ("s", "h", "g", "back", "sum")] == [1] * 5
    same(before, after, everything(before))


def conv(name: str, source: str, weight: np.ndarray, padding: int = 0, groups: int = 1) -> Conv:
    geometry = Geometry(weight.shape[1:3], padding=(padding,) * 4)
    return Conv(name=name, inputs=(source,), weight=weight, weight_type=Int(4), geometry=geometry, groups=groups)


@pytest.mark.parametrize(("padding", "constant", "left"), [(0, 3, 2), (0, 0, 2), (1, 3, 3), (1, 0, 2)])
def test_padding(padding: int, constant: int, left: int) -> None:
    """A constant channel goes unless padding makes its part of a sum differ from place to place."""
    rng = np.random.default_rng(0)
    first = rng.integers(1, 4, (3, 1, 1, 1))
    first[1] = 0
    always, never = [-9, -9, -9], [9, 9, 9]
    ops = (
        entry(3, 3, 1),
        conv("a", "x", first),
        act("t", "a", [[1, 2, 3], always if constant else never, [2, 3, 8]]),
        conv("b", "t", rng.integers(1, 4, (2, 2, 2, 3)), padding),
        act("u", "b", [[5, 9, 30], [2, 20, 40]]),
    )
    before = Graph("g", ops, "u")
    after = remove_dead_channels(before)
    assert sizes(after)["a"] == sizes(after)["t"] == left
    same(before, after, rng.integers(0, 4, (30, 3, 3, 1)))


def test_past_pools_flattening_and_depthwise_layers() -> None:
    """A channel is four dense inputs; the depthwise layer loses a group; the pool its direction."""
    rng = np.random.default_rng(1)
    dense = rng.integers(-3, 4, (2, 16))
    dense[:, 2::4] = 0  # nothing reads channel 2
    wide = rng.integers(1, 4, (4, 2, 2, 2))
    wide[0] = 0  # channel 0 is constant
    ops = (
        entry(5, 5, 2),
        conv("a", "x", wide),
        act("t", "a", [[-1, 0, 3], [8, 16, 24], [5, 10, 20], [7, 12, 20]]),
        MaxPool(name="p", inputs=("t",), geometry=Geometry((2, 2), (1, 1)), minimum=np.array([True, True, False, False])),
        conv("d", "p", rng.integers(1, 4, (4, 2, 2, 1)), groups=4),
        act("v", "d", [[5, 10, 20], [8, 16, 24], [5, 10, 20], [7, 12, 20]]),
        Upsample(name="up", inputs=("v",), factor=(1, 1)),
        Reshape(name="flat", inputs=("up",), shape=(16,)),
        matmul("out", "flat", dense.tolist()),
        act("last", "out", [[-20, -5, 0], [-3, 9, 11]]),
    )
    before = Graph("g", ops, "last")
    after = remove_dead_channels(before)
    assert [sizes(after)[name] for name in ("a", "t", "p", "d", "v", "up", "flat")] == [2] * 6 + [8]
    pool, depthwise = after.op("p"), after.op("d")
    assert isinstance(pool, MaxPool) and pool.minimum.tolist() == [True, False] and isinstance(depthwise, Conv) and depthwise.groups == 2
    same(before, after, rng.integers(0, 4, (40, 5, 5, 2)))


def test_constants_add_up_through_a_join() -> None:
    """Both branches lose a constant channel, so both have a constant in their sums; the threshold behind the join takes both."""
    ops = (
        entry(2),
        matmul("a", "x", [[0, 0], [1, 2]]),
        act("t", "a", [[0, 0], [2, 5]]),
        matmul("b", "x", [[2, 1], [0, 0]]),
        act("u", "b", [[2, 4], [-1, 0]]),
        matmul("c", "t", [[2, 1], [-3, 1]]),
        matmul("d", "u", [[1, 2], [2, -1]]),
        Add(name="sum", inputs=("c", "d")),
        Concat(name="both", inputs=("sum", "t")),
        act("last", "sum", [[9, 11, 13], [-5, -4, 0]]),
        Concat(name="all", inputs=("both", "last")),
    )
    before = Graph("g", ops, "all")
    after = remove_dead_channels(before)
    assert sizes(after)["b"] == 1 and sizes(after)["a"] == 2  # `t` leaves the network
    plain = remove_dead_channels(Graph("g", tuple(op for op in ops if op.name not in ("both", "all")), "last"))
    assert sizes(plain) == {"x": 2, "a": 1, "t": 1, "b": 1, "u": 1, "c": 2, "d": 2, "sum": 2, "last": 2}
    same(before, after, everything(before))
    same(Graph("g", tuple(op for op in ops if op.name not in ("both", "all")), "last"), plain, everything(before))


@pytest.mark.parametrize("head", ["argmax", "scores", "affine"])
def test_constants_of_the_last_layer(head: str) -> None:
    """They change which class wins: where no threshold follows, they are added, by what is there already or by a new op."""
    ops: list[Op] = [
        entry(2),
        matmul("a", "x", [[0, 0], [1, 2]]),
        act("t", "a", [[0, 0], [2, 5]]),
        matmul("b", "t", [[5, 1], [-7, 2], [0, 3]], Int(5)),
    ]
    if head == "affine":
        ops.append(ChannelAffine(name="scale", inputs=("b",), mul=np.array([2, -1, 3]), add=np.array([0, 1, -4])))
    if head != "scores":
        ops.append(ArgMax(name="argmax", inputs=(ops[-1].name,)))
    before = Graph("g", tuple(ops), ops[-1].name)
    after = remove_dead_channels(before)
    assert sizes(after)["a"] == sizes(after)["t"] == 1
    affine = next(op for op in after.ops if isinstance(op, ChannelAffine))
    assert affine.name == ("scale" if head == "affine" else "b@constants")
    assert affine.add.tolist() == ([30, 22, -4] if head == "affine" else [15, -21, 0])
    assert after.output == {"argmax": "argmax", "affine": "argmax", "scores": "b@constants"}[head]
    same(before, after, everything(before))


def test_no_layer_is_left_empty() -> None:
    """Every hidden neuron is constant: one zero stays of each layer."""
    ops = (
        entry(2),
        matmul("a", "x", [[0, 0], [1, 1], [2, 1]]),
        act("t", "a", [[0, 0], [99, 99], [-99, -99]]),
        matmul("b", "t", [[3, 1, 2], [1, 2, -2]]),
        act("u", "b", [[4, 9], [1, 2]]),
        matmul("c", "u", [[1, 2], [3, -1]]),
    )
    before = Graph("g", ops, "c")
    after = remove_dead_channels(before)
    assert [sizes(after)[name] for name in "atbu"] == [1] * 4
    assert not any(op.weight.any() for op in after.ops if isinstance(op, MatMul))
    same(before, after, everything(before))


@pytest.mark.parametrize(
    ("neurons", "dead", "left"), [(9, 2, 8), (12, 1, 12), (16, 1, 16), (17, 3, 16), (17, 4, 14), (8, 7, 1), (11, 0, 11), (11, 1, 10), (30, 13, 18)]
)
def test_sizes_that_fold(neurons: int, dead: int, left: int) -> None:
    """Of the sizes from what is needed to an eighth more, the least with the most divisors; what fills it up is 0."""
    rng = np.random.default_rng(neurons)
    weight, last = rng.integers(1, 4, (neurons, 2)), rng.integers(1, 4, (2, neurons))
    last[:, rng.permutation(neurons)[:dead]] = 0
    before = Graph("g", (entry(2), matmul("a", "x", weight.tolist()), act("t", "a", [[3, 6]]), matmul("b", "t", last.tolist())), "b")
    after = remove_dead_channels(before)
    a, b = after.op("a"), after.op("b")
    assert isinstance(a, MatMul) and isinstance(b, MatMul)
    assert sizes(after)["a"] == left
    assert a.weight.any(axis=1).sum() == b.weight.any(axis=0).sum() == neurons - dead
    same(before, after, everything(before))


def test_signs_read_a_constant_as_it_is() -> None:
    """A reader whose weights are all +-1 has no 0 for a filler, but its size is rounded up nevertheless: the constant channel stays."""
    rng = np.random.default_rng(4)

    def signs(shape: tuple[int, int]) -> list[list[int]]:
        return rng.choice([-1, 1], shape).tolist()

    for constant, left in ((1, 8), (3, 6)):
        table = np.full((8, 1), 0)
        table[:constant] = 99
        hidden = Threshold(name="t", inputs=("a",), thresholds=table, descending=np.zeros(8, bool), base=-1, step=2, type=Bipolar())
        ops = (entry(3, of=Bipolar()), matmul("a", "x", signs((8, 3)), Bipolar()), hidden, matmul("b", "t", signs((4, 8)), Bipolar()))
        before = Graph("g", (*ops, act("u", "b", [[-2], [0], [1], [2]], UInt(1))), "u")
        after = remove_dead_channels(before)
        assert sizes(after)["t"] == left
        for op in after.ops:
            assert not isinstance(op, MatMul) or isinstance(op.weight_type, Bipolar)
        images = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
        same(before, after, images)


def test_nothing_dead_is_the_same_graph() -> None:
    graph = Graph("g", (entry(2), matmul("a", "x", [[1, 2], [1, 0]], Int(3))), "a")
    assert remove_dead_channels(graph) is graph


def test_rtl(tmp_path: Path) -> None:
    """A convolutional network with dead channels of every kind, and one all of whose hidden channels are dead: exact model = reference = RTL."""
    rng = np.random.default_rng(5)
    first, second = rng.integers(-3, 4, (6, 3, 3, 1)), rng.integers(-3, 4, (5, 3, 3, 6))
    first[[0, 3]] = 0
    second[..., 4], second[1] = 0, 0
    ops = (
        entry(6, 6, 1),
        conv("a", "x", first),
        act("t", "a", [[-9, 0, 1], [-3, 2, 8], [-3, 2, 8], [3, 4, 5], [-3, 2, 8], [0, 4, 9]]),
        conv("b", "t", second),
        MaxPool(name="p", inputs=("b",), geometry=Geometry((2, 2)), minimum=np.array([False])),
        act("u", "p", [[-20, 0, 20], [-1, 0, 1], [-20, 0, 20], [-30, -10, 0], [0, 20, 40]]),
        Reshape(name="flat", inputs=("u",), shape=(5,)),
        matmul("c", "flat", rng.integers(-3, 4, (3, 5)).tolist()),
        ArgMax(name="argmax", inputs=("c",)),
    )
    graph = Graph("g", ops, "argmax")
    empty = graph.replace({"b": [replace(graph.op("b"), weight=np.zeros_like(second))]})
    cases = []
    for number, before in enumerate((graph, empty)):
        after = remove_dead_channels(before)
        images = rng.integers(0, 4, (6, 6, 6, 1))
        same(before, after, images)
        network = Network(after, Head.LABEL, 1, Port.RAW, number, images, lowered=True)
        cases.append(Case(network, accelerator(network, check_reference(network))))
    assert sizes(cases[0].network.imported)["t"] < 6 and sizes(cases[1].network.imported)["u"] == 1
    assert check_rtl(cases, tmp_path / "rtl", tmp_path / "runtime") == [None] * 2
