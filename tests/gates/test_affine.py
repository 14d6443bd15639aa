"""Products with addends against plain integer arithmetic: simulated in both forms, proven equal to each other, counted by yosys."""

import math
from random import Random

import pytest
from gates_bench import FORMS, lint, of, prove, simulate, synthesized

from hwqnn.gates.affine import Affine, constant, variable
from hwqnn.gates.delay import LUT, budget_ns

# lanes, bits of x, signed, bits of a factor, of an addend, of the result
SHAPES = [
    Affine(1, 1, False, 2, 2, 3),
    Affine(3, 1, False, 6, 9, 9),
    Affine(2, 1, True, 3, 5, 6),
    Affine(1, 1, False, 9, 30, 31),
    Affine(2, 2, True, 5, 7, 8),
    Affine(3, 4, False, 3, 3, 9),
    Affine(1, 4, True, 4, 7, 8),
    Affine(2, 5, False, 1, 1, 6),
    Affine(1, 5, True, 2, 20, 21),
    Affine(2, 6, True, 2, 8, 9),
    Affine(1, 7, False, 1, 12, 13),
    Affine(2, 8, True, 6, 6, 8),
]
BUDGETS = [math.inf, budget_ns(100), budget_ns(200), budget_ns(300)]


def signed(code, bits):
    return code - (code >> bits - 1 << bits)


def words(shape, seed=0):
    """Factors and addends, the extreme ones among them."""
    random = Random(f"{shape} {seed}")

    def word(bits):
        least, most = -(1 << bits - 1), (1 << bits - 1) - 1
        return random.choice((least, most, random.randint(least, most), random.randint(least, most)))

    return [word(shape.mul_bits) for _ in range(shape.lanes)], [word(shape.add_bits) for _ in range(shape.lanes)]


def expected(shape, x, mul, add):
    """sum_o for the value of x_i."""
    result = 0
    for p in range(shape.lanes):
        code = x >> p * shape.x_bits & (1 << shape.x_bits) - 1
        value = signed(code, shape.x_bits) if shape.signed else code
        result |= (mul[p] * value + add[p]) % (1 << shape.sum_bits) << p * shape.sum_bits
    return result


def fields(shape, w):
    """The factors and addends in w_i."""

    def word(start, bits):
        return signed(w >> start & (1 << bits) - 1, bits)

    mul, add = shape.mul_bits, shape.add_bits
    return [word(p * mul, mul) for p in range(shape.lanes)], [word(shape.lanes * mul + p * add, add) for p in range(shape.lanes)]


@pytest.mark.parametrize("form", FORMS)
def test_words_from_elsewhere(form, tmp_path):
    datapaths = [variable(shape, BUDGETS[(i + i // 4) % 4], i % 3 * LUT) for i, shape in enumerate(SHAPES)]
    for shape, steps in zip(SHAPES, simulate(tmp_path, [of(d) for d in datapaths], form, 80, seed=3), strict=True):
        for inputs, output in steps:
            assert output == expected(shape, inputs["x_i"], *fields(shape, inputs["w_i"])), shape


@pytest.mark.parametrize("form", FORMS)
def test_constant_words(form, tmp_path):
    datapaths = [constant(shape, *words(shape), BUDGETS[(i + i // 4) % 4]) for i, shape in enumerate(SHAPES)]
    for shape, steps in zip(SHAPES, simulate(tmp_path, [of(d) for d in datapaths], form, 80, seed=4), strict=True):
        for inputs, output in steps:
            assert output == expected(shape, inputs["x_i"], *words(shape)), shape


@pytest.mark.parametrize("shape", [SHAPES[k] for k in (1, 3, 4, 5, 9, 11)], ids=str)
@pytest.mark.parametrize("budget", [math.inf, budget_ns(300)])
def test_forms_are_equal(shape, budget, tmp_path):
    for datapath in (variable(shape, budget, LUT), constant(shape, *words(shape), budget)):
        prove(tmp_path, of(datapath))


@pytest.mark.parametrize("shape", [SHAPES[k] for k in (1, 4, 6, 9, 10)], ids=str)
@pytest.mark.parametrize("fixed", [False, True])
def test_yosys_counts_the_same(shape, fixed, tmp_path):
    datapath = constant(shape, *words(shape), budget_ns(200)) if fixed else variable(shape, budget_ns(200), LUT)
    found = synthesized(tmp_path, of(datapath))
    assert (found.lut, found.ff, found.carry4) == (datapath.cells.lut, datapath.cells.ff, datapath.cells.carry4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_lint(shape, form, tmp_path):
    for datapath in (variable(shape, budget_ns(200), LUT), constant(shape, *words(shape), budget_ns(200))):
        assert lint(tmp_path, of(datapath), form) == ""


def test_a_bit_chooses_in_the_adder():
    """A LUT for each bit of the sum, and no more."""
    assert variable(Affine(1, 1, False, 6, 8, 9), math.inf, 0.0).cells.lut == 9


def test_constants_of_few_bits_are_tables():
    """Two bits a LUT, less two inverters, and no carry chain."""
    cells = constant(Affine(1, 4, True, 8, 10, 11), [83], [-317], math.inf).cells
    assert cells.lut == 2 + 5 and cells.carry4 == 0
