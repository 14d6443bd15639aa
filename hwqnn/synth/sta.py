"""Static timing after synthesis: the longest path from register to register through any number of blocks.

Delays are those of `arcs.py`; wires take no time, or some for each ps of logic. LUT inputs are taken as yosys connected them, fast and slow. So this
is what yosys' own `sta` finds (`tests/synth/test_sta.py` compares the two to the picosecond), but it reads the blocks' netlists as the cache
holds them, runs in about a second for 13,000 cells, and tells the path of every block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.errors import CheckError
from hwqnn.synth.gates import Gates

OUTSIDE_PS = 303
"""When what drives the accelerator's inputs is there after the clock's edge: it is a register, like any FDRE. What reads its outputs is one."""

Bit = tuple[str, str, int]
"""An instance, one of its ports, and a bit of that."""


@dataclass(frozen=True)
class Hop:
    """A step of a path: through a cell of an instance to a net of it, in so many ps. The first is a register's clock to output, the last a register's
    setup, whose net is the one that the register drives; `cell` is "port" where the path comes from outside or leaves."""

    instance: str
    cell: str
    net: str
    ps: int


@dataclass(frozen=True)
class Path:
    """From register to register."""

    hops: tuple[Hop, ...]

    @property
    def ps(self) -> int:
        """Of logic alone."""
        return sum(hop.ps for hop in self.hops)

    def routed_ps(self, wires: float) -> float:
        """With its wires, see `Netlists.wires`."""
        start = self.hops[0].ps
        return self.ps + wires * (min(start, OUTSIDE_PS) + self.ps - start)


@dataclass(frozen=True, eq=False)
class Netlists:
    """Several blocks, joined. A net of instance i is its own number there plus `start[i]`.

    Attributes:
        joins: which bit of an output drives which bit of an input. Inputs that nothing drives come from outside.
        wires: the time that a path spends on wires for each ps in logic. What a block RAM or a shift register takes longer than a flip-flop
            until its output is there counts not: behind it is no more than one wire, either.
    """

    instances: Mapping[str, Gates]
    joins: Sequence[tuple[Bit, Bit]] = ()
    wires: float = 0.0
    outside_ps: int = OUTSIDE_PS

    @cached_property
    def start(self) -> dict[str, int]:
        ends = np.cumsum([0, *(gates.nets for gates in self.instances.values())])
        return dict(zip(self.instances, ends.tolist(), strict=False))

    @cached_property
    def through(self) -> np.ndarray:
        """int64 (arcs, 4): from net, to net, ps, cell in its instance (-1: a wire); by the net they lead to."""
        inside = [gates.through + np.array([self.start[name], self.start[name], 0, 0]) for name, gates in self.instances.items()]
        between = [(self._net(a), self._net(b), 0, -1) for a, b in self.joins]
        arcs = np.concatenate([*inside, np.array(between, dtype=np.int64).reshape(-1, 4)])
        return arcs[np.argsort(arcs[:, 1], kind="stable")]

    @cached_property
    def launched(self) -> np.ndarray:
        """int64 (launches, 3): net, ps, cell in its instance (-1: from outside)."""
        inside = [gates.launch + np.array([self.start[name], 0, 0]) for name, gates in self.instances.items()]
        joined = {self._net(b) for _, b in self.joins}
        inputs = [self.start[name] + net for name, gates in self.instances.items() for nets in gates.inputs.values() for net in nets]
        return np.concatenate([*inside, np.array([(net, self.outside_ps, -1) for net in inputs if net not in joined], dtype=np.int64).reshape(-1, 3)])

    @cached_property
    def arrival(self) -> np.ndarray:
        """int64 (nets,): the latest ps after the clock's edge at which a net changes, its wires included; -1: never.

        Raises:
            CheckError: gates drive each other in a ring.
        """
        arrival = np.full(sum(gates.nets for gates in self.instances.values()), -1, dtype=np.int64)
        np.maximum.at(arrival, self.launched[:, 0], self._launches)
        source, sink, ps = self.through[:, 0], self.through[:, 1], self._throughs
        if not len(sink):
            return arrival
        starts = np.flatnonzero(np.diff(sink, prepend=-1))
        to = sink[starts]
        for _ in range(len(to) + 1):  # a pass for each gate of the deepest path; more only where it bites its own tail
            late = np.where(arrival[source] >= 0, arrival[source] + ps, -1)
            later = np.maximum(arrival[to], np.maximum.reduceat(late, starts))
            if np.array_equal(later, arrival[to]):
                return arrival
            arrival[to] = later
            if later.max() > 10**6:
                break
        raise CheckError("the netlist has a combinational loop")

    @cached_property
    def ends(self) -> np.ndarray:
        """int64 (ends, 4): net, setup ps, cell in its instance (-1: the output leaves), instance; for each register's input."""
        joined = {self._net(a) for a, _ in self.joins}
        parts = []
        for i, (name, gates) in enumerate(self.instances.items()):
            start = self.start[name]
            leaving = [(net, 0, -1) for nets in gates.outputs.values() for net in nets if start + net not in joined]
            part = np.concatenate([gates.setup, np.array(leaving, dtype=np.int64).reshape(-1, 3)])
            parts.append(np.column_stack([part[:, 0] + start, part[:, 1], part[:, 2], np.full(len(part), i)]))
        return np.concatenate(parts)

    def longest(self) -> Path:
        """The critical path."""
        return self._path(int(np.argmax(self._late)))

    def longest_into(self) -> dict[str, Path]:
        """The longest path that ends in each instance; none for one that only passes on."""
        found = {}
        for i, name in enumerate(self.instances):
            here = np.flatnonzero(self.ends[:, 3] == i)
            if len(here):
                found[name] = self._path(int(here[np.argmax(self._late[here])]))
        return found

    @cached_property
    def _throughs(self) -> np.ndarray:
        return _routed(self.through[:, 2], self.wires)

    @cached_property
    def _launches(self) -> np.ndarray:
        ps = self.launched[:, 1]
        return ps + _routed(np.minimum(ps, OUTSIDE_PS), self.wires) - np.minimum(ps, OUTSIDE_PS)

    @cached_property
    def _late(self) -> np.ndarray:
        arrival = self.arrival[self.ends[:, 0]]
        return np.where(arrival >= 0, arrival + _routed(self.ends[:, 1], self.wires), -1)

    def _path(self, end: int) -> Path:
        net, setup, cell, i = self.ends[end].tolist()
        name = list(self.instances)[i]
        hops = [Hop(name, *self._register(name, cell, net), setup)]
        bounds = self.through[:, 1]
        while True:
            at = self.arrival[net]
            first, last = np.searchsorted(bounds, [net, net + 1])
            arcs = self.through[first:last]
            into = arcs[(self.arrival[arcs[:, 0]] >= 0) & (self.arrival[arcs[:, 0]] + self._throughs[first:last] == at)]
            if not len(into):
                break
            source, _, ps, cell = into[0].tolist()
            if cell >= 0:
                hops.append(self._hop(net, ps, cell))
            net = source
        starts = self.launched[(self.launched[:, 0] == net) & (self._launches == at)]
        if len(starts):
            hops.append(self._hop(net, *starts[0, 1:].tolist()))
        return Path(tuple(reversed(hops)))

    def _register(self, instance: str, cell: int, net: int) -> tuple[str, str]:
        """What a path into `net` ends in: the type of the cell and the net that it drives; a port of the accelerator's where there is no cell."""
        gates = self.instances[instance]
        if cell < 0:
            return "port", gates.name(net - self.start[instance])
        outputs = gates.launch[gates.launch[:, 2] == cell]
        return gates.cells[cell][0], gates.name(int(outputs[0, 0])) if len(outputs) else gates.cells[cell][1]

    def _hop(self, net: int, ps: int, cell: int) -> Hop:
        name, text = self._name(net)
        return Hop(name, "port" if cell < 0 else self.instances[name].cells[cell][0], text, ps)

    def _name(self, net: int) -> tuple[str, str]:
        names, starts = list(self.start), list(self.start.values())
        name = names[int(np.searchsorted(starts, net, side="right")) - 1]
        return name, self.instances[name].name(net - self.start[name])

    def _net(self, bit: Bit) -> int:
        name, port, index = bit
        gates = self.instances[name]
        return self.start[name] + (gates.inputs.get(port) or gates.outputs[port])[index]


def _routed(ps: np.ndarray, wires: float) -> np.ndarray:
    return np.rint(ps * (1 + wires)).astype(np.int64)
