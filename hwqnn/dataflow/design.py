"""The dataflow design: hardware blocks joined by streams, and the contract every block keeps.

A block is a step machine. Per frame it makes `len(schedule.take)` steps, at most one a clock cycle. A step may look at the waiting
input beat, may remove it, and may yield an output beat `depth` cycles later. That is all the timing there is: `timing.py` composes
any chain of blocks from their schedules, cycle for cycle, and the RTL in `rtl/` keeps the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from hwqnn.ir import Type
from hwqnn.paths import RTL


@dataclass(frozen=True)
class Beat:
    """What one transfer of a stream carries: `elements` values of `type`, element 0 in the least significant bits."""

    elements: int
    type: Type

    @property
    def bits(self) -> int:
        return self.elements * self.type.bits


@dataclass(frozen=True, eq=False)
class Schedule:
    """One frame of a block, step by step. All three arrays are bool of the same length.

    Attributes:
        need: the step waits until an input beat is there.
        take: the step removes that beat (implies need).
        give: the step yields an output beat.
        depth: clock cycles from a step to its output beat; 0 is combinational.
            With depth > 0 all steps stall while the oldest output beat is not accepted (the pipeline is rigid).
    """

    need: np.ndarray
    take: np.ndarray
    give: np.ndarray
    depth: int

    @property
    def cycles(self) -> int:
        """Steps per frame: the least number of cycles between two frames."""
        return len(self.take)


@dataclass(frozen=True)
class Resources:
    """An estimate, in cells of a 7-series device."""

    lut: float = 0.0
    ff: float = 0.0
    carry4: float = 0.0
    bram36: float = 0.0
    dsp: float = 0.0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True, eq=False)
class Memory:
    """The contents of a ROM: `words[a]` is the integer at address `a`, below 2**width."""

    words: tuple[int, ...]
    width: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Block:
    """A hardware block with all its parameters fixed.

    Attributes:
        module: the SystemVerilog module that it instantiates, in the file of that name.
        library: the folder of that file; what it instantiates in turn lies there or in `rtl/`.
    """

    module: ClassVar[str]
    library: ClassVar[Path] = RTL
    beat_in: Beat
    beat_out: Beat

    @property
    def schedule(self) -> Schedule:
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, int]:
        """The module's integer parameters by name."""
        raise NotImplementedError

    @property
    def memories(self) -> dict[str, Memory]:
        """The module's ROM contents, by the name of the parameter that takes the file's name."""
        return {}

    @property
    def estimate(self) -> Resources:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Node:
    """A block in its place.

    Attributes:
        name: unique, made from `layer` and the block's kind; not yet safe for Verilog.
        layer: the user's own layer name, for reports and errors.
        block: the hardware.
        edge: the op whose integers this node's output stream carries (the cosimulation compares them), or None for
            plumbing (FIFOs, converters), whose output is its input's.
    """

    name: str
    layer: str
    block: Block
    edge: str | None


@dataclass(frozen=True, eq=False)
class Design:
    """A chain of nodes; the stream into the first and out of the last are the accelerator's own."""

    name: str
    nodes: tuple[Node, ...]
    clock_mhz: float

    @property
    def result(self) -> Node:
        """The last node that computes: its output is the accelerator's."""
        return next(node for node in reversed(self.nodes) if node.edge is not None)

    @property
    def estimate(self) -> Resources:
        return sum((node.block.estimate for node in self.nodes), Resources())
