"""The cost model: its weights are those that its runs give, and its errors on runs and blocks that no fit has seen."""

import sys
from pathlib import Path

import numpy as np
import pytest

from hwqnn.dataflow import cost
from hwqnn.dataflow.cost import counters, function_luts, greater, rom_luts
from hwqnn.dataflow.delays import counter as counter_ns
from hwqnn.dataflow.storage import block_ram, single_port_ram

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import estimate
import estimate_fit
import estimate_runs
from estimate_cases import KINDS, draw
from estimate_runs import Case, Run


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return estimate_runs.load()


def test_the_runs_give_the_weights(runs: list[Run]) -> None:
    """Of LUTs and delays, within what an estimate can tell."""
    committed, again = cost.fitted(), estimate_fit.fit(runs)
    assert again.keys() == committed.keys()
    for run in runs:
        block = run.case.block
        luts = [cost.weighed(block.parts.mapped, w[block.costs].lut, otherwise=1.0) for w in (committed, again)]
        longest = [
            max(cost.weighed(amounts, w[block.costs].delay_ns.get(path, {"ns": 1.0}), 0.0) for path, amounts in block.paths.items())
            for w in (committed, again)
        ]
        assert luts[0] == pytest.approx(luts[1], rel=0.01, abs=0.2), run.case.key
        assert longest[0] == pytest.approx(longest[1], rel=0.02), run.case.key


def test_errors_on_runs_held_out(runs: list[Run]) -> None:
    found = np.abs([estimate.errors(run) for run in runs if run.case.held_out])
    assert len(found) >= 100
    lut, ff, *_, delay = np.median(found, axis=0)
    assert lut < 0.05 and ff < 0.02 and delay < 0.05
    assert np.quantile(found[:, 0], 0.9) < 0.15


@pytest.mark.parametrize(
    "case",
    [
        Case("add", {"a": "int5", "b": "uint3", "lanes": 6, "fold_a": 5, "fold_b": 1, "pixels": 9}),
        Case("fifo", {"bits": 23, "depth": 96, "bram": 0}),
        Case("width_up", {"bits": 7, "ratio": 11, "beats": 3}),
    ],
    ids=lambda case: case.kind,
)
def test_error_on_a_fresh_synthesis(case: Case) -> None:
    (run,) = estimate_runs.measure([case], jobs=1)
    lut, ff, *_ = estimate.errors(run)
    assert abs(lut) < 0.15 and abs(ff) < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_no_estimate_is_negative(kind: str) -> None:
    """Of any shape that may be drawn, and with weights for nothing but what a fit allows."""
    rng = np.random.default_rng(list(kind.encode()))
    for _ in range(40):
        block = Case(kind, draw(kind, rng)).block
        found = [*vars(block.estimate).values(), block.delay_ns]  # type: ignore[attr-defined]
        assert np.isfinite(found).all() and min(found) >= 0


@pytest.mark.parametrize("kind", ["mvu", "mvu, binary", "mvu, convolution", "mvu, depthwise"])
def test_the_solver_guesses_what_datapaths_take(kind: str) -> None:
    """No datapath is made for it; as many cells where weights are no part of the products and lanes are not wide, else about as many."""
    rng = np.random.default_rng(list(kind.encode()))
    for _ in range(25):
        found = draw(kind, rng)
        block, lane = Case(kind, found).block, int(found.get("simd", 1))
        rough, made = block.rough_estimate, block.estimate
        same = found["store"] != "fused" and lane * block.beat_in.type.bits * block.matrix.weight_type.bits <= 512  # type: ignore[attr-defined]
        assert rough.lut == pytest.approx(made.lut, rel=1e-9 if same else 0.3), found
        assert (rough.bram36, rough.dsp) == (made.bram36, made.dsp)
        assert same <= (rough.ff == made.ff and rough.carry4 == made.carry4)


def test_no_weight_is_negative() -> None:
    """Least squares would have them, on noise."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows, right = rng.normal(size=(30, 8)), rng.normal(size=30)
        found = estimate_fit.nonnegative(rows, right)
        assert found.min() >= 0
        slope = rows.T @ (right - rows @ found)  # at the least sum of squares: 0, or downhill only to where a weight is negative
        assert np.allclose(slope[found > 0], 0, atol=1e-8) and (slope[found == 0] <= 1e-8).all()


def test_counters_are_as_synthesized() -> None:
    """yosys 0.70, `rtl/counter.sv` alone: modulo -> LUTs, CARRY4s, ns."""
    measured = {2: (1, 0, 0.710), 4: (3, 0, 0.775), 7: (3, 1, 1.521), 16: (3, 1, 1.012), 23: (3, 2, 1.745), 63: (3, 2, 1.756), 100: (4, 2, 1.756)}
    measured |= {196: (5, 2, 1.756), 784: (5, 3, 1.756), 2000: (5, 3, 1.824), 4096: (5, 3, 1.386)}
    for size, (luts, carries, ns) in measured.items():
        found = counters(size)
        assert found.bits == (size - 1).bit_length()
        inverter = size > 4 and size.bit_count() == 1  # of the reset, which a block has once
        assert (found.luts + inverter, found.carry4) == (luts, carries)
        assert found.untold_luts + inverter == (2 if inverter else luts)
        assert counter_ns(size) == pytest.approx(ns, abs=0.1)


@pytest.mark.parametrize("kind", ["fifo", "width_down", "width_up", "stream_fork", "upsample", "add"])
def test_what_is_counted_is_exact(kind: str, runs: list[Run]) -> None:
    """Flip-flops, carries, RAMs and DSPs of blocks that hold nothing irregular, as yosys made them."""
    members = [run for run in runs if run.case.kind == kind]
    wrong = [run.case.key for run in members if any(abs(e) > 0.13 for e in estimate.errors(run)[1:5])]  # a CARRY4 more or less
    assert len(members) > 30 and not wrong


def test_comparisons_are_as_synthesized() -> None:
    """yosys 0.70, a `rtl/greater.sv` alone: bits -> LUTs, CARRY4s."""
    for bits, luts, carry4 in ((3, 1, 0), (4, 2, 0), (5, 2, 0), (6, 3, 1), (8, 4, 1), (9, 5, 2), (16, 8, 2), (17, 9, 3)):
        assert (greater(bits).lut, greater(bits).carry4) == (luts, carry4)


def test_a_function_takes_a_lut_unless_it_is_a_wire() -> None:
    """Of three variables: constants, a variable, its inverse, and functions of two and of all three of them."""
    tables = {"00000000": 0, "11111111": 0, "01010101": 0, "00001111": 0, "10101010": 1, "00010001": 1, "01101001": 1, "00000001": 1}
    for table, luts in tables.items():
        assert function_luts(np.array([[bit == "1" for bit in table]])) == luts


@pytest.mark.parametrize(
    "parameters",
    [
        {"x": "uint8", "out": "int2", "lanes": 8, "fold": 1, "rows": 0, "seed": 5},
        {"x": "int12", "out": "uint3", "lanes": 4, "fold": 6, "rows": 1, "seed": 6},
    ],
)
def test_a_search_is_counted_from_its_thresholds(parameters: dict[str, int | str]) -> None:
    """LUTs but for those of the handshake and of counters; registers and carry chains."""
    (run,) = estimate_runs.measure([Case("threshold", parameters | {"vectors": 1, "flip": 0})], jobs=1)
    exact = run.case.block.parts.exact  # type: ignore[attr-defined]
    assert 0 <= run.lut - exact.lut <= 4 + 2 * int(parameters["fold"])
    assert run.ff == pytest.approx(exact.ff, abs=3) and run.carry4 == pytest.approx(exact.carry4, abs=1)


def test_single_port_rams_are_as_synthesized() -> None:
    """yosys 0.70, the rows that pooling keeps: words -> LUTs a bit of many, less what enables several RAMs."""
    for words, luts in {64: 1, 128: 2, 192: 4, 256: 4, 384: 7, 576: 12, 1024: 17}.items():
        rams = {384: 3, 576: 5, 1024: 4}.get(words, 0)
        assert single_port_ram(100, words) == 100 * luts + rams


def test_block_rams_are_as_synthesized() -> None:
    """yosys 0.70, alone: bits, words -> BRAM36, LUTs."""
    measured = {
        (112, 10752): (36.0, 488), (8, 10752): (3.0, 11), (16, 10752): (5.5, 78), (32, 10752): (11.0, 149), (112, 9000): (29.5, 569),
        (112, 12288): (39.0, 115), (64, 20000): (40.0, 133), (112, 5000): (16.5, 229), (50, 3000): (4.5, 53), (40, 17000): (21.5, 308),
        (13, 11000): (5.5, 66), (13, 14000): (6.5, 0), (13, 20000): (10.0, 31), (5, 9000): (2.5, 0), (20, 1200): (1.5, 0), (20, 5000): (4.0, 45),
        (72, 5632): (12.0, 75), (60, 9300): (17.5, 125), (120, 3300): (12.5, 487), (80, 600): (2.5, 0), (7, 13000): (3.5, 0), (3, 40000): (4.5, 6),
    }  # fmt: skip
    for (bits, words), (bram36, luts) in measured.items():
        found = block_ram(bits, words)
        assert found.bram36 == bram36
        assert found.lut == pytest.approx(luts, rel=0.1, abs=3)


def test_a_rom_is_as_large_as_its_different_columns() -> None:
    rng = np.random.default_rng(3)
    for words, elements, bits in ((2, 100, 1), (3, 40, 2), (4, 70, 1), (7, 33, 3), (8, 90, 1), (16, 20, 4), (30, 5, 3)):
        patterns = rng.integers(1 << bits, size=(words, elements))
        columns = [tuple(int(word[i]) >> bit & 1 for word in patterns) for i in range(elements) for bit in range(bits)]
        free = {(0,) * words, (1,) * words} | {tuple(word >> k & 1 for word in range(words)) for k in range((words - 1).bit_length())}
        luts = sum(len(set(columns[start : start + 64]) - free) for start in range(0, len(columns), 64))
        assert rom_luts(patterns, bits) == luts
