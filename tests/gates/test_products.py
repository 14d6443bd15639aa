"""Generated dot products against plain integer arithmetic: simulated in both forms, proven equal to each other, counted by yosys."""

from __future__ import annotations

import math
from random import Random

import pytest
from gates_bench import FORMS, lint, of, prove, simulate, synthesized
from rom_arithmetic import excess

from hwqnn.gates.delay import budget_ns
from hwqnn.gates.products import Lanes, fused, fused_cost, variable, variable_cost
from hwqnn.ir import Bipolar, Int, Ternary, UInt

B = Bipolar()


def kind(of_type):
    return 0 if isinstance(of_type, Bipolar) else 1 if isinstance(of_type, UInt) else 2


def number(code, of_type):
    """The value of a bit pattern."""
    if kind(of_type) == 0:
        return 2 * code - 1
    return code - (1 << of_type.bits) if kind(of_type) == 2 and code >> of_type.bits - 1 else code


def expected(lanes, x, w):
    """sum_o for the ports' values x_i and (of the whole weight word) w, element by element."""
    result = 0
    for p in range(lanes.pe):
        total = 0
        for s in range(lanes.simd):
            x_code = x >> ((s if lanes.shared else p * lanes.simd + s) * lanes.x_type.bits) & (1 << lanes.x_type.bits) - 1
            w_code = w >> ((p * lanes.simd + s) * lanes.w_type.bits) & (1 << lanes.w_type.bits) - 1
            if kind(lanes.x_type) == kind(lanes.w_type) == 0:
                total += x_code == w_code
            else:
                value = number(w_code, lanes.w_type)
                total += value * number(x_code, lanes.x_type)
                total += excess(kind(lanes.x_type), lanes.x_type.bits, kind(lanes.w_type), lanes.w_type.bits, value)
        result |= total % (1 << lanes.sum_bits) << p * lanes.sum_bits
    return result


SHAPES = [
    Lanes(2, 1, B, B, True, 1),
    Lanes(1, 5, B, B, True, 3),
    Lanes(3, 16, B, B, True, 5),
    Lanes(2, 64, B, B, True, 7),
    Lanes(3, 1, B, Int(4), False, 6),
    Lanes(4, 1, UInt(2), B, False, 2),
    Lanes(2, 9, UInt(2), Int(2), True, 8),
    Lanes(1, 20, Int(3), B, True, 9),
    Lanes(1, 7, B, Ternary(), True, 6),
    Lanes(2, 12, Int(4), Int(4), True, 7),
    Lanes(1, 6, UInt(3), UInt(2), True, 8),
]
BUDGETS = [math.inf, budget_ns(100), budget_ns(200), budget_ns(300), 0.5]


@pytest.mark.parametrize("form", FORMS)
def test_variable(form, tmp_path):
    cases = [(lanes, variable(lanes, BUDGETS[(i + shift) % 5])) for i, lanes in enumerate(SHAPES) for shift in ((0, 2) if i < 2 else (0,))]
    for (lanes, _), steps in zip(cases, simulate(tmp_path, [of(d) for _, d in cases], form, 60, seed=1), strict=True):
        for inputs, total in steps:
            assert total == expected(lanes, inputs["x_i"], inputs["w_i"]), lanes


ODD = Lanes(2, 24, UInt(2), Int(3), True, 9)


def odd_words(lanes, depth, random):
    """Weights whose lowest bit is always 1: a constant for the gates, while the heap is planned for bits that change."""
    always = sum(1 << i for i in range(0, lanes.pe * lanes.lane_w_bits, lanes.w_type.bits))
    return tuple(random.getrandbits(lanes.pe * lanes.lane_w_bits) | always for _ in range(depth))


@pytest.mark.parametrize("form", FORMS)
def test_fused(form, tmp_path):
    random = Random(5)
    cases, most = [], {}
    for i, lanes in enumerate(SHAPES):
        for depth in ((1, 9), (2, 8), (3, 32))[i % 3]:
            words = tuple(random.getrandbits(lanes.pe * lanes.lane_w_bits) for _ in range(depth))
            most[f"w_i{len(cases)}"] = depth
            cases.append((lanes, words, fused(lanes, words, BUDGETS[(i + depth) % 5])))
    for depth in (2, 8, 24):
        words = odd_words(ODD, depth, random)
        most[f"w_i{len(cases)}"] = depth
        cases.append((ODD, words, fused(ODD, words, budget_ns(100))))
    for (lanes, words, _), steps in zip(cases, simulate(tmp_path, [of(d) for *_, d in cases], form, 40, seed=2, limits=most), strict=True):
        for inputs, total in steps:
            assert total == expected(lanes, inputs["x_i"], words[inputs["w_i"]]), (lanes, len(words))


@pytest.mark.parametrize(
    "lanes", [Lanes(1, n, B, B, True, n.bit_length()) for n in (1, 2, 3, 5, 8, 14)] + [Lanes(1, 3, UInt(2), Int(2), True, 5)], ids=str
)
@pytest.mark.parametrize("mhz", [None, 300])
def test_forms_are_equal(lanes, mhz, tmp_path):
    prove(tmp_path, of(variable(lanes, budget_ns(mhz) if mhz else math.inf)))


@pytest.mark.parametrize("depth", [2, 4, 8, 16])  # every address has a word: past the last one the forms may differ
@pytest.mark.parametrize("lanes", [Lanes(2, 6, B, B, True, 3), Lanes(2, 3, UInt(2), Ternary(), False, 5)], ids=str)
def test_fused_forms_are_equal(lanes, depth, tmp_path):
    words = tuple(Random(depth).getrandbits(lanes.pe * lanes.lane_w_bits) for _ in range(depth))
    prove(tmp_path, of(fused(lanes, words, budget_ns(200))))


@pytest.mark.parametrize("lanes", [SHAPES[2], SHAPES[4], SHAPES[6], SHAPES[8]], ids=str)
def test_fused_cost_is_a_bound(lanes):
    """For random weights, and for such as leave little to do."""
    random = Random(3)
    for depth in (1, 2, 3, 4, 8, 9, 32):
        for budget in (math.inf, budget_ns(200)):
            most, cycles = fused_cost(lanes, depth, budget)
            bits = lanes.pe * lanes.lane_w_bits
            sparse = tuple(random.getrandbits(bits) & random.getrandbits(bits) & random.getrandbits(bits) for _ in range(depth))
            drawn = tuple(random.getrandbits(bits) for _ in range(depth))
            for words in (drawn, sparse, odd_words(lanes, depth, random), (0,) * depth, ((1 << bits) - 1,) * depth):
                made = fused(lanes, words, budget)
                assert made.depth >= cycles and (lanes.x_type != B or made.depth == cycles)
                assert made.cells.lut <= most.lut and made.cells.carry4 <= most.carry4


def test_fused_counts_are_exact(tmp_path):
    lanes = Lanes(3, 24, B, B, True, 5)
    for depth in (2, 4, 8, 12):
        datapath = fused(lanes, tuple(Random(i).getrandbits(72) for i in range(depth)), budget_ns(200))
        found = synthesized(tmp_path, of(datapath))
        assert (found.lut, found.ff, found.carry4) == (datapath.cells.lut, datapath.cells.ff, datapath.cells.carry4)


def test_fused_three_or_four_words_cost_less_than_weights_from_elsewhere():
    lanes = Lanes(1, 64, B, B, True, 7)
    assert fused_cost(lanes, 4, budget_ns(100))[0].lut < variable_cost(lanes, budget_ns(100))[0].lut


def test_names_follow_contents():
    lanes = Lanes(2, 9, B, B, True, 4)
    assert variable(lanes, 4.0) == variable(lanes, 4.0)
    assert variable(lanes, 4.0).module != variable(lanes, 1.5).module
    assert fused(lanes, (1, 2), 4.0).module != fused(lanes, (1, 3), 4.0).module


@pytest.mark.parametrize("mhz", [None, 100, 300])
@pytest.mark.parametrize("simd", [16, 64, 256])
def test_yosys_counts_the_same(simd, mhz, tmp_path):
    lanes = Lanes(2, simd, B, B, True, simd.bit_length())
    datapath = variable(lanes, budget_ns(mhz) if mhz else math.inf)
    found = synthesized(tmp_path, of(datapath))
    assert (found.lut, found.ff, found.carry4) == (datapath.cells.lut, datapath.cells.ff, datapath.cells.carry4)
    assert (datapath.cells, datapath.depth) == variable_cost(lanes, budget_ns(mhz) if mhz else math.inf)


@pytest.mark.parametrize(("simd", "most"), [(64, 68), (256, 263)])
def test_figures(simd, most):
    """The aims of the project, for agreements of that many bits."""
    for budget in (math.inf, budget_ns(100)):
        cells, _ = variable_cost(Lanes(1, simd, B, B, True, simd.bit_length()), budget)
        assert cells.lut <= most


def test_clock_decides_depth():
    depths = [variable_cost(Lanes(1, 64, B, B, True, 7), budget_ns(mhz))[1] for mhz in (100, 200, 300)]
    assert depths[0] < min(depths[1:])  # at 300 MHz no ternary links are left, and what is made of others may end sooner


@pytest.mark.parametrize("form", FORMS)
def test_lint(form, tmp_path):
    random = Random(1)
    lanes = Lanes(3, 7, Int(2), Ternary(), True, 6)
    for budget in (math.inf, 1.5):
        assert lint(tmp_path, of(variable(lanes, budget)), form) == ""
        assert lint(tmp_path, of(fused(lanes, tuple(random.getrandbits(42) for _ in range(5)), budget)), form) == ""
