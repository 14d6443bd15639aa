"""The ops of ensembles: their type rules, and the reference of votes against counting them one by one."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import GraphError
from hwqnn.ir import Graph, Input, Int, Type, UInt, Vote
from hwqnn.reference import Executor


def ballot(weight: list[int], classes: int, of: Type | None = None, shape: tuple[int, ...] = (3,)) -> Graph:
    entry = Input(name="x", inputs=(), type=of or UInt(2), shape=shape)
    return Graph("g", (entry, Vote(name="v", inputs=("x",), weight=np.array(weight), classes=classes)), "v")


@pytest.mark.parametrize("weight", [[1, 1, 1], [3, 2, 2], [0, 5, 1]])
@pytest.mark.parametrize("classes", [1, 3, 4])
def test_every_vote(weight: list[int], classes: int) -> None:
    graph = ballot(weight, classes)
    assert str(graph.edges["v"].type) == f"uint{sum(weight).bit_length()}"
    every = np.array(list(product(range(4), repeat=3)))
    votes = Executor(graph, threads=1).run(every).tolist()
    assert votes == [exact_model.evaluate(graph, x) for x in every.tolist()]
    assert [sum(v) for v in votes] == [sum(w for w, label in zip(weight, x, strict=True) if label < classes) for x in every.tolist()]


def test_votes_of_pixels() -> None:
    graph = ballot([2, 1, 1], 4, shape=(2, 5, 3))
    assert graph.edges["v"].shape == (2, 5, 4)
    x = np.random.default_rng(0).integers(0, 4, (20, 2, 5, 3))
    assert Executor(graph, threads=1).run(x).reshape(20, -1).tolist() == [exact_model.evaluate(graph, image.reshape(-1).tolist()) for image in x]


def test_votes_that_need_many_bits() -> None:
    graph = ballot([2**40, 1, 2**40], 2)
    assert Executor(graph, threads=1).run(np.array([[1, 0, 1]])).tolist() == [[1, 2**41]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ballot([1, 1], 3), "Vote 'v': weights of shape (2,) do not fit 3 labels"),
        (lambda: ballot([1, -1, 1], 3), "Vote 'v': weights [1, -1, 1]: none may be negative"),
        (lambda: ballot([0, 0, 0], 3), "one must be above 0"),
        (lambda: ballot([1, 1, 1], 5), "Vote 'v': labels of 5 classes on an input of type uint2"),
        (lambda: ballot([1, 1, 1], 0), "labels of 0 classes"),
        (lambda: ballot([1, 1, 1], 2, Int(3)), "on an input of type int3"),
    ],
)
def test_refusals(make: Callable[[], Graph], message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        make()
