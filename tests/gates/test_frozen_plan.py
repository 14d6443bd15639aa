"""Plans of linear forms against the matrices that they are made from."""

from itertools import pairwise

import numpy as np
import pytest

from hwqnn.gates.frozen_plan import digits, plan


def run(made, x):
    """The rows' values, number by number; every number must stay within what the plan says of it."""
    values = list(x)
    for made_sum in made.sums:
        values.append(made_sum.offset + sum(c * values[number] for c, number in made_sum.terms))
        assert 0 <= values[-1] <= made_sum.most
    return [constant + sum(c * values[number] for c, number in terms) for terms, constant in made.rows]


MATRICES = {
    "bipolar": lambda random, rows, columns: random.choice([-1, 1], (rows, columns)),
    "ternary": lambda random, rows, columns: random.integers(-1, 2, (rows, columns)),
    "pruned": lambda random, rows, columns: random.choice([-1, 0, 0, 0, 1], (rows, columns)),
    "bits": lambda random, rows, columns: random.integers(-100, 101, (rows, columns)),
    "repeated": lambda random, rows, columns: random.choice([-1, 1], (rows, 3))[:, random.integers(0, 3, columns)],
    "zero": lambda random, rows, columns: np.zeros((rows, columns), dtype=np.int64),
}


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 20), (2, 2), (5, 9), (13, 40), (10, 3)], ids=str)
def test_plan(kind, shape):
    random = np.random.default_rng(1)
    matrix = MATRICES[kind](random, *shape)
    most = random.choice([1, 3, 255], shape[1])
    made = plan(matrix, most.tolist())
    for x in [np.zeros_like(most), most, *random.integers(0, most + 1, (20, shape[1]))]:
        assert run(made, x.tolist()) == (matrix @ x).tolist()


def test_digits():
    for value in range(-300, 301):
        found = digits(value)
        powers = sorted(abs(digit) for digit in found)
        assert sum(found) == value and all(power & power - 1 == 0 for power in powers)
        assert all(b >= 4 * a for a, b in pairwise(powers))


def test_nothing_is_done_twice():
    """Equal rows and equal columns, up to sign, cost nothing more; nor do zeros."""
    random = np.random.default_rng(2)
    matrix = random.choice([-1, 1], (3, 5))
    alone = plan(matrix, [1] * 5)
    repeated = plan(np.vstack([matrix, -matrix]), [1] * 5)
    padded = plan(np.hstack([matrix, np.zeros((3, 4), dtype=np.int64)]), [1] * 9)
    assert len(repeated.sums) <= len(alone.sums) + 3 and len(padded.sums) == len(alone.sums)
