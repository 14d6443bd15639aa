"""The integer program of the folding: the selection of the least price within some room and a number of cycles a frame, by OR-tools' CP-SAT.

A design is a flow: from the width of each stream through what joins it to the width of the next block's beats, and through that block to the
width of its output. One variable says of each way whether it is taken, one of each width whether it is used. At every width as much flows in
as out, so that on a chain of stages the linear relaxation is a shortest path and has integer corners; the room of the board cuts them off,
and forks and joins tie flows together, which leaves the solver little to branch on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hwqnn.dataflow.choices import Choices, Hop, Selection
from hwqnn.dataflow.design import Resources
from hwqnn.dataflow.joint import Way

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

_Result = TypeVar("_Result")
_UNIT = 1000
"""The program counts in thousandths of cells."""
_EFFORT = 60.0
"""When the solver gives up a proof: about seconds, but counted in steps, so that a slow machine finds the same answer as a fast one."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What the program says.

    Attributes:
        selection: the best that was found; None when there is none, or none was found.
        price: of that. bound: no selection has a lower price; inf when there is none.
        proved: `selection` is the best, or there is none.
    """

    selection: Selection | None
    price: float
    bound: float
    proved: bool


def cheapest(choices: Choices, cycles: int, room: Resources, prices: Resources, without: Sequence[Selection] = ()) -> Answer:
    """The selection of the least price in which no block makes more than `cycles` steps a frame.

    Args:
        room: the most cells of each kind; may be inf.
        prices: of each kind of cell; where all are 0, any selection that fits is the best.
        without: selections that are not wanted.
    """
    program = _Program(choices, cycles)
    for selection in without:
        program.forbid(selection)
    return program.solve(room.vector, prices.vector)


@dataclass(eq=False)
class _Program:
    """The variables and the flow; `cells` of each variable that stands for blocks."""

    choices: Choices
    cycles: int
    taken: list[cp_model.IntVar] = field(default_factory=list)
    cells: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ortools.sat.python import cp_model  # half a second, pandas included, that other commands need not spend

        self.model = cp_model.CpModel()
        self.streams = [self._widths(len(stream.widths)) for stream in self.choices.streams]
        for stream, used in zip(self.choices.streams, self.streams, strict=True):
            self.taken += used
            self.cells += [stream.behind(width).cells for width in range(len(stream.widths))]
        self.blocks, self.joints = [], []
        for table in self.choices.tables:
            beats = self._widths(len(table.widths))
            blocks = self._hop(table.blocks, beats, self.streams[table.output])
            joints = [self._hop(hop, self.streams[stream], beats) for hop, stream in zip(table.joints, table.inputs, strict=True)]
            for between in joints:
                self._wait(between, blocks)
            self.blocks.append(blocks)
            self.joints.append(joints)

    def _widths(self, count: int) -> list[cp_model.IntVar]:
        """Which of some widths is used."""
        used = [self.model.new_bool_var("") for _ in range(count)]
        self.model.add_exactly_one(used)
        return used

    def _hop(self, hop: Hop, before: list[cp_model.IntVar], behind: list[cp_model.IntVar]) -> list[_Taken]:
        """The ways that are fast enough; as much comes in at each width as is used of it, and as much goes out."""
        found = [_Taken(at, way, self.model.new_bool_var("")) for at, ways in hop.items() for way in ways if way.cycles <= self.cycles]
        for end, used in enumerate((before, behind)):
            through: list[list[cp_model.IntVar]] = [[] for _ in used]
            for one in found:
                through[one.at[end]].append(one.taken)
            for ways, width in zip(through, used, strict=True):
                self.model.add(sum(ways) == width)
        self.taken += [one.taken for one in found]
        self.cells += [one.way.cells for one in found]
        return found

    def _wait(self, joints: list[_Taken], blocks: list[_Taken]) -> None:
        """A block that waits for what is before it must be so much faster: behind ways that delay by `delay` or more stand only such blocks."""
        late: dict[int, set[int]] = {}
        for one in joints:
            if one.way.delay:
                late.setdefault(one.at[1], set()).add(one.way.delay)
        for width, delays in late.items():
            for delay in sorted(delays):
                delaying = [j.taken for j in joints if j.at[1] == width and j.way.delay >= delay]
                quick = [b.taken for b in blocks if b.at[0] == width and b.way.cycles + delay <= self.cycles]
                self.model.add(sum(delaying) <= sum(quick))

    def forbid(self, selection: Selection) -> None:
        chosen = {id(way) for way in (*selection.blocks, *(way for between in selection.joints for way in between))}
        places = (*self.blocks, *(between for table in self.joints for between in table))
        self.model.add_bool_or(one.taken.negated() for place in places for one in place if id(one.way) in chosen)

    def solve(self, room: np.ndarray, prices: np.ndarray) -> Answer:
        from ortools.sat.python import cp_model

        cells = np.array(self.cells)
        for each, most in zip(np.ceil(cells * _UNIT - 1e-6).astype(np.int64).T, room, strict=True):
            if each.any() and np.isfinite(most):
                self.model.add(cp_model.LinearExpr.weighted_sum(self.taken, each.tolist()) <= int(most * _UNIT))
        self.model.minimize(cp_model.LinearExpr.weighted_sum(self.taken, np.rint(cells @ prices * _UNIT).astype(np.int64).tolist()))
        solver = cp_model.CpSolver()
        # one worker, so that the answer does not depend on the machine; and the linear relaxation, which is nearly all there is to it
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = _EFFORT
        solver.parameters.catch_sigint_signal = False
        status = interruptible(lambda: solver.solve(self.model), solver.stop_search)
        if status == cp_model.INFEASIBLE:
            return Answer(None, np.inf, np.inf, True)
        bound = solver.best_objective_bound / _UNIT
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Answer(None, np.inf, bound, False)

        def chosen(ways: Iterable[_Taken]) -> Way:
            return next(one.way for one in ways if solver.boolean_value(one.taken))

        widths = tuple(next(i for i, used in enumerate(stream) if solver.boolean_value(used)) for stream in self.streams)
        joints = tuple(tuple(chosen(between) for between in table) for table in self.joints)
        selection = Selection(widths, tuple(chosen(blocks) for blocks in self.blocks), joints)
        return Answer(selection, solver.objective_value / _UNIT, bound, status == cp_model.OPTIMAL)


@dataclass(frozen=True, eq=False)
class _Taken:
    """A way between two widths, by their numbers, and the variable that says whether it is taken."""

    at: tuple[int, int]
    way: Way
    taken: cp_model.IntVar


def interruptible(work: Callable[[], _Result], stop: Callable[[], None]) -> _Result:
    """Runs `work` in a thread, so that Ctrl-C and SIGTERM, which Python only hears between its own steps, stop it at once."""
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        try:
            return result.result()
        except BaseException:
            stop()
            raise
