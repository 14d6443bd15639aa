"""The Python API: `hwqnn.compile(model, example_input)` gives an `Accelerator` that predicts, simulates, synthesizes and writes itself."""

from __future__ import annotations

import enum
import math
import numbers
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hwqnn import boards, clock, cosim, layout, power, synth
from hwqnn.boards import Board
from hwqnn.dataflow import Design, Timing, fold, simulate
from hwqnn.emit import Emitted, emit
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import Graph, Type, UInt
from hwqnn.passes import Head, expose_codes, lower
from hwqnn.reference import Executor
from hwqnn.resources import Resources

if TYPE_CHECKING:
    import torch

SYNTH_TIMEOUT_S = 1800.0
PIXEL, PIXEL_SCALE = UInt(8), Fraction(1, 255)


_Choice = TypeVar("_Choice", bound=enum.Enum)


class Port(enum.Enum):
    """What the accelerator's input stream carries: raw values, or the codes of the network's own input quantizer."""

    RAW = "raw"
    CODES = "codes"


@dataclass(frozen=True, eq=False)
class Simulation:
    """What the RTL did with some inputs.

    Attributes:
        outputs: what `Accelerator.predict` gives.
        latency: cycles from the first input transfer to the first frame's last output transfer, that one included.
        interval: cycles between frames; None for a single frame.
        comparison: every block's output against the reference.
        as_predicted: whether every cycle stamp is the one that the timing model predicts.
        activity: how much the blocks' nets switched.
    """

    outputs: np.ndarray
    latency: int
    interval: int | None
    comparison: cosim.Comparison
    as_predicted: bool
    activity: cosim.Activity


@dataclass(frozen=True, eq=False)
class Accelerator:
    """A network folded onto a board.

    Attributes:
        imported: the network as the model states it.
        graph: the same in integers; takes raw values.
        hardware: the part of `graph` that the accelerator computes: all of it, or all behind the input quantizer (`Port.CODES`).
        solution: its blocks, and how far they can be from the best folding.
        timing: every frame's predicted cycle stamp.
        input_scale: the real value of one step of the raw input.
    """

    imported: Graph
    graph: Graph
    hardware: Graph
    solution: fold.Solution
    board: Board
    timing: Timing
    input_scale: Fraction
    executor: Executor = field(repr=False)

    @property
    def design(self) -> Design:
        """The blocks that it is made of."""
        return self.solution.design

    @property
    def fps(self) -> float:
        """Frames per second at the design's clock."""
        return self.design.clock_mhz * 1e6 / self.timing.interval

    def encode(self, x: Any) -> np.ndarray:
        """Inputs as the raw integers that the hardware takes, (N, features) or (N, height, width, channels).

        Args:
            x: array or tensor (N, ...) in the model's own layout (channels first): integers of the raw type, or reals that are whole
                multiples of `input_scale`.
        Raises:
            InputError: the shape does not fit, or a real value is no multiple of the scale.
        """
        values = np.asarray(x)
        try:
            values = layout.to_hardware(values, self.graph.input.shape)
        except ValueError:
            size = math.prod(self.graph.input.shape)
            raise InputError(f"input of shape {values.shape}: expected (N, ...) with {size} values each") from None
        if not len(values):
            raise InputError(f"input of shape {np.shape(x)}: there is nothing in it")
        if values.dtype.kind == "f":
            whole = np.rint(values.astype(np.float64) / float(self.input_scale))
            if not np.isfinite(values).all() or not np.allclose(whole * float(self.input_scale), values, rtol=1e-6, atol=1e-9):
                raise InputError(f"input values are no whole multiples of {self.input_scale}: give integers, or compile with another input_scale")
            values = whole.astype(np.int64)
        return values

    def predict(self, x: Any) -> np.ndarray:
        """The reference simulator's outputs, int64, for what `encode` takes.

        Labels (N,), the k best (N, k), or scores (N, C); of a network that answers for every pixel (N, H, W), (N, k, H, W) or (N, C, H, W).
        """
        return layout.to_user(self.executor.run(self.encode(x)))

    def write(self, directory: Path | str) -> Emitted:
        """Writes the RTL and ROM files into a folder."""
        return emit(self.design, Path(directory))

    def simulate(
        self,
        x: Any,
        *,
        emitted: Emitted | None = None,
        jobs: int | None = None,
        pause_seed: int = 0,
        waveform: Path | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Simulation:
        """Runs the RTL on every input, cycle by cycle, and compares every block's output with the reference.

        Args:
            x: what `encode` takes.
            emitted: RTL written before, or what `write_netlist` gave; RTL written into a temporary folder when None.
            jobs: processes and compilations at a time.
            pause_seed: not 0: source and sink pause at random (and `as_predicted` loses its meaning).
            waveform: an FST file to write.
        Raises:
            ToolError: Verilator or the compiler failed. CheckError: the RTL gave nothing at all.
        """
        jobs = jobs or available_cores()
        if emitted is None:
            with tempfile.TemporaryDirectory(prefix="hwqnn-rtl-") as directory:
                emitted = self.write(directory)
                return self.simulate(x, emitted=emitted, jobs=jobs, pause_seed=pause_seed, waveform=waveform, progress=progress)
        expected = self.executor.trace(self.encode(x))
        entry = expected[self.hardware.input.name]
        simulator = cosim.build(emitted, trace=waveform is not None, jobs=jobs)
        # twice over: a block that slept through half of a frame is late, not stuck
        patience = 4 * (self.timing.latency + self.timing.interval) + 1000
        trace = cosim.run(emitted, simulator, entry, patience=patience, jobs=jobs, pause_seed=pause_seed, waveform=waveform, progress=progress)
        predicted = [self.timing.first(len(stamps)) for stamps in trace.stamps]
        return Simulation(
            outputs=layout.to_user(trace.output.reshape(len(trace.output), *self.graph.edges[self.graph.output].shape)),
            latency=trace.latency,
            interval=trace.interval,
            comparison=cosim.compare(self.design, trace, expected),
            as_predicted=trace.finished == len(entry) and all(np.array_equal(a, b) for a, b in zip(predicted, trace.stamps, strict=True)),
            activity=trace.activity,
        )

    def synthesize(
        self, *, emitted: Emitted | None = None, jobs: int | None = None, progress: Callable[[str, Resources], None] | None = None
    ) -> dict[str, Resources]:
        """yosys' cells for each node of the design, by its name.

        Raises:
            ToolError: yosys is missing, failed or took over half an hour for one block.
        """
        if emitted is None:
            with tempfile.TemporaryDirectory(prefix="hwqnn-rtl-") as directory:
                return self.synthesize(emitted=self.write(directory), jobs=jobs, progress=progress)
        return synth.synthesize(_units(emitted), jobs=jobs or available_cores(), timeout_s=SYNTH_TIMEOUT_S, progress=progress)

    def estimate_clock(self, *, emitted: Emitted | None = None, jobs: int | None = None) -> clock.ClockEstimate:
        """The clock that the design can be expected to reach, and its critical path, from the netlists of its blocks. Synthesizes what is not yet.

        Raises:
            ToolError: as `synthesize`; or no timing is known of a cell.
        """
        if emitted is None:
            with tempfile.TemporaryDirectory(prefix="hwqnn-rtl-") as directory:
                return self.estimate_clock(emitted=self.write(directory), jobs=jobs)
        netlists = synth.netlists(_units(emitted), jobs=jobs or available_cores(), timeout_s=SYNTH_TIMEOUT_S)
        return clock.estimate(self.design, netlists)

    def estimate_power(self, simulation: Simulation, cells: Mapping[str, Resources] | None = None) -> power.Power:
        """Watts at the design's clock, within a factor of about two, from how much the nets switched in a simulation.

        Args:
            simulation: of at least two frames, without pauses.
            cells: of each node, from `synthesize`; the design's own estimates when None.
        Raises:
            ValueError: a single frame was simulated.
        """
        known = {node.name: node.block.estimate for node in self.design.nodes} if cells is None else cells
        return power.estimate(self.design, simulation.activity, known, self.timing.interval)

    def write_netlist(self, directory: Path | str, *, emitted: Emitted | None = None, jobs: int | None = None) -> Emitted:
        """Writes each block as yosys synthesized it into a folder: `simulate(x, emitted=acc.write_netlist(...))` checks that, not the RTL.

        Raises:
            ToolError: as `synthesize`; or the netlist holds a primitive that cannot be simulated.
        """
        if emitted is None:
            with tempfile.TemporaryDirectory(prefix="hwqnn-rtl-") as rtl:
                return self.write_netlist(directory, emitted=self.write(rtl), jobs=jobs)
        netlists = synth.netlists(_units(emitted), jobs=jobs or available_cores(), timeout_s=SYNTH_TIMEOUT_S)
        return cosim.write_netlist(emitted, netlists, Path(directory))


def _units(emitted: Emitted) -> list[synth.Unit]:
    return [synth.Unit(n.node.name, n.module, n.sources, emitted.directory, n.memories) for n in emitted.nodes]


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _choice(kind: type[_Choice], value: _Choice | str, what: str) -> _Choice:
    """An option given as a member or as its text."""
    try:
        return kind(value)
    except ValueError as error:
        raise InputError(f"{what} {value!r}: expected {' or '.join(repr(v.value) for v in kind)}") from error


def _real(value: object, what: str) -> float:
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        return float(value)
    raise InputError(f"{what} {value!r}: expected a number")


def compile(
    model: torch.nn.Module,
    example_input: torch.Tensor,
    *,
    board: str = "zynq7020",
    fps: fold.Rate = None,
    clock_mhz: float | None = None,
    max_utilization: float = fold.MAX_UTILIZATION,
    limits: Mapping[str, float] | None = None,
    name: str | None = None,
    head: Head | str = Head.LABEL,
    top: int = 1,
    port: Port | str = Port.RAW,
    input_type: Type = PIXEL,
    input_scale: Fraction = PIXEL_SCALE,
    pins: fold.Pins = fold.NO_PINS,
    threads: int | None = None,
) -> Accelerator:
    """Turns a Brevitas model into an accelerator for a board.

    Args:
        model: a module of quantized layers.
        example_input: floats as the model takes them, first axis the batch.
        board: a board's name, or the path of a board file.
        fps: frames per second to reach; "max": as many as fit; when None, a million or the best rate that fits.
        clock_mhz: the board's default when None.
        max_utilization: the share of the board's cells that the estimate may use.
        limits: the most cells of some kinds ("lut", "ff", "carry4", "bram36", "dsp"), where that is less.
        head: whether labels or scores leave the accelerator. top: how many labels, the best first.
        port: whether raw values or the input quantizer's codes enter it.
        input_type, input_scale: a raw integer q stands for the real q * input_scale.
        pins: foldings to keep, from `dataflow.fold.read_pins`.
    Raises:
        UnsupportedError: a layer cannot be lowered; InputError: an argument is unusable; CheckError: it does not fit, or misses the rate.
    """
    from hwqnn.frontend import import_brevitas  # torch and Brevitas take seconds to import, and only this needs them

    head, port = _choice(Head, head, "head"), _choice(Port, port, "port")
    imported = import_brevitas(model, example_input, name=name or type(model).__name__, input_type=input_type, input_scale=input_scale)
    graph = lower(imported, head, top)
    return fold_onto(
        imported,
        graph,
        boards.load(board),
        fps=fps,
        clock_mhz=clock_mhz,
        port=port,
        input_scale=input_scale,
        pins=pins,
        threads=threads,
        max_utilization=max_utilization,
        limits=limits,
    )


def fold_onto(
    imported: Graph,
    graph: Graph,
    board: Board,
    *,
    fps: fold.Rate,
    clock_mhz: float | None,
    port: Port,
    input_scale: Fraction,
    pins: fold.Pins,
    threads: int | None = None,
    max_utilization: float = fold.MAX_UTILIZATION,
    limits: Mapping[str, float] | None = None,
) -> Accelerator:
    """The second half of `compile`: a lowered graph to an accelerator."""
    mhz = board.clocks.default_mhz if clock_mhz is None else _real(clock_mhz, "clock_mhz")
    if not 0 < mhz <= board.clocks.max_mhz:
        raise InputError(f"a clock of {mhz:g} MHz: {board.name} takes more than 0 and at most {board.clocks.max_mhz:g}")
    if fps is not None and fps != "max":
        fps = _real(fps, "fps")
        if not 0 < fps < float("inf"):
            raise InputError(f"a rate of {fps:g} frames/s: it must be above 0")
        if fps > mhz * 1e6:
            raise CheckError(f"{fps:,.0f} frames/s at {mhz:g} MHz is more than one frame a clock cycle: no accelerator does that")
    hardware = graph if port is Port.RAW else expose_codes(graph)[0]
    solution = fold.solve(hardware, board, clock_mhz=mhz, fps=fps, pins=pins, max_utilization=max_utilization, limits=limits)
    return Accelerator(imported, graph, hardware, solution, board, simulate(solution.design), input_scale, Executor(graph, threads))
