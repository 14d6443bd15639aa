"""The cost model: its weights are those that its runs give, and its errors on runs and blocks that no fit has seen."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from hwqnn.dataflow.cost import COSTS, counters

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import estimate
import estimate_fit
import estimate_runs
from estimate_runs import Case, Run


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return estimate_runs.load()


def test_the_runs_give_the_weights(runs: list[Run]) -> None:
    """Of LUTs and delays, within what an estimate can tell."""
    committed, again = json.loads(COSTS.read_text()), estimate_fit.fit(runs)
    assert again.keys() == committed.keys()
    for run in runs:
        parts, kind = run.case.block.parts, run.case.block.costs
        for what, amounts in (("lut", parts.mapped), ("delay_ns", parts.paths)):
            values = [w[kind][what]["block"] + sum(n * w[kind][what].get(name, 1.0) for name, n in amounts.items()) for w in (committed, again)]
            assert values[0] == pytest.approx(values[1], rel=0.01, abs=0.2), run.case.key


def test_errors_on_runs_held_out(runs: list[Run]) -> None:
    found = np.abs([estimate.errors(run) for run in runs if run.case.held_out])
    assert len(found) >= 100
    lut, ff, *_, delay = np.median(found, axis=0)
    assert lut < 0.05 and ff < 0.02 and delay < 0.1
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


def test_counters_are_as_synthesized() -> None:
    """yosys 0.70, alone: modulo -> LUTs, CARRY4."""
    measured = {2: (3, 0), 4: (5, 0), 7: (7, 0), 24: (6, 1), 64: (4, 2), 127: (14, 2), 200: (10, 2), 511: (15, 3), 1000: (12, 3), 5000: (13, 4)}
    for size, (luts, carry4) in measured.items():
        found = counters(size)
        assert found.bits == (size - 1).bit_length()
        assert found.luts == pytest.approx(luts, abs=2)
        assert found.carry4 == carry4
