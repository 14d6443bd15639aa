"""Counted votes against plain integer arithmetic: simulated in both forms, proven equal to each other, counted by yosys."""

import math
from random import Random

import pytest
from gates_bench import FORMS, lint, of, prove, simulate, synthesized

from hwqnn.gates.delay import budget_ns
from hwqnn.gates.votes import Count, votes


def make(members, most, label_bits, lanes, fold, seed=0):
    random = Random(f"{members} {most} {label_bits} {lanes} {fold} {seed}")
    weights = tuple(random.randint(0 if k else 1, most) for k in range(members))
    return Count(weights, label_bits, lanes, fold, sum(weights).bit_length())


def expected(count, x, w):
    """sum_o for the values of x_i and w_i."""
    result = 0
    for p in range(count.lanes):
        labels = [x >> m * count.label_bits & (1 << count.label_bits) - 1 for m in range(len(count.weights))]
        result |= sum(c for c, label in zip(count.weights, labels, strict=True) if label == w * count.lanes + p) << p * count.sum_bits
    return result


SHAPES = [
    (1, 1, 1, 1, 1),
    (1, 1, 1, 1, 2),
    (3, 1, 1, 2, 1),
    (5, 7, 4, 1, 10),
    (8, 1, 4, 10, 1),
    (8, 10, 4, 5, 2),
    (9, 3, 4, 2, 5),
    (12, 1, 7, 4, 18),
    (4, 5, 8, 2, 100),
    (20, 1, 3, 5, 1),
    (6, 1, 9, 1, 300),
    (6, 3, 8, 130, 1),
]
BUDGETS = [math.inf, budget_ns(100), budget_ns(200), budget_ns(300)]


@pytest.mark.parametrize("form", FORMS)
def test_votes(form, tmp_path):
    cases = [(made := make(*shape), votes(made, BUDGETS[(i + i // 4) % 4])) for i, shape in enumerate(SHAPES)]
    limits = {f"w_i{k}": count.fold for k, (count, _) in enumerate(cases)}
    found = simulate(tmp_path, [of(datapath) for _, datapath in cases], form, 60, seed=5, limits=limits)
    for (count, _), steps in zip(cases, found, strict=True):
        for inputs, outputs in steps:
            assert outputs == expected(count, inputs["x_i"], inputs["w_i"]), count


@pytest.mark.parametrize("shape", [(3, 3, 3, 2, 4), (5, 1, 4, 1, 16), (2, 2, 4, 10, 1), (4, 5, 2, 3, 1)], ids=str)
@pytest.mark.parametrize("budget", [math.inf, budget_ns(300)])
def test_forms_are_equal(shape, budget, tmp_path):
    prove(tmp_path, of(votes(make(*shape), budget)))


@pytest.mark.parametrize("shape", [(8, 10, 4, 5, 2), (8, 1, 4, 10, 1), (4, 5, 7, 2, 50)], ids=str)
def test_yosys_counts_the_same(shape, tmp_path):
    datapath = votes(make(*shape), budget_ns(200))
    found = synthesized(tmp_path, of(datapath))
    assert (found.lut, found.ff, found.carry4) == (datapath.cells.lut, datapath.cells.ff, datapath.cells.carry4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_lint(shape, form, tmp_path):
    assert lint(tmp_path, of(votes(make(*shape), budget_ns(200))), form) == ""
