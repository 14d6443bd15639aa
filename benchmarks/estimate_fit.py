"""The weights of the cost model from synthesis runs: least squares of the relative errors, where the greatest count most."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from estimate_runs import Run

from hwqnn.dataflow.cost import COSTS, Amounts, MeasuredBlock, fitted

FLOOR_LUT = 20.0
"""An error is relative to at least so many LUTs: a LUT more or less in a block of five is no error of a fifth to anybody."""
POWER = 4
"""Of an error, in what is minimized: between 2, the median's friend, and infinity, the worst's."""
_ROUNDS = 40
_STILL = 1e-9
"""No more than rounding."""
_PULL = 1e-2
"""Of a run's weight."""


def fit(runs: Sequence[Run]) -> dict[str, dict[str, dict[str, float]]]:
    """For each kind of block, its weights of LUTs and of delays; from runs that are not held out."""
    by_kind: dict[str, list[tuple[Run, MeasuredBlock]]] = defaultdict(list)
    for run in runs:
        block = run.case.block
        assert isinstance(block, MeasuredBlock)
        if not run.case.held_out:
            by_kind[block.costs].append((run, block))
    found = {}
    for kind, members in sorted(by_kind.items()):
        parts = [block.parts for _, block in members]
        luts = np.array([run.lut for run, _ in members], dtype=float)
        exact = np.array([p.exact.lut + run.datapath_lut for p, (run, _) in zip(parts, members, strict=True)])
        delays = np.array([run.delay_ns for run, _ in members])
        found[kind] = {
            "lut": weights([p.mapped for p in parts], luts - exact, np.maximum(luts, FLOOR_LUT), expected=1.0),
            "delay_ns": weights([p.paths for p in parts], delays, delays, expected=0.0),
        }
    return found


def weights(amounts: Sequence[Amounts], goal: np.ndarray, size: np.ndarray, expected: float) -> dict[str, float]:
    """What each amount weighs, at least 0, and "block", which is 1 everywhere: the least sum of |(amounts @ weights - goal) / size| ** POWER, by
    reweighting; with a pull to the `expected` weight, for amounts that hardly differ between the runs."""
    names = ["block", *sorted({name for a in amounts for name in a})]
    table = np.array([[1.0 if name == "block" else a.get(name, 0.0) for name in names] for a in amounts]) / size[:, None]
    wanted = goal / size
    scale = np.maximum(np.sqrt((table**2).mean(axis=0)), 1e-9)
    pull = np.diag(np.sqrt(_PULL * len(goal)) * scale)
    each, solution = np.ones(len(goal)), np.zeros(len(names))
    for _ in range(_ROUNDS):
        rows, right = np.concatenate([table * each[:, None], pull]), np.concatenate([wanted * each, pull.sum(axis=0) * expected])
        solution = nonnegative(rows, right)
        error = np.abs(table @ solution - wanted) + 1e-4
        each = np.sqrt(0.5 * each**2 + 0.5 * (error / error.mean()) ** (POWER - 2))  # half a step: whole ones swing
    return {name: float(f"{value:.4g}") for name, value in zip(names, solution, strict=True)}


def nonnegative(rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The x >= 0 of least |rows @ x - right| (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23): no estimate is ever negative."""
    x, free = np.zeros(rows.shape[1]), np.zeros(rows.shape[1], dtype=bool)
    while (gradient := np.where(free, 0.0, rows.T @ (right - rows @ x))).max() > _STILL:
        free[gradient.argmax()] = True
        while True:
            goal = np.zeros_like(x)
            goal[free] = np.linalg.lstsq(rows[:, free], right, rcond=None)[0]
            if (goal[free] > 0).all():
                break
            falls = free & (goal <= 0)
            x += (x[falls] / (x[falls] - goal[falls])).min() * (goal - x)
            free &= x > _STILL
        x = goal
    return x


def write(found: dict[str, dict[str, dict[str, float]]]) -> None:
    """Into the data file, and in force from now on."""
    COSTS.write_text(json.dumps(found, indent=1) + "\n")
    fitted.cache_clear()
