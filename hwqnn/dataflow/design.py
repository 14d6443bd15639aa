"""The dataflow design: hardware blocks joined by streams, and the contract every block keeps.

What a block does when is data: `timing.py` composes any network of blocks from it, cycle for cycle, and the RTL in `rtl/` keeps the
same rules. There are three kinds. A step machine (`Schedule`) makes a fixed number of steps per frame, at most one a clock cycle; a
step may look at the waiting input beats, may remove them, and may yield an output beat. A buffer (`Buffering`) stores its input and
reads it in an order of its own. A fork (`Forking`) gives each beat to several readers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from hwqnn.gates.longest import Longest
from hwqnn.ir import Type
from hwqnn.paths import RTL
from hwqnn.resources import Resources


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
    """One frame of a step machine, step by step. `need` and `take` are bool (steps,), or (steps, 2) for a join; `give` is bool (steps,).

    Attributes:
        need: the step waits until a beat is there, at every input that it needs.
        take: the step removes that beat (implies need).
        give: the step yields an output beat.
        depth: clock cycles from a step to its output beat; 0 is combinational (every step needs its inputs there).
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

    @property
    def gives(self) -> int:
        """Output beats per frame."""
        return int(self.give.sum())


@dataclass(frozen=True, eq=False)
class Buffering:
    """One frame of a block that stores its input and reads it in its own order: a FIFO, a sliding window, an upsampler.

    The writer takes every beat for which there is room. The reader makes len(need) steps, each of which yields a beat. With w the beats
    ever written, r the steps ever made, f = r // len(need) and i = r % len(need):

        s_tready = w - (f * takes + free[i]) < capacity
        have     = w >= f * takes + need[i]                  (a beat written in this cycle counts from the next one on)
        depth > 0:  advance = !m_tvalid || m_tready;  step = advance && have;  m_tvalid rises `depth` advancing cycles after the step
        depth == 0: m_tvalid = have;  step = have && m_tready

    Attributes:
        takes: input beats per frame.
        need: int64 (steps,), the input beats of the frame that must be there before step i.
        free: int64 (steps,), the input beats of the frame that no step from i on reads any more; nondecreasing. So the writer runs
            ahead into the next frame.
        capacity: beats that fit.
        depth: clock cycles from a step to its output beat.
    """

    takes: int
    need: np.ndarray
    free: np.ndarray
    capacity: int
    depth: int

    @property
    def cycles(self) -> int:
        """The least number of cycles between two frames."""
        return max(self.takes, len(self.need))

    @property
    def gives(self) -> int:
        """Output beats per frame."""
        return len(self.need)


@dataclass(frozen=True)
class Forking:
    """A fork to `outputs` readers, each of which takes a beat when it will; the next beat waits for the slowest. Combinational:

        m_tvalid[k] = s_tvalid && !done[k];  s_tready = &(done | m_tready);  done[k] <= transfer ? 0 : done[k] | (m_tvalid[k] & m_tready[k])

    A frame is one beat.
    """

    outputs: int
    cycles: ClassVar[int] = 1
    gives: ClassVar[int] = 1


@dataclass(frozen=True, eq=False)
class Memory:
    """The contents of a ROM: `words[a]` is the integer at address `a`, below 2**width."""

    words: tuple[int, ...]
    width: int


class Store(StrEnum):
    """Where a block keeps what it reads over and over: a matrix's weights, a window's pixels.

    Attributes:
        LUT: LUTs; a matrix's weights are a ROM that is read ahead into registers.
        FUSED: the LUTs of the products themselves, at most `MAX_FUSED` words.
        BRAM: block RAM.
        FROZEN: nowhere, for the logic is made for these very weights.
    """

    LUT = "lut"
    FUSED = "fused"
    BRAM = "bram"
    FROZEN = "frozen"


MAX_FUSED = 32
"""The most words of weights inside the LUTs of the products: five address bits and an activation are a LUT6."""


@dataclass(frozen=True)
class Datapath:
    """What a block's library module leaves to be computed beside it: a pipeline without control, which moves when it is told to.

    Attributes:
        module: generated, named after a hash of its contents, so that equal shapes share a file and a synthesis; or a library module's name.
        x_bits, w_bits, sum_bits: widths of its ports x_i, w_i and sum_o; the others are clk_i and advance_i.
        depth: advancing cycles from x_i and w_i to sum_o.
        texts: generated modules (name, SystemVerilog), this one and what it instantiates; empty for a library module.
        parameters: of the module, (name, value).
        cells: exactly.
        timed: finds its longest paths; None where a library module's are known to who makes it.
    """

    module: str
    x_bits: int
    w_bits: int
    sum_bits: int
    depth: int
    texts: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, int], ...]
    cells: Resources
    timed: Callable[[], Longest] | None = field(default=None, compare=False, repr=False)

    @cached_property
    def longest(self) -> Longest | None:
        """Its longest paths, which only estimates ask for."""
        return self.timed() if self.timed is not None else None


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
    def beats_in(self) -> tuple[Beat, ...]:
        """What each input stream carries; a join has two."""
        return (self.beat_in,)

    @property
    def outputs(self) -> int:
        """Output streams, all of `beat_out`; a fork has several."""
        return 1

    @property
    def style(self) -> str:
        """How it is built, in a few words for reports; empty where there is nothing to tell."""
        return ""

    @property
    def schedule(self) -> Schedule | Buffering | Forking:
        raise NotImplementedError

    @property
    def cycles(self) -> int:
        """The least number of cycles between two frames. The folding solver asks every folding for it, so no long schedule should be made to tell."""
        return self.schedule.cycles

    @property
    def parameters(self) -> dict[str, int]:
        """The module's integer parameters by name."""
        raise NotImplementedError

    @property
    def memories(self) -> dict[str, Memory]:
        """The module's ROM contents, by the name of the parameter that takes the file's name."""
        return {}

    @property
    def datapath(self) -> Datapath | None:
        """What stands beside the module, joined to its ports dp_advance_o, dp_x_o, dp_w_o and dp_sum_i; its depth is the parameter DP_DEPTH."""
        return None

    @property
    def estimate(self) -> Resources:
        raise NotImplementedError

    @property
    def rough_estimate(self) -> Resources:
        """Without making a datapath: the folding solver asks every folding."""
        return self.estimate


@dataclass(frozen=True)
class Source:
    """Where an input stream comes from: output `port` of the node called `node`; the accelerator's own input when that is None."""

    node: str | None
    port: int = 0


@dataclass(frozen=True, eq=False)
class Node:
    """A block in its place.

    Attributes:
        name: unique, made from `layer` and the block's kind; not yet safe for Verilog.
        layer: the user's own layer name, for reports and errors.
        block: the hardware.
        edge: the op whose integers this node's output stream carries (the cosimulation compares them), or None for
            plumbing (FIFOs, converters, windows, forks), which only moves or repeats what others computed.
        inputs: where each of the block's input streams comes from.
    """

    name: str
    layer: str
    block: Block
    edge: str | None
    inputs: tuple[Source, ...]


@dataclass(frozen=True, eq=False)
class Design:
    """A network of nodes, producers before consumers. Every output port has one reader: a node, or for the last node's the accelerator's
    output. The first node alone reads the accelerator's input."""

    name: str
    nodes: tuple[Node, ...]
    clock_mhz: float

    @property
    def result(self) -> Node:
        """The node that computes the graph's output; behind it there is only plumbing."""
        named = {node.name: node for node in self.nodes}
        node = self.nodes[-1]
        while node.edge is None:
            node = named[str(node.inputs[0].node)]
        return node

    @property
    def estimate(self) -> Resources:
        return sum((node.block.estimate for node in self.nodes), Resources())

    @property
    def rough_estimate(self) -> Resources:
        return sum((node.block.rough_estimate for node in self.nodes), Resources())
