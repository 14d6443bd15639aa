"""Heaps of bits of any weights and signs against integer sums: simulated, and proven for every input."""

from __future__ import annotations

import math
from random import Random

import pytest
from gates_bench import FORMS, Pipeline, prove, simulate

from hwqnn.gates.cells import Carry
from hwqnn.gates.delay import budget_ns
from hwqnn.gates.heap import BitHeap
from hwqnn.gates.netlist import ONE, ZERO, Netlist
from hwqnn.gates.plan import Limits, limits, plan


def heap(weights, constant, bits, budget):
    """The sum of weights[i] * x_i[i] and the constant, as a pipeline and as portable text."""
    n = Netlist(budget)
    made = BitHeap(n)
    for wire, weight in zip(n.input("x_i", len(weights)), weights, strict=True):
        column = abs(weight).bit_length() - 1
        (made.subtract if weight < 0 else made.add)(column, wire)
    made.add_constant(constant)
    n.output("sum_o", made.sum(bits))
    terms = "".join(f" {'-' if weight < 0 else '+'} ({bits + 16}'(x_i[{i}]) << {abs(weight).bit_length() - 1})" for i, weight in enumerate(weights))
    name = f"heap_{abs(hash((tuple(weights), constant, bits, budget)))}"
    signed = f"{'-' if constant < 0 else ''}{bits + 16}'d{abs(constant)}"
    text = n.verilog(name, f"  assign sum = {bits}'({signed}{terms});\n", f"{weights} and {constant}")
    return Pipeline([(name, text)], [("x_i", len(weights))], bits, n.depth)


def shapes(count, seed):
    random = Random(seed)
    for _ in range(count):
        columns = random.randint(1, 6)
        weights = [random.choice((1, -1)) << c for c in range(columns) for _ in range(random.randint(0, 9))] or [1]
        yield weights, random.randint(-99, 99), random.randint(1, columns + 4), random.choice((math.inf, *map(budget_ns, (100, 200, 300, 900))))


@pytest.mark.parametrize("form", FORMS)
def test_random_heaps(form, tmp_path):
    cases = list(shapes(25, 4))
    for (weights, constant, bits, _), steps in zip(cases, simulate(tmp_path, [heap(*case) for case in cases], form, 60, seed=3), strict=True):
        for inputs, total in steps:
            assert total == (constant + sum(weight * (inputs["x_i"] >> i & 1) for i, weight in enumerate(weights))) % (1 << bits)


# the top columns of some wrap; of some there is nothing to add
@pytest.mark.parametrize(
    ("weights", "constant", "bits"),
    [
        ([1], 0, 1),
        ([1], 1, 3),
        ([1, 1], 0, 1),
        ([4, -4], 3, 5),
        ([1] * 7, 0, 3),
        ([1] * 20, 0, 5),
        ([-1] * 9 + [2] * 4, -5, 6),
        ([1] * 9 + [2] * 4 + [4] * 3, 0, 5),
        ([8] * 6 + [-8] * 6, 77, 6),
        ([1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8], 0, 6),
    ],
)
@pytest.mark.parametrize("mhz", [None, 300])
def test_proofs(weights, constant, bits, mhz, tmp_path):
    prove(tmp_path, heap(weights, constant, bits, budget_ns(mhz) if mhz else math.inf))


@pytest.mark.parametrize("limit", [Limits(64, 64), Limits(4, 21), Limits(0, 3), Limits(0, 2)])
def test_plans_end(limit):
    """Every counter finds the bits that it takes, and at most one is left in a column."""
    random = Random(7)
    for _ in range(25):
        heights = [random.randint(0, 30) for _ in range(random.randint(1, 9))]
        total = len(heights)
        left = list(heights)
        n = Netlist(math.inf)
        wires = n.input("x_i", 9)
        given: list[int] = []

        def take(column, most, left=left, wires=wires):
            assert left[column] >= most
            left[column] -= most
            return wires[:most]

        def give(column, wire, given=given):
            if wire is not ZERO:
                given.append(column)

        for counter in plan(tuple(heights), limit):
            given.clear()
            counter.build(n, take, give)
            for column in given:
                if column < total:
                    left[column] += 1
        assert max(left) <= 1


def test_chains_fit_their_stage():
    """No operation of a heap ends later than the budget allows, down to a LUT and a short chain."""
    for mhz in (100, 200, 300):
        n = Netlist(budget_ns(mhz))
        made = BitHeap(n)
        for wire in n.input("x_i", 90):
            made.add(wire.index % 3, wire)
        n.output("sum_o", made.sum(9))
        assert max(wire.time for cell, _ in n._live() for wire in cell.needs({0})) <= n.budget_ns
        assert limits(n.budget_ns).binary >= 3


def test_constants_cost_nothing():
    n = Netlist(math.inf)
    made = BitHeap(n)
    made.add(2, ONE)
    made.add(0, ZERO)
    made.add_constant(-3)
    made.add(1, n.input("x_i", 1)[0])
    n.output("sum_o", made.sum(4))
    assert n.cells.lut <= 1 and n.cells.carry4 == 0


def chains(n):
    """The carry chains that a netlist keeps."""
    return [cell for cell, _ in n._live() if isinstance(cell, Carry)]


def fits_a_slice(chain):
    """Whether pin AX has one use at most (UG474): a carry in that is no constant, or a first DI that is not the first LUT's own O5."""
    return chain.cin.cell is None or chain.di[0].cell in (None, chain.s[0].cell)


@pytest.mark.parametrize("mhz", [None, 100, 200, 300])
@pytest.mark.parametrize("bits", [7, 23, 64, 200])
def test_chains_fit_slices(bits, mhz):
    """A carry in and a first DI from outside want the same pin of a slice."""
    n = Netlist(budget_ns(mhz) if mhz else math.inf)
    made = BitHeap(n)
    for i, wire in enumerate(n.input("x_i", bits)):
        made.add(i % 3, wire)
    n.output("sum_o", made.sum(bits.bit_length() + 2))
    found = chains(n)
    assert found or bits < 8
    assert all(fits_a_slice(chain) for chain in found)
    assert mhz != 100 or bits < 64 or any(chain.cin.cell is not None for chain in found)  # or there was nothing to see
