"""The builder: folding, sharing, pipelining, counting, printing."""

from __future__ import annotations

import itertools
import math
from random import Random

import pytest
from gates_bench import Pipeline, lint, prove, simulate, synthesized

from hwqnn.gates import delay
from hwqnn.gates.netlist import ONE, ZERO, Netlist

AND, XOR, NOT = 0b1000, 0b0110, 0b01


def test_folding():
    n = Netlist(math.inf)
    a, b, *_ = n.input("x_i", 4)
    assert n.lut(AND, [a, ZERO]) is ZERO and n.lut(AND, [a, ONE]) is a and n.lut(XOR, [a, a]) is ZERO
    assert n.lut(NOT, [n.lut(NOT, [a])]) is a
    assert n.lut(AND, [a, b]) is n.lut(AND, [b, a])
    assert n.lut(0b11001100, [a, b, b]) is b  # depends on its second input alone
    assert n.lut(AND, [a, n.lut(NOT, [b])]) is n.lut(0b0010, [a, b])
    both = n.lut2(AND, XOR, [a, b])
    assert both[0] is n.lut(AND, [a, b])


def test_only_what_is_used_counts():
    n = Netlist(math.inf)
    x = n.input("x_i", 8)
    n.lut(AND, x[:2])
    used, _ = n.lut2(0b10000000, 0b01101001, x[:3])
    sums, _ = n.carry([n.lut(XOR, x[i : i + 2], own=True) for i in range(6)], x[:6])
    n.output("sum_o", [used, sums[1]])
    assert (n.cells.lut, n.cells.ff, n.cells.carry4) == (3, 2, 1)


@pytest.mark.parametrize("ways", [1, 3, 7])
def test_registers_are_shared(ways):
    """A LUT's length of budget: a tree of n levels takes n stages, and each late input's chain of registers serves all its readers."""
    n = Netlist(delay.CLOCK_TO_OUT + delay.LUT)
    a, b, c = n.input("x_i", 3)
    deep = n.lut(AND, [n.lut(XOR, [a, b]), c])
    n.output("sum_o", [n.lut(table, [deep, c]) for table in (AND, 0b1110, XOR, 0b0001, 0b0111, 0b1001, 0b0010)[:ways]])
    assert n.depth == 3
    assert n.cells.ff == ways + 2 + 2  # outputs; the XOR and c; the AND and c once more


def random_netlist(seed, budget):
    """A netlist of random LUTs and chains, and Python that computes the same."""
    random = Random(seed)
    n = Netlist(budget)
    wires = n.input("x_i", 10)
    steps = []
    for _ in range(40):
        k = random.randint(1, 6)
        picked = [random.randrange(len(wires)) for _ in range(k)]
        match random.choice(("lut", "lut", "lut2", "carry")):
            case "lut":
                table = random.getrandbits(1 << k)
                wires.append(n.lut(table, [wires[i] for i in picked]))
                steps.append(lambda v, t=table, p=picked: [t >> sum(v[i] << j for j, i in enumerate(p)) & 1])
            case "lut2":
                picked = picked[:5]
                pair = [random.getrandbits(1 << len(picked)) for _ in range(2)]
                wires += n.lut2(*pair, [wires[i] for i in picked])
                steps.append(lambda v, t=pair, p=picked: [table >> sum(v[i] << j for j, i in enumerate(p)) & 1 for table in t])
            case "carry":
                variable = [i for i, wire in enumerate(wires) if wire.cell is not None]  # yosys takes chains of constants apart
                picked, di, cin = random.choices(variable, k=k), random.choices(variable, k=k), random.choice(variable)
                at = n.together([wires[i] for i in (*picked, *di, cin)], delay.LUT + delay.chain(k))
                sums, carries = n.carry([n.lut(0b10, [w], own=True) for w in at[:k]], at[k : 2 * k], at[-1])
                wires += [*sums, *carries]

                def chain(v, s=picked, d=di, c=cin):
                    carry, total, out = v[c], [], []
                    for i, j in zip(s, d, strict=True):
                        total.append(v[i] ^ carry)
                        carry = carry if v[i] else v[j]
                        out.append(carry)
                    return total + out

                steps.append(chain)
    n.output("sum_o", wires[-12:])

    def compute(x):
        values = [x >> i & 1 for i in range(10)]
        for step in steps:
            values += step(values)
        return sum(bit << i for i, bit in enumerate(values[-12:]))

    name = f"random_{seed}"
    return compute, n, Pipeline([(name, n.verilog(name, "  assign sum = '0;\n"))], [("x_i", 10)], 12, n.depth)


def test_random_netlists(tmp_path):
    cases = [random_netlist(seed, budget) for seed, budget in enumerate(itertools.islice(itertools.cycle((math.inf, 4.0, 1.6, 0.1)), 16))]
    for (compute, *_), steps in zip(cases, simulate(tmp_path, [case[2] for case in cases], "xc7", 150, seed=6), strict=True):
        for inputs, total in steps:
            assert total == compute(inputs["x_i"])


def test_yosys_counts_random_netlists(tmp_path):
    for seed, budget in ((1, math.inf), (2, 1.6), (3, 0.1)):
        _, n, pipeline = random_netlist(seed, budget)
        found = synthesized(tmp_path, pipeline)
        assert (found.lut, found.ff, found.carry4) == (n.cells.lut, n.cells.ff, n.cells.carry4)


def test_text_is_the_same_every_time():
    first, second = (random_netlist(3, 1.6)[2].texts for _ in range(2))
    assert first == second


def test_unused_inputs_pass_lint(tmp_path):
    n = Netlist(1.0)
    x = n.input("x_i", 4)
    n.output("sum_o", [n.lut(XOR, x[1:3]), ONE])
    pipeline = Pipeline([("part", n.verilog("part", "  assign sum = {1'b1, x_i[1] ^ x_i[2]};\n", "x_i[1] ^ x_i[2]"))], [("x_i", 4)], 2, n.depth)
    assert lint(tmp_path, pipeline, "xc7") == ""
    prove(tmp_path, pipeline)
