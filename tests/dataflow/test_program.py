"""The integer program against brute force: every design of random small networks, rooms for all five kinds of cells, any rate and the best one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, fields

import numpy as np
import pytest
from every_design import BOARD, CLOCK, estimate, every_design, price, with_depth
from hand_made import Net
from ortools.sat.python import cp_model

from hwqnn.dataflow import Design, fold, simulate
from hwqnn.dataflow.depths import size_fifos
from hwqnn.dataflow.design import Resources
from hwqnn.dataflow.program import interruptible
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import Add, Bipolar, Concat, Graph, Int, UInt

KINDS = [field.name for field in fields(Resources)]
RATE = CLOCK * 1e6


def network(seed: int) -> Graph:
    """A few layers of a few elements, in bits and weights of several widths: dense ones, a window, a pool, an addition or concatenation."""
    rng = np.random.default_rng(seed)
    few, weight = (UInt(2), UInt(4))[rng.integers(2)], (Bipolar(), Int(2), Int(5))[rng.integers(3)]
    match seed % 5:
        case 0:
            net = Net(few, (4,), seed)
            net.dense(3, of=weight)
            net.quantize(2)
            net.dense(2, of=Int(4))
        case 1:
            net = Net(few, (3, 3, 2), seed)
            net.conv(4, 2, of=weight)
        case 2:
            net = Net(few, (4,), seed)
            start = net.sign()
            net.dense(4, of=weight)
            net.add(Add, (net.sign(), start))
        case 3:
            net = Net(few, (2, 2, 2), seed)
            net.pool(2)
            net.conv(3, 1, of=weight)
        case _:
            net = Net(few, (2, 1, 2), seed)
            net.add(Concat, (net.conv(2, 1, of=weight), "@input"))
    return net.graph(f"network{seed}")


@dataclass(eq=False)
class Every:
    """All designs of a graph, by price, and what they cost and reach."""

    designs: list[Design]
    cells: np.ndarray
    prices: np.ndarray
    intervals: dict[int, int]
    sized: dict[int, np.ndarray]

    @staticmethod
    def of(graph: Graph) -> Every:
        designs = list(every_design(graph, 2, scarce=True))
        cells = np.array([estimate(d).vector for d in designs])
        prices = np.array([price(Resources(*row)) for row in cells])
        order = np.argsort(prices, kind="stable")
        return Every([designs[i] for i in order], cells[order], prices[order], {}, {})

    def interval(self, i: int) -> int:
        """With FIFOs that are deep enough."""
        if i not in self.intervals:
            self.intervals[i] = simulate(with_depth(self.designs[i], 64)).interval
        return self.intervals[i]

    def within(self, room: np.ndarray) -> np.ndarray:
        """Those that fit but for deeper FIFOs."""
        return np.flatnonzero((self.cells <= room + 1e-9).all(axis=1))

    def fits(self, i: int, room: np.ndarray) -> bool:
        """With FIFOs as deep as they must be."""
        if i not in self.sized:
            self.sized[i] = size_fifos(self.designs[i]).rough_estimate.vector
        return bool((self.sized[i] <= room + 1e-3).all())


@pytest.mark.parametrize("seed", range(15))
def test_no_design_is_better(seed: int) -> None:
    """Rooms are drawn from what the designs take, so that any kind of cell may be short. A design that fits but for deeper FIFOs is no rival, but may
    be why the search ends early, without a claim to be the best.

    What is found may be cheaper than all designs here, which have no FIFOs that only win cycles (`decouple.py`): it is checked by itself.
    """
    graph, rng = network(seed), np.random.default_rng(seed)
    every = Every.of(graph)
    for _ in range(6):
        room = np.quantile(every.cells, rng.uniform(0.02, 0.9), axis=0) * rng.uniform(1, 1.2, len(KINDS))
        limits, cycles = dict(zip(KINDS, room.tolist(), strict=True)), int(rng.integers(1, 40))
        in_time = (i for i in every.within(room) if every.interval(i) <= cycles)
        first = next(in_time, None)
        tempting = first is not None and not every.fits(first, room)
        best = first if not tempting else next((i for i in in_time if every.fits(i, room)), None)
        try:
            found = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=RATE / cycles, limits=limits)
        except CheckError:
            assert best is None or tempting, f"{limits}, {cycles} cycles"
            continue
        assert (found.design.rough_estimate.vector <= room + 1e-3).all()
        assert simulate(found.design).interval <= cycles
        assert found.price == pytest.approx(price(with_depth(found.design, 2).rough_estimate), abs=0.1)
        assert best is not None
        least = every.prices[best]
        assert found.bound <= least + 0.1
        if found.optimal or not tempting:
            assert found.price <= (1.0 if found.optimal else 1.01) * least + 0.1


@pytest.mark.parametrize("seed", range(15))
def test_no_design_is_faster(seed: int) -> None:
    """... and of those as fast none that fits is cheaper. FIFOs that only win cycles may make what is found faster than all designs here."""
    graph, rng = network(seed), np.random.default_rng(seed)
    every = Every.of(graph)
    for _ in range(3):
        room = np.quantile(every.cells, rng.uniform(0.1, 0.9), axis=0) * rng.uniform(1.1, 1.3, len(KINDS))
        there = every.within(room)
        fewest = min((every.interval(i) for i in there), default=0)
        try:
            found = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps="max", limits=dict(zip(KINDS, room.tolist(), strict=True)))
        except CheckError:
            assert not any(every.fits(i, room) for i in there)
            continue
        assert (found.design.rough_estimate.vector <= room + 1e-3).all()
        assert fewest
        assert found.most_fps >= RATE / fewest - 1e-6
        assert found.fps == RATE / simulate(found.design).interval
        if found.optimal:
            assert found.fps >= RATE / fewest - 1e-6
        rivals = (i for i in there if RATE / every.interval(i) >= found.fps and every.fits(i, room))
        if found.optimal and (best := next(rivals, None)) is not None:
            assert found.price <= every.prices[best] + 0.1


@pytest.mark.parametrize("kind", ["lut", "ff"])
def test_what_is_missing_is_named(kind: str) -> None:
    """With a cell less than the least that the message tells there is no design, and with a few more, for FIFOs, there is one."""
    net = Net(UInt(4), (16,))
    net.dense(8, of=Int(4))
    graph = net.graph("one")
    with pytest.raises(CheckError, match=rf"it needs at least [\d,]+ {kind.upper()} of 3 \(estimate\)") as caught:
        fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=1e5, limits={kind: 3})
    least = int(str(caught.value).split("at least ")[1].split()[0].replace(",", ""))
    assert getattr(fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=1e5, limits={kind: least + 20}).design.rough_estimate, kind) <= least + 20
    with pytest.raises(CheckError, match=rf"it needs at least {least} {kind.upper()} of {least - 1}"):
        fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=1e5, limits={kind: least - 1})


def test_limits_keep_a_kind_of_cell_out() -> None:
    net = Net(UInt(4), (256,))
    net.dense(64, of=Int(4))
    graph = net.graph("wide")
    assert fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=1e4).design.rough_estimate.bram36 > 0
    assert fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=1e4, limits={"bram36": 0}).design.rough_estimate.bram36 == 0
    share = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps="max", max_utilization=0.1).design.rough_estimate.vector / list(
        vars(BOARD.resources).values()
    )
    assert 0.05 < share.max() <= 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_utilization": 0.0}, "--max-utilization 0: it must be above 0 and at most 1"),
        ({"max_utilization": 1.5}, "--max-utilization 1.5: it must be above 0"),
        ({"limits": {"bram18": 2}}, "--limit bram18: there are limits of lut, ff, carry4, bram36, dsp"),
        ({"limits": {"dsp": -1}}, "--limit dsp=-1: it must be 0 or more"),
    ],
)
def test_unusable_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fold.solve(network(0), BOARD, clock_mhz=CLOCK, fps=None, **options)


_FOLD = """
import json
from hand_made import GRAPHS
from hwqnn import boards
from hwqnn.dataflow import fold
found = fold.solve(GRAPHS["residual"](), boards.load("zynq7020"), clock_mhz=100.0, fps=2e4)
print(json.dumps([fold.pins_of(found.design), [(n.name, n.block.parameters) for n in found.design.nodes]]))
"""


def test_the_same_answer_every_time() -> None:
    """Whatever the seed of hashes and the number of cores."""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen([*cores, sys.executable, "-c", _FOLD], env={**here, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE)
        for seed, cores in (("1", ()), ("2", ("taskset", "-c", "0")))
    ]
    first, second = (json.loads(run.communicate(timeout=120)[0]) for run in runs)
    assert first == second


def test_ctrl_c_ends_a_search_at_once() -> None:
    """Fifteen pigeons in fourteen holes take a solver very long."""
    model = cp_model.CpModel()
    sits = [[model.new_bool_var("") for _ in range(14)] for _ in range(15)]
    for pigeon in sits:
        model.add_bool_or(pigeon)
    for hole in zip(*sits, strict=True):
        for i, one in enumerate(hole):
            for other in hole[:i]:
                model.add_bool_or(one.negated(), other.negated())
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.cp_model_presolve = False
    solver.parameters.symmetry_level = 0
    solver.parameters.max_time_in_seconds = 60
    solver.parameters.catch_sigint_signal = False
    start = time.monotonic()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(KeyboardInterrupt):
        interruptible(lambda: solver.solve(model), solver.stop_search)
    assert time.monotonic() - start < 5
