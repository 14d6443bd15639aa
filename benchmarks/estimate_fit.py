"""The weights of the cost model from synthesis runs: least squares of the relative errors, where the greatest count most."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from estimate_runs import Run

from hwqnn.dataflow.cost import COSTS, Amounts, MeasuredBlock, Weights, fitted

FLOOR_LUT = 20.0
"""An error is relative to at least so many LUTs: a LUT more or less in a block of five is no error of a fifth to anybody."""
POWER = 4
"""Of an error, in what is minimized: between 2, the median's friend, and infinity, the worst's."""
_ROUNDS = 40
_STILL = 1e-9
"""No more than rounding."""
_PULL = 1e-2
"""Of a run's weight."""
_PATH_PULL = 3e-3
_FINE = 0.05
"""A delay's error that counts once; greater ones count up to four times as much."""


def fit(runs: Sequence[Run]) -> dict[str, Weights]:
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
        found[kind] = Weights(
            weights([p.mapped for p in parts], luts - exact, np.maximum(luts, FLOOR_LUT), expected=1.0),
            path_weights([block.paths for _, block in members], np.array([run.delay_ns for run, _ in members])),
        )
    return found


def weights(amounts: Sequence[Amounts], goal: np.ndarray, size: np.ndarray, expected: float) -> dict[str, float]:
    """What each amount weighs, at least 0, and "block", which is 1 everywhere: the least sum of |(amounts @ weights - goal) / size| ** POWER, by
    reweighting; with a pull to the `expected` weight, for amounts that hardly differ between the runs."""
    names, table = _table(amounts)
    table, wanted = table / size[:, None], goal / size
    scale = np.maximum(np.sqrt((table**2).mean(axis=0)), 1e-9)
    pull = np.diag(np.sqrt(_PULL * len(goal)) * scale)
    each, solution = np.ones(len(goal)), np.zeros(len(names))
    for _ in range(_ROUNDS):
        rows, right = np.concatenate([table * each[:, None], pull]), np.concatenate([wanted * each, pull.sum(axis=0) * expected])
        solution = nonnegative(rows, right)
        error = np.abs(table @ solution - wanted) + 1e-4
        each = np.sqrt(0.5 * each**2 + 0.5 * (error / error.mean()) ** (POWER - 2))  # half a step: whole ones swing
    return {name: float(f"{value:.4g}") for name, value in zip(names, solution, strict=True)}


def path_weights(blocks: Sequence[Mapping[str, Amounts]], goal: np.ndarray) -> dict[str, dict[str, float]]:
    """For each path, what its amounts weigh, so that the longest path of each block takes about `goal`: as in `weights`, of the relative error. In
    turns: which path is each block's longest with the weights so far; then each path's weights from the blocks whose longest it is, or that it is
    too long for. The pull is to the structure's own figure: 1 for "ns", 0 for all else.
    """
    tables, ours = {}, {}
    for path in sorted({path for block in blocks for path in block}):
        ours[path] = np.array([path in block for block in blocks])
        tables[path] = _table([block.get(path, {}) for block in blocks])
    expected = {path: np.array([float(name == "ns") for name in names]) for path, (names, _) in tables.items()}
    found, best = dict(expected), (np.inf, expected)
    for _ in range(_ROUNDS):
        values = np.array([np.where(ours[path], table @ found[path], 0.0) for path, (_, table) in tables.items()])
        longest, error = values.argmax(axis=0), np.abs(values.max(axis=0) / goal - 1)
        score = float((error**POWER).mean())
        if score < best[0]:
            best = score, dict(found)
        for i, (path, (_, table)) in enumerate(tables.items()):
            asked = ours[path] & ((longest == i) | (values[i] > goal))
            each = np.clip(error[asked] / _FINE, 0.3, 4.0)
            rows, relative = table[asked] / goal[asked, None] * each[:, None], table[ours[path]] / goal[ours[path], None]
            pull = np.diag(np.sqrt(_PATH_PULL * ours[path].sum() + 0.02) * np.maximum(np.sqrt((relative**2).mean(axis=0)), 1e-9))
            solution = nonnegative(np.concatenate([rows, pull]), np.concatenate([each, pull @ expected[path]]))
            found[path] = 0.6 * found[path] + 0.4 * solution
    return {path: {n: float(f"{w:.4g}") for n, w in zip(names, best[1][path], strict=True)} for path, (names, _) in tables.items()}


def _table(amounts: Sequence[Amounts]) -> tuple[list[str], np.ndarray]:
    names = ["block", *sorted({name for a in amounts for name in a})]
    return names, np.array([[1.0 if name == "block" else float(a.get(name, 0.0)) for name in names] for a in amounts])


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


def write(found: dict[str, Weights]) -> None:
    """Into the data file, and in force from now on."""
    COSTS.write_text(json.dumps({kind: asdict(weights) for kind, weights in found.items()}, indent=1) + "\n")
    fitted.cache_clear()
