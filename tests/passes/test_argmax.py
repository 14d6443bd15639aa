"""The integer scores order the classes as their exact reals do, for all pairs of reachable values, ties included."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product

import exact_model
import numpy as np
import pytest
from exact_model import Real

from hwqnn.errors import GraphError, UnsupportedError
from hwqnn.ir import Affine, ArgMax, BatchNorm, ChannelAffine, Clamp, Conv, Geometry, Graph, Input, Int, MatMul, Piece, UInt, exact
from hwqnn.passes import append_argmax
from hwqnn.passes.argmax import integer_scores
from hwqnn.passes.surd import Surd


def compare_all_pairs(lines: list[tuple[Real, Real]], surds: list[tuple[Surd, Surd]], lo: list[int], hi: list[int]) -> int:
    """Fails unless every two values of every two classes compare alike; how many pairs of values tie."""
    mul, add = integer_scores(surds, np.array(lo), np.array(hi))
    ties = 0
    values = [[(a * x + b, int(m) * x + int(n)) for x in range(s, t + 1)] for (a, b), m, n, s, t in zip(lines, mul, add, lo, hi, strict=True)]
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            for (real, integer), (other_real, other_integer) in product(values[i], values[j]):
                side = (real - other_real).sign()
                assert (side >= 0) == (integer >= other_integer), (i, j, side, integer, other_integer)
                ties += side == 0
    return ties


def root(coefficient: Fraction, radicand: Fraction) -> tuple[Real, Surd]:
    return Real([(coefficient, radicand)]), Surd(coefficient) * Surd.sqrt(radicand)


def lines_of(numbers: list[tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]]) -> tuple[list[tuple[Real, Real]], list[tuple[Surd, Surd]]]:
    """((slope coefficient, slope radicand), (offset ...)) to lines in both number systems."""
    pairs = [(root(*slope), root(*offset)) for slope, offset in numbers]
    return [(a[0], b[0]) for a, b in pairs], [(a[1], b[1]) for a, b in pairs]


F = Fraction
ONE = F(1)
CASES = {
    "thirds tie, and are no binary fractions": [
        ((F(1, 3), ONE), (F(0), ONE)),
        ((ONE, ONE), (F(0), ONE)),
        ((F(5, 7), ONE), (F(1, 3), ONE)),
    ],
    "negative and zero slopes": [
        ((F(-2), ONE), (F(1), ONE)),
        ((F(0), ONE), (F(5), ONE)),
        ((F(3, 2), ONE), (F(-1), ONE)),
        ((F(0), ONE), (F(5), ONE)),
    ],
    "only zero slopes": [
        ((F(0), ONE), (F(1, 1000), ONE)),
        ((F(0), ONE), (F(1, 999), ONE)),
        ((F(0), ONE), (F(1, 999), ONE)),
    ],
    "dependent roots tie": [
        ((ONE, F(2)), (F(0), ONE)),
        ((ONE, F(8)), (F(0), ONE)),
        ((F(-1, 3), F(18)), (F(2), F(2))),
    ],
    "independent roots": [
        ((ONE, F(2)), (F(0), ONE)),
        ((ONE, F(3)), (F(1, 2), ONE)),
        ((F(-1), F(5)), (F(1), F(7))),
    ],
    "tie in one point only": [((ONE, F(2)), (F(3), ONE)), ((F(-1), F(3)), (F(3), ONE))],
    "different sizes": [
        ((F(1, 10**6), F(2)), (F(0), ONE)),
        ((F(1), F(3)), (F(0), ONE)),
        ((F(10**3), ONE), (F(1, 10**6), ONE)),
    ],
    "zero slopes between rising ones": [
        ((F(0), ONE), (F(2), F(2))),
        ((ONE, F(2)), (F(0), ONE)),
        ((-ONE, F(2)), (F(0), ONE)),
    ],
    "offset out of reach": [
        ((ONE, F(2)), (F(10**9), ONE)),
        ((ONE, F(3)), (F(0), ONE)),
        ((F(0), ONE), (F(-(10**9)), ONE)),
    ],
}
TYING = ("thirds", "negative", "only zero", "dependent", "tie in one", "different sizes", "zero slopes between")


@pytest.mark.parametrize("name", CASES)
def test_all_pairs(name: str) -> None:
    lines, surds = lines_of(CASES[name])
    lo, hi = [-15] * len(lines), [14 + i for i in range(len(lines))]
    ties = compare_all_pairs(lines, surds, lo, hi)
    assert (ties > 0) == name.startswith(TYING)


@pytest.mark.parametrize("seed", range(40))
def test_random_lines(seed: int) -> None:
    rng = random.Random(seed)
    radicands = [ONE] if seed % 2 else [ONE, F(2), F(8), F(3)]
    numbers = [tuple((F(rng.randint(-6, 6), rng.choice([1, 2, 4, 3, 7])), rng.choice(radicands)) for _ in range(2)) for _ in range(rng.randint(2, 4))]
    lines, surds = lines_of(numbers)
    lo = [rng.randint(-12, 0) for _ in lines]
    try:
        compare_all_pairs(lines, surds, lo, [least + rng.randint(0, 14) for least in lo])
    except UnsupportedError:
        assert seed % 2 == 0, "rational scales always have integers of the same order"


def graph_of(weight: np.ndarray, meaning: tuple[Piece, ...]) -> Graph:
    ops = (Input(name="x", inputs=(), type=UInt(2), shape=(weight.shape[1],)), MatMul(name="fc", inputs=("x",), weight=weight, weight_type=Int(3)))
    return Graph("g", ops, "fc", meaning)


WEIGHT = np.array([[1, -1, 2], [1, 1, -1], [0, 2, 1], [-1, 3, 0]])
NORM = BatchNorm(exact([1, -1, 0, 2]), exact([0, 1, 2, 0]), exact([1, 0, 0, F(1, 2)]), exact([2, 8, 3, 2]))


@pytest.mark.parametrize(
    ("meaning", "kinds"),
    [
        ((), [ArgMax]),
        ((Affine(exact([F(1, 7)]), exact([F(3)])),), [ArgMax]),
        ((Affine(exact([F(1, 7)] * 4), exact([F(3)] * 4)),), [ArgMax]),
        ((BatchNorm(exact([F(1, 7)]), exact([1]), exact([2]), exact([3])),), [ArgMax]),
        ((Affine(exact([F(-1, 7)]), exact([F(3)])),), [ChannelAffine, ArgMax]),
        ((Affine(exact([0]), exact([F(3)])),), [ChannelAffine, ArgMax]),
        ((Affine(exact([1]), exact([0, 1, F(1, 2), 0])),), [ChannelAffine, ArgMax]),
        ((Affine(exact([1, F(1, 3), F(1, 5), 2]), exact([0])),), [ChannelAffine, ArgMax]),
        ((NORM,), [ChannelAffine, ArgMax]),
        ((NORM, Affine(exact([-2]), exact([1]))), [ChannelAffine, ArgMax]),
    ],
)
def test_labels_of_every_input(meaning: tuple[Piece, ...], kinds: list[type]) -> None:
    before = graph_of(WEIGHT, meaning)
    graph = append_argmax(before)
    assert [type(op) for op in graph.ops[2:]] == kinds
    assert graph.meaning == ()
    for x in product(range(4), repeat=3):
        assert exact_model.evaluate(graph, x) == [exact_model.label(before, x)]


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("meaning", [(), (NORM,), (Affine(exact([-1]), exact([0])),)], ids=["itself", "norm", "negated"])
def test_the_k_best_of_every_pixel(meaning: tuple[Piece, ...], k: int) -> None:
    conv = Conv(name="c", inputs=("x",), weight=WEIGHT[:, None, None], weight_type=Int(3), geometry=Geometry((1, 1)), groups=1)
    before = Graph("g", (Input(name="x", inputs=(), type=UInt(2), shape=(2, 32, 3)), conv), "c", meaning)
    graph = append_argmax(before, k)
    assert graph.edges[graph.output].shape == (2, 32, k)
    every = [v for pixel in product(range(4), repeat=3) for v in pixel]  # 64 pixels
    assert exact_model.evaluate(graph, every) == exact_model.labels(before, every, k)


def test_refusals() -> None:
    with pytest.raises(UnsupportedError, match="unquantized clamp"):
        append_argmax(graph_of(WEIGHT, (Clamp(F(0), None),)))
    with pytest.raises(GraphError, match="the 5 greatest of 4 channels"):
        append_argmax(graph_of(WEIGHT, ()), 5)
    # class 0 beats class 1 at 0 by next to nothing, and class 1 is no rational multiple of it
    lines = [(Surd(F(1, 10**20)), Surd(0)), (Surd.sqrt(F(2)), Surd(0))]
    with pytest.raises(UnsupportedError, match="40 fraction bits"):
        integer_scores(lines, np.array([-9] * 2), np.array([9] * 2))
