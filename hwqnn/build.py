"""`hwqnn build`: eight stages from a model to a proven accelerator and its report, in a folder that appears whole or not at all."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hwqnn import boards, folder, layout, report
from hwqnn.accelerator import PIXEL_SCALE, Accelerator, Port, Simulation, available_cores, fold_onto
from hwqnn.boards import Board
from hwqnn.dataflow import fold
from hwqnn.dataflow.fold import MAX_UTILIZATION, Rate
from hwqnn.emit import Emitted
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import ArgMax, Conv, Graph, Input, MatMul, files
from hwqnn.passes import Head, append_argmax, lower
from hwqnn.reference import Executor
from hwqnn.software import import_for, is_onnx
from hwqnn.summary import Outcome, multiply_accumulates, summarize
from hwqnn.synth import place
from hwqnn.ties import as_good

if TYPE_CHECKING:
    import torch

    from hwqnn.data import Dataset

STAGES = ("import", "lower", "fold", "emit", "reference", "cosim", "synth", "report")
_COSIM_BUDGET = 5e10
"""LUTs times cycles that the cosimulation takes on by default: seconds for a small network, a minute or two for a large one."""
_PLACE_TIMEOUT_S = 4 * 3600.0
_PAUSED_IMAGES = 64
"""The most images that go through once more while source and sink pause at random."""


class Progress(Protocol):
    """Where a build says what it is doing."""

    def start(self, stage: str) -> None:
        """A stage begins."""

    def note(self, text: str) -> None:
        """News within the stage."""

    def finish(self, stage: str, seconds: float, summary: str) -> None:
        """The stage is done."""


class Silent:
    """Says nothing."""

    def start(self, stage: str) -> None: ...
    def note(self, text: str) -> None: ...
    def finish(self, stage: str, seconds: float, summary: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for. `None` leaves the choice to the build."""

    model: str = "tfc-w1a1"
    board: str = "zynq7020"
    weights: Path | None = None
    data: str | None = None
    input_scale: Fraction | None = None
    images: int | None = None
    fps: Rate = None
    clock_mhz: float | None = None
    max_utilization: float = MAX_UTILIZATION
    limits: Mapping[str, float] = field(default_factory=dict)
    fold: Path | None = None
    synth: bool = True
    route: bool = True
    netlist: bool = False
    trace: bool = False
    head: Head = Head.LABEL
    top: int = 1
    port: Port = Port.RAW
    output: Path | None = None
    seed: int = 0
    jobs: int | None = None


class _Clock:
    """Times the stages and tells `progress`."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.summary = ""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.progress.start(name)
        self.summary = ""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        self.progress.finish(name, self.seconds[name], self.summary)


@dataclass(frozen=True, eq=False)
class Built:
    """A finished build: its report, and the folder with everything."""

    report: report.Report
    directory: Path


def build(options: Options, progress: Progress | None = None) -> Built:
    """Runs all stages. The folder appears at the end, or on an error not at all.

    Raises:
        HwqnnError: bad input, or a design that does not fit or misses its rate. A wrong bit is no exception: it is in the report's verdict.
    """
    if options.top > 1 and options.head is Head.SCORES:
        raise InputError("--top chooses among labels: leave out --head scores")
    if options.netlist and not options.synth:
        raise InputError("--netlist checks what synthesis made: leave out --no-synth")
    board = boards.load(options.board)
    target = _target(options, board)
    with folder.replacing(target) as directory:
        result = _stages(options, board, directory, _Clock(progress or Silent()))
    return Built(result, target)


def _target(options: Options, board: Board) -> Path:
    """The folder to write. A name from the user's files is not free to lead anywhere else."""
    model = Path(options.model).stem if is_onnx(options.model) else options.model.rpartition(":")[2]
    return options.output or Path("build") / re.sub(r"[^\w.-]", "_", f"{model}-{board.name}")


def _stages(options: Options, board: Board, directory: Path, clock: _Clock) -> report.Report:
    jobs = options.jobs or available_cores()
    with clock.stage("import"):
        name, model, data = _load(options)
        software = import_for(name, model, data)
        imported, x = software.graph, software.data.x
        edge = imported.edges[imported.output]
        classes = edge.channels
        if (pixels := tuple(size for size in edge.shape[:-1] if size > 1)) != data.y.shape[1:]:
            raise InputError(f"'{name}' tells a class for {_each(pixels)}, but data '{data.name}' has a label for {_each(data.y.shape[1:])}")
        if options.top > classes:
            raise InputError(f"--top {options.top}: '{name}' tells only {classes} classes apart")
        if data.y.max() >= classes:
            raise InputError(f"data '{data.name}' has a label {data.y.max()}, but '{name}' tells only {classes} classes apart (0 to {classes - 1})")
        clock.summary = f"{name}, {len(data):,} images of {data.name}"
    with clock.stage("lower"):
        graph = lower(imported, options.head, options.top)
        files.save(graph, directory / "graph.json")
        (directory / "graph.txt").write_text(f"{graph}\n")
        clock.summary = f"{sum(isinstance(op, MatMul | Conv) for op in graph.ops)} matrices, {multiply_accumulates(graph):,} multiply-accumulates"
    with clock.stage("fold"):
        pins = fold.read_pins(options.fold, graph, options.clock_mhz or board.clocks.default_mhz) if options.fold else fold.NO_PINS
        acc = fold_onto(
            imported,
            graph,
            board,
            fps=options.fps,
            clock_mhz=options.clock_mhz,
            port=options.port,
            input_scale=data.scale,
            pins=pins,
            threads=jobs,
            max_utilization=options.max_utilization,
            limits=options.limits,
        )
        (directory / "folding.json").write_text(json.dumps(fold.pins_of(acc.design), indent=1) + "\n")
        clock.summary = (
            f"{acc.fps:,.0f} frames/s at {acc.design.clock_mhz:g} MHz, about {acc.design.estimate.lut:,.0f} LUTs (estimate); {acc.solution}"
        )
        if pins.notes:
            clock.summary += f"; the fold file also says what has no counterpart here: {', '.join(pins.notes)}"
    with clock.stage("emit"):
        emitted = acc.write(directory / "rtl")
        clock.summary = f"{len(emitted.sources)} SystemVerilog files, top module {emitted.top}"
    with clock.stage("reference"):
        reference = _labels(acc, acc.predict(x))
        labels, doubled = software.labels(False), None
        clock.summary = f"accuracy {np.mean(reference == data.y):.2%}, software "
        clock.summary += "not run" if labels is None else f"{np.mean(labels == data.y):.2%}"
        if labels is not None and (labels != reference).any():
            doubled = software.labels(True)  # float32 rounds ties apart: ask again where hardly anything rounds
            if doubled is not None:
                doubled = _settled(acc, x, doubled, reference)
    with clock.stage("cosim"):
        count = min(len(x), options.images or max(1, int(_COSIM_BUDGET / acc.design.estimate.lut / acc.timing.interval)))
        simulation = acc.simulate(x[:count], emitted=emitted, jobs=jobs, progress=lambda done: clock.progress.note(f"{done:,} of {count:,} images"))
        paused = acc.simulate(x[: max(2, min(_PAUSED_IMAGES, count // 4))], emitted=emitted, jobs=jobs, pause_seed=1)
        if options.trace:
            _trace(acc, emitted, simulation, x, directory / "trace.fst", jobs)
        rtl = _labels(acc, simulation.outputs)
        clock.summary = f"{count:,} images, {simulation.comparison.bits:,} bits compared, {simulation.comparison.mismatches} wrong"
    cells = estimate = routed = gates = None
    with clock.stage("synth"):
        clock.summary = "skipped (--no-synth)"
        if options.synth:
            cells = acc.synthesize(emitted=emitted, jobs=jobs, progress=lambda block, found: clock.progress.note(f"{block}: {found.lut} LUTs"))
            estimate = acc.estimate_clock(emitted=emitted, jobs=jobs)
            clock.summary = f"{sum(c.lut for c in cells.values()):,} LUTs of {board.resources.lut:,}, estimated clock {estimate}"
        if options.synth and options.route and (vivado := place.vivado()):
            clock.progress.note("placing and routing with Vivado")
            routed = place.place(
                vivado, emitted.sources, emitted.directory, emitted.top, board.part, acc.design.clock_mhz, timeout_s=_PLACE_TIMEOUT_S
            )
            clock.summary += f"; {routed.mhz:.0f} MHz placed and routed by {routed.tool}"
        if options.netlist:
            gates = _netlist(acc, emitted, x[:count], directory / "netlist", jobs, clock.progress)
            clock.summary += f"; their netlist: {gates.comparison.bits:,} bits compared, {gates.comparison.mismatches} wrong"
    with clock.stage("report"):
        watts = acc.estimate_power(simulation, cells) if simulation.activity.cycles else None
        outcome = Outcome(acc, emitted, data, labels, doubled, reference, rtl, simulation, paused, cells, estimate, routed, gates, watts)
        result = summarize(outcome, asked_fps=options.fps, traced=options.trace, options=_plain(options), seconds=clock.seconds)
        report.write(result, directory)
        clock.summary = "report.html, report.json"
    return replace(result, seconds=dict(clock.seconds))


def import_model(options: Options) -> Graph:
    """The imported graph of the model alone. An ONNX file states its input's shape, so it needs no data."""
    if is_onnx(options.model) and options.data is None:
        from hwqnn.frontend.qonnx import import_qonnx

        path = Path(options.model)
        return import_qonnx(path, name=path.stem, input_scale=options.input_scale or PIXEL_SCALE)
    return import_for(*_load(options)).graph


def _load(options: Options) -> tuple[str, torch.nn.Module | Path, Dataset]:
    """The model's name; the module, or the ONNX file; and the data."""
    from hwqnn import data, frontend, zoo

    if is_onnx(options.model):
        if options.weights is not None:
            raise InputError(f"'{options.model}' carries its own weights; --weights goes with path/to/model.py:factory")
        return Path(options.model).stem, Path(options.model), data.load(_asked_data(options), scale=options.input_scale)
    if options.model in zoo.MODELS:
        entry = zoo.MODELS[options.model]
        if options.weights is not None:
            raise InputError(f"'{options.model}' carries its own weights; --weights goes with path/to/model.py:factory")
        dataset = data.load(options.data or entry.dataset, scale=options.input_scale)
        return entry.name, zoo.load(entry.name, options.seed), dataset
    if ":" not in options.model:
        zoo.load(options.model)  # names the nearest built-in model
    import torch

    torch.manual_seed(options.seed)
    model = frontend.load_model(options.model, options.weights)
    return options.model.rpartition(":")[2], model, data.load(_asked_data(options), scale=options.input_scale)


def _asked_data(options: Options) -> str:
    if options.data is None:
        raise InputError(f"which data to run '{options.model}' on? Give --data: mnist, a folder of IDX files, or an .npz with x and y")
    return options.data


def _netlist(acc: Accelerator, emitted: Emitted, x: np.ndarray, directory: Path, jobs: int, progress: Progress) -> Simulation:
    """Runs images through the netlist that yosys made."""
    progress.note("compiling the netlist")
    netlist = acc.write_netlist(directory, emitted=emitted, jobs=jobs)
    try:
        return acc.simulate(x, emitted=netlist, jobs=jobs, progress=lambda done: progress.note(f"{done:,} of {len(x):,} images as gates"))
    except CheckError as error:
        raise CheckError(f"the synthesized netlist fails: {error}") from error


def _each(shape: tuple[int, ...]) -> str:
    return f"each of {' x '.join(map(str, shape))} pixels" if shape else "each image"


def _labels(acc: Accelerator, outputs: np.ndarray) -> np.ndarray:
    """The best label of each image or pixel from what the accelerator gives; exact also when that is scores."""
    edge, head = acc.graph.edges[acc.graph.output], acc.graph.op(acc.graph.output)
    if isinstance(head, ArgMax):
        return outputs[:, 0] if head.k > 1 else outputs
    scores = Graph("scores", (Input(name="scores_in", inputs=(), type=edge.type, shape=edge.shape),), "scores_in", acc.graph.meaning)
    return layout.to_user(Executor(append_argmax(scores), threads=1).run(layout.to_hardware(outputs, edge.shape)))


def _settled(acc: Accelerator, x: np.ndarray, labels: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The software's labels, but the reference's where both are exactly as good: float64, too, rounds some ties apart."""
    differ = np.flatnonzero((labels != reference).reshape(len(labels), -1).any(axis=1))
    if not differ.size:
        return labels
    tied = differ[as_good(acc.imported, acc.encode(x[differ]), labels[differ], reference[differ])]
    settled = labels.copy()
    settled[tied] = reference[tied]
    return settled


def _trace(acc: Accelerator, emitted: Emitted, simulation: Simulation, x: np.ndarray, path: Path, jobs: int) -> None:
    """A waveform of the first wrong image and its neighbours, or of the first two images."""
    first = simulation.comparison.first
    image = max(0, first.image - 1) if first is not None else 0
    acc.simulate(x[image : image + 2], emitted=emitted, jobs=jobs, waveform=path)


def _plain(options: Options) -> dict[str, str | int | float | bool | None]:
    """The options as plain values, for the record."""
    plain: dict[str, str | int | float | bool | None] = {}
    for name, value in vars(options).items():
        if isinstance(value, Head | Port):
            plain[name] = str(value.value)
        elif isinstance(value, int | float | bool | None):
            plain[name] = value
        elif isinstance(value, Mapping):
            plain[name] = ", ".join(f"{key}={number:g}" for key, number in value.items())
        else:  # a path may hold bytes that are no UTF-8
            plain[name] = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return plain
