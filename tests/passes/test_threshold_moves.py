"""Thresholds moved ahead of pools and merged: the network computes the same, and its thresholds are where they should be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import exact_model
import numpy as np
import pytest
from oracle import evaluate, random_geometry, threshold, values_of

from hwqnn.ir import (
    Add,
    BatchNorm,
    Bipolar,
    Conv,
    Geometry,
    Graph,
    Input,
    Int,
    MaxPool,
    Op,
    Requantize,
    Reshape,
    SignQuantizer,
    Threshold,
    Type,
    UInt,
    Upsample,
    exact,
)
from hwqnn.passes import Head, lower, merge_thresholds, thresholds_before_pools

KINDS: list[Type] = [Bipolar(), UInt(2), Int(3)]


def same(before: Graph, after: Graph, x: np.ndarray) -> None:
    for image in x.tolist():
        assert evaluate(after, image)[after.output] == evaluate(before, image)[before.output]


def pools(*ops: Op, output: str) -> tuple[Graph, np.ndarray]:
    entry = Input(name="x", inputs=(), type=Int(4), shape=(4, 5, 3))
    return Graph("g", (entry, *ops), output), values_of(np.random.default_rng(0), Int(4), (12, 4, 5, 3))


def pool(name: str, source: str, minimum: list[bool], geometry: Geometry | None = None) -> MaxPool:
    return MaxPool(name=name, inputs=(source,), geometry=geometry or Geometry((2, 2), (2, 2)), minimum=np.array(minimum))


def act(name: str, source: str, rows: int = 3, step: int = 1) -> Threshold:
    """Two levels; the first and last of three rows descend."""
    thresholds, descending = np.array([[-3, 2], [0, 1], [-8, 5]])[:rows], np.array([True, False, True])[:rows]
    return Threshold(name=name, inputs=(source,), thresholds=thresholds, descending=descending, base=-step, step=step, type=Int(2))


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("minimum", [[False], [True], [False, False, True]], ids=str)
@pytest.mark.parametrize("rows", [1, 3])
def test_pool(minimum: list[bool], rows: int, step: int) -> None:
    before, x = pools(pool("p", "x", minimum), act("t", "p", rows, step), Upsample(name="u", inputs=("t",), factor=(1, 2)), output="u")
    after = thresholds_before_pools(before)
    assert [op.name for op in after.ops] == ["x", "t", "p", "u"]
    assert [op.inputs for op in after.ops[1:]] == [("x",), ("t",), ("p",)]
    same(before, after, x)


@pytest.mark.parametrize("seed", range(20))
def test_random_pools(seed: int) -> None:
    """Padding, overlaps and dilation; random levels and directions, on a pool that is the output."""
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng, 4, 5)
    if not all(inside.any(axis=1).all() for inside in geometry.inside(4, 5)):
        geometry = Geometry((2, 3), (1, 2), (1, 0, 0, 1))
    x = np.arange(-8, 8).repeat(3).reshape(-1, 3)
    t = threshold(rng, "t", "p", x, KINDS[seed % 3], int(rng.choice([1, 3])))
    before, x = pools(pool("p", "x", (rng.random(3) < 0.5).tolist(), geometry), t, output="t")
    after = thresholds_before_pools(before)
    assert after.output == "p" and isinstance(after.ops[1], Threshold)
    same(before, after, x)


def test_past_several_ops_at_once() -> None:
    flat = Reshape(name="r", inputs=("u",), shape=(2, 8, 3))
    up = Upsample(name="u", inputs=("q",), factor=(2, 2))
    ops = (pool("p", "x", [False]), pool("q", "p", [True, False, True], Geometry((1, 1))), up, flat, act("t", "r"))
    before, x = pools(*ops, output="t")
    after = thresholds_before_pools(before)
    assert [op.name for op in after.ops] == ["x", "t", "p", "q", "u", "r"]
    same(before, after, x)


def test_what_stays() -> None:
    """A pool that something else reads, and thresholds that differ from pixel to pixel."""
    shared, _ = pools(pool("p", "x", [False]), act("t", "p"), Add(name="sum", inputs=("t", "p")), output="sum")
    assert thresholds_before_pools(shared) is shared
    each = replace(act("t", "r"), thresholds=np.arange(60)[:, None], descending=np.zeros(60, bool))
    flat, _ = pools(Reshape(name="r", inputs=("x",), shape=(60,)), each, output="t")
    assert thresholds_before_pools(flat) is flat


@pytest.mark.parametrize("seed", range(60))
def test_merged(seed: int) -> None:
    """Every value through random pairs of step functions: rising and falling, with codes out of reach, one row or many."""
    rng = np.random.default_rng(seed)
    x = np.arange(-8, 8).repeat(3).reshape(1, -1, 3)
    entry = Input(name="x", inputs=(), type=Int(4), shape=x.shape)
    first = threshold(rng, "a", "x", x.reshape(-1, 3), [UInt(2), Int(3), Int(2)][seed % 3], int(rng.choice([1, 3])))
    codes = np.array([first.base, first.base + first.step * first.levels]).repeat(3).reshape(2, 3)
    second = threshold(rng, "b", "a", codes, KINDS[seed % 2], int(rng.choice([1, 3])))
    before = Graph("g", (entry, first, second), "b")
    after = merge_thresholds(before)
    assert [op.name for op in after.ops] == ["x", "b"]
    same(before, after, x[None])


def test_merged_no_further() -> None:
    """Three in a row become one; but not past a second reader, nor where more levels would be needed."""
    entry = Input(name="x", inputs=(), type=Int(4), shape=(2, 8, 3))
    chain = Graph("g", (entry, act("a", "x"), act("b", "a", 1), act("c", "b")), "c")
    assert [op.name for op in merge_thresholds(chain).ops] == ["x", "c"]
    same(chain, merge_thresholds(chain), np.arange(-8, 8).repeat(3).reshape(1, 2, 8, 3))
    forked = Graph("g", (entry, act("a", "x"), act("b", "a", 1), Add(name="sum", inputs=("a", "b"))), "sum")
    assert merge_thresholds(forked) is forked
    fine = replace(act("b", "a", 1), thresholds=np.array([[-1, 0, 1]]), base=0, type=UInt(2))
    wider = Graph("g", (entry, act("a", "x"), fine), "b")
    assert merge_thresholds(wider) is wider


@pytest.mark.parametrize("gamma", [1, -1])
def test_pool_before_batch_norm(gamma: int) -> None:
    """Courbariaux' order, conv, pool, batch norm, sign: lowered, the threshold meets its product and nothing descends."""
    rng = np.random.default_rng(1)
    weight = values_of(rng, Bipolar(), (4, 2, 2, 3))
    norm = BatchNorm(exact([gamma, -1, 1, -gamma]), exact([0, 1, 0, 0]), exact([1, 0, -2, 3]), exact([2, 3, 5, 7]))
    imported = Graph(
        "g",
        (
            Input(name="x", inputs=(), type=Bipolar(), shape=(5, 5, 3)),
            Conv(name="c", inputs=("x",), weight=weight, weight_type=Bipolar(), geometry=Geometry((2, 2), padding=(1, 0, 1, 0)), groups=1),
            pool("p", "c", [False]),
            Requantize(name="act", inputs=("p",), chain=(norm,), quantizer=SignQuantizer(Fraction(1))),
        ),
        "act",
    )
    graph = lower(imported, Head.SCORES)
    assert [op.kind for op in graph.ops] == ["Input", "Conv", "Threshold", "MaxPool"]
    assert not graph.op("act").descending.any() and graph.op("p").minimum.any()
    for x in values_of(rng, Bipolar(), (20, 75)).tolist():
        assert exact_model.evaluate(graph, x) == exact_model.evaluate(imported, x)
