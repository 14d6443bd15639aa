"""Layers with weights as logic against plain integer arithmetic: simulated in both forms, proven equal to each other, counted by yosys."""

import math
from dataclasses import replace
from random import Random

import pytest
from gates_bench import FORMS, lint, of, prove, simulate, synthesized

from hwqnn.gates.delay import budget_ns
from hwqnn.gates.frozen import Forms, estimate, frozen

BIPOLAR, UNSIGNED, SIGNED = range(3)
WEIGHTS = {"bipolar": (-1, 1), "ternary": (-1, 0, 1), "pruned": (-1, 0, 0, 0, 1), "few bits": range(-7, 8), "zero": (0,)}


def make(outputs, inputs, kind, x_bits, weights, levels, classes, seed=0):
    """Forms with random weights, thresholds and constants."""
    random = Random(f"{outputs} {inputs} {kind} {x_bits} {weights} {levels} {classes} {seed}")
    lowest, step = ((-1, 2), (0, 1), (-(1 << x_bits - 1), 1))[kind]
    rows = [random.choices(WEIGHTS[weights], k=inputs) for _ in range(outputs)]
    spread = [2 + sum(map(abs, row)) * (1 << x_bits) // 2 for row in rows]
    codes = random.sample(range(1 << levels.bit_length()), levels + 1) if levels else [0]
    return Forms(
        weights=tuple(map(tuple, rows)),
        x_bits=x_bits,
        lowest=lowest,
        step=step,
        signed=kind == SIGNED,
        constants=tuple(tuple(random.randint(-4, 4) * (classes > 1) for _ in rows) for _ in range(classes)),
        thresholds=tuple(tuple(sorted(random.randint(-most, most) for _ in range(levels))) for most in spread),
        codes=tuple(codes),
        out_bits=levels.bit_length() if levels else 12,
    )


def expected(forms, x, w):
    """sum_o for the values of x_i and w_i."""
    result = 0
    for o, weights in enumerate(forms.weights):
        total = forms.constants[w][o]
        for i, weight in enumerate(weights):
            code = x >> i * forms.x_bits & (1 << forms.x_bits) - 1
            total += weight * (code - (1 << forms.x_bits) * (code >> forms.x_bits - 1) if forms.signed else forms.lowest + forms.step * code)
        code = forms.codes[sum(total >= t for t in forms.thresholds[o])] if forms.levels else total % (1 << forms.out_bits)
        result |= code << o * forms.out_bits
    return result


SHAPES = [
    (1, 1, BIPOLAR, 1, "bipolar", 1, 1),
    (1, 30, BIPOLAR, 1, "bipolar", 1, 1),
    (5, 12, BIPOLAR, 1, "bipolar", 1, 1),
    (16, 64, BIPOLAR, 1, "bipolar", 1, 1),
    (10, 64, BIPOLAR, 1, "bipolar", 0, 1),
    (7, 25, BIPOLAR, 1, "bipolar", 1, 9),
    (7, 18, BIPOLAR, 1, "bipolar", 0, 4),
    (6, 20, BIPOLAR, 1, "bipolar", 3, 3),
    (9, 27, UNSIGNED, 2, "ternary", 3, 1),
    (12, 40, BIPOLAR, 1, "pruned", 1, 1),
    (4, 9, UNSIGNED, 8, "bipolar", 1, 1),
    (5, 8, SIGNED, 4, "few bits", 15, 1),
    (5, 11, UNSIGNED, 3, "few bits", 0, 2),
    (3, 6, SIGNED, 2, "few bits", 1, 5),
    (2, 4, BIPOLAR, 1, "zero", 1, 1),
    (2, 4, BIPOLAR, 1, "zero", 3, 1),
    (3, 16, BIPOLAR, 1, "few bits", 2, 1),
    (4, 20, UNSIGNED, 4, "few bits", 15, 1),
    (3, 12, SIGNED, 8, "few bits", 6, 3),
    (2, 20, UNSIGNED, 6, "few bits", 40, 1),
]
BUDGETS = [math.inf, budget_ns(100), budget_ns(200), budget_ns(300)]


@pytest.mark.parametrize("form", FORMS)
def test_forms(form, tmp_path):
    cases = [(made := make(*shape), frozen(made, BUDGETS[(i + i // 4) % 4])) for i, shape in enumerate(SHAPES)]
    limits = {f"w_i{k}": len(forms.constants) for k, (forms, _) in enumerate(cases)}
    found = simulate(tmp_path, [of(datapath) for _, datapath in cases], form, 60, seed=3, limits=limits)
    for (forms, _), steps in zip(cases, found, strict=True):
        for inputs, outputs in steps:
            assert outputs == expected(forms, inputs["x_i"], inputs["w_i"]), forms


@pytest.mark.parametrize(
    "shape",
    [
        (4, 7, BIPOLAR, 1, "bipolar", 1, 1),
        (3, 4, SIGNED, 2, "few bits", 3, 1),
        (3, 8, BIPOLAR, 1, "pruned", 0, 2),
        (2, 3, UNSIGNED, 6, "few bits", 6, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("budget", [math.inf, budget_ns(300)])
def test_forms_are_equal(shape, budget, tmp_path):
    prove(tmp_path, of(frozen(make(*shape), budget)))


@pytest.mark.parametrize("shape", [(16, 100, BIPOLAR, 1, "bipolar", 1, 1), (8, 30, UNSIGNED, 2, "ternary", 3, 9)], ids=str)
def test_yosys_counts_the_same(shape, tmp_path):
    datapath = frozen(make(*shape), budget_ns(200))
    found = synthesized(tmp_path, of(datapath))
    assert (found.lut, found.ff, found.carry4) == (datapath.cells.lut, datapath.cells.ff, datapath.cells.carry4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(5, 9, UNSIGNED, 2, "few bits", 3, 3), (4, 12, BIPOLAR, 1, "pruned", 0, 1)], ids=str)
def test_lint(shape, form, tmp_path):
    assert lint(tmp_path, of(frozen(make(*shape), budget_ns(200))), form) == ""


def test_sharing():
    """What toolchain.md calls the state: 0.44 LUT a weight of 64 x 64 with a constant for each row; and many rows of many inputs take much less."""
    small, large = (frozen(make(64, inputs, BIPOLAR, 1, "bipolar", 1, 1), budget_ns(100)).cells.lut / (64 * inputs) for inputs in (64, 784))
    assert small <= 0.36 and large <= 0.15


def test_wide_sums_are_compared():
    """A sum of 13 bits with 15 thresholds: less than 24 LUTs beyond the sum itself, the shuffled codes included, where a lookup takes 48."""
    forms = make(8, 24, UNSIGNED, 5, "few bits", 15, 1)
    sums = replace(forms, thresholds=((),) * 8, codes=(0,), out_bits=13)
    assert frozen(forms, math.inf).cells.lut - frozen(sums, math.inf).cells.lut < 8 * 24


def test_clock_decides_depth():
    forms = make(16, 64, BIPOLAR, 1, "bipolar", 1, 1)
    depths = [frozen(forms, budget_ns(mhz)).depth for mhz in (100, 200, 300)]
    assert depths == sorted(set(depths))


def test_zero_weights_are_free():
    dense, pruned = (frozen(make(16, 64, BIPOLAR, 1, kind, 1, 1), math.inf).cells.lut for kind in ("ternary", "pruned"))
    assert pruned < 0.75 * dense
    assert frozen(make(4, 20, BIPOLAR, 1, "zero", 1, 1), math.inf).cells.lut == 0


def test_estimate(monkeypatch):
    """Of a layer that is too large to build for every candidate; small ones are built."""
    small = make(16, 64, BIPOLAR, 1, "bipolar", 1, 1)
    assert estimate(small, budget_ns(200)) == frozen(small, budget_ns(200)).cells
    large = make(48, 400, BIPOLAR, 1, "bipolar", 1, 1)
    for budget in (budget_ns(100), budget_ns(200)):
        guessed, real = estimate(large, budget), frozen(large, budget).cells
        assert guessed.lut == pytest.approx(real.lut, rel=0.12)
        assert guessed.ff == pytest.approx(real.ff, rel=0.4) and guessed.carry4 == pytest.approx(real.carry4, rel=0.4)
