"""Argmaxes in the midst of a network, and ops that are equal."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import UnsupportedError
from hwqnn.ir import (
    Affine,
    ArgMax,
    BatchNorm,
    ChannelAffine,
    Clamp,
    Concat,
    Decide,
    Graph,
    Input,
    Int,
    MatMul,
    Op,
    Piece,
    Threshold,
    UInt,
    Vote,
    exact,
)
from hwqnn.passes import lower, lower_decisions, share_equal_ops

X = Input(name="x", inputs=(), type=UInt(2), shape=(3,))
WEIGHT = np.array([[1, -1, 2], [1, 1, -1], [0, 2, 1], [-1, 3, 0]])
NORM = BatchNorm(exact([1, -1, 0, 2]), exact([0, 1, 2, 0]), exact([1, 0, 0, Fraction(1, 2)]), exact([2, 8, 3, 2]))


def product_of(weight: np.ndarray, name: str = "fc") -> MatMul:
    return MatMul(name=name, inputs=("x",), weight=weight, weight_type=Int(3))


def elected(*chains: tuple[Piece, ...]) -> Graph:
    """Members with these chains behind their products, and a vote."""
    ops: list[Op] = [X]
    for i, chain in enumerate(chains):
        ops += [product_of(np.roll(WEIGHT, i, axis=1), f"fc{i}"), Decide(name=f"label{i}", inputs=(f"fc{i}",), chain=chain)]
        if i:
            ops.append(Concat(name=f"labels{i}", inputs=(f"labels{i - 1}" if i > 1 else "label0", f"label{i}")))
    return Graph("g", (*ops, Vote(name="vote", inputs=(ops[-1].name,), weight=np.arange(len(chains)) + 1, classes=4)), "vote")


@pytest.mark.parametrize(
    ("chains", "kinds"),
    [
        (((),), [ArgMax]),
        (((Affine(exact([Fraction(1, 7)]), exact([3])),), (NORM,)), [ArgMax, ChannelAffine, ArgMax]),
        (((NORM, Affine(exact([-2]), exact([1]))), (), (Affine(exact([-1]), exact([0])),)), [ChannelAffine, ArgMax, ArgMax, ChannelAffine, ArgMax]),
    ],
)
def test_every_input(chains: tuple[tuple[Piece, ...], ...], kinds: list[type]) -> None:
    """The label and the votes are those of the members' reals, in exact arithmetic."""
    before = elected(*chains)
    graph = lower(before)
    assert [type(op) for op in graph.ops if isinstance(op, ArgMax | ChannelAffine)] == [*kinds, ArgMax]
    for x in product(range(4), repeat=3):
        exact_values = exact_model.trace(before, x)
        values = exact_model.trace(graph, x)
        assert {name: values[name] for name in ("label0", "vote")} == {name: exact_values[name] for name in ("label0", "vote")}
        assert values[graph.output] == [exact_model.label(before, x)]


def test_a_decision_behind_a_clamp() -> None:
    with pytest.raises(UnsupportedError, match="after 'fc0' ends in an unquantized clamp"):
        lower_decisions(elected((Clamp(Fraction(0), None),)))


def signs(name: str, source: str, thresholds: list[list[int]]) -> Threshold:
    table = np.array(thresholds)
    return Threshold(name=name, inputs=(source,), thresholds=table, descending=np.zeros(len(table), bool), base=0, step=1, type=UInt(1))


def test_equal_ops_are_one() -> None:
    """Also those that become equal when their inputs do; whoever read the others reads the first."""
    first, same, other = (signs(name, "x", t) for name, t in (("a", [[1]]), ("b", [[1]]), ("c", [[2]])))
    sums = [replace(product_of(WEIGHT, f"fc_{source}"), inputs=(source,)) for source in "abc"]
    ops = (X, first, same, other, *sums, Concat(name="j", inputs=("fc_a", "fc_b")), Concat(name="k", inputs=("j", "fc_c")))
    graph = Graph("g", ops, "k")
    shared = share_equal_ops(graph)
    assert [op.name for op in shared.ops] == ["x", "a", "c", "fc_a", "fc_c", "j", "k"]
    assert shared.op("j").inputs == ("fc_a", "fc_a")
    for x in product(range(4), repeat=3):
        assert exact_model.evaluate(shared, x) == exact_model.evaluate(graph, x)


def test_unequal_ops_stay() -> None:
    """Another weight, another input, another type of the weights."""
    wide = replace(product_of(WEIGHT, "wide"), weight_type=Int(4))
    negated, rolled = product_of(-WEIGHT, "negated"), product_of(np.roll(WEIGHT, 1, axis=0), "rolled")
    many = signs("many", "x", [[1], [2], [3]])
    joined = [Concat(name=f"j{i}", inputs=pair) for i, pair in enumerate([("fc", "wide"), ("j0", "negated"), ("j1", "rolled"), ("j2", "many")])]
    graph = Graph("g", (X, product_of(WEIGHT), wide, negated, rolled, many, *joined), "j3")
    assert [op.name for op in share_equal_ops(graph).ops] == [op.name for op in graph.ops]
