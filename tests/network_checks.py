"""What must hold of every network: Brevitas, exact model, reference simulator and RTL agree in every bit, and the RTL in every cycle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import batch_cosim
import exact_model
import numpy as np
from networks import Network, random_fifos, random_pins

from hwqnn import cosim
from hwqnn.accelerator import Accelerator, Port, fold_onto
from hwqnn.boards import Board, Capacity, Clocks, Memory
from hwqnn.dataflow import simulate
from hwqnn.dataflow.design import Block, Store
from hwqnn.dataflow.frozen import Frozen
from hwqnn.dataflow.matrix_block import MatrixBlock
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.emit import Emitted, emit
from hwqnn.errors import HwqnnError
from hwqnn.ir import Graph, Input, Reshape
from hwqnn.passes import Head, expose_codes, lower, lower_requantize
from hwqnn.reference import Executor

HUGE = Board("huge", "a board that everything fits", "", Capacity(10**9, 10**9, 10**9, 10**9, 10**9), Clocks(100.0, 1000.0), Memory(1))


def flat(values: np.ndarray) -> list[int]:
    return values.reshape(-1).tolist()


def check_reference(network: Network) -> Graph:
    """The canonical graph, after comparing.

    The imported graph in exact reals = the thresholds of each of its edges in Python integers = the output of the graph that the passes make of it;
    and of that one, every edge in Python integers = `trace` = `run`.
    """
    imported = network.imported
    graph = imported if network.lowered else lower(imported, network.head, network.top)
    if not network.lowered:
        compare_meaning(network, lower_requantize(imported), graph)
    executor = Executor(graph, threads=1)
    traced, ran = executor.trace(network.images), executor.run(network.images)
    for i, image in enumerate(network.images):
        for name, integers in exact_model.trace(graph, flat(image)).items():
            got = flat(traced[name][i])
            assert got == integers, f"image {i}, {graph.op(name).kind} '{name}' of the canonical graph: trace gives {got}, exactly it is {integers}"
        got = flat(ran[i])
        assert got == integers_of(traced, graph, i), f"image {i}: run gives {got}, trace {integers_of(traced, graph, i)}"
    return graph


def integers_of(traced: dict[str, np.ndarray], graph: Graph, image: int) -> list[int]:
    return flat(traced[graph.output][image])


def compare_meaning(network: Network, thresholds: Graph, canonical: Graph) -> None:
    """All in exact arithmetic: imported = its thresholds, edge by edge; and the canonical graph's output is the labels or scores of the imported."""
    imported = network.imported
    for i, image in enumerate(network.images):
        exact = exact_model.trace(imported, flat(image))
        for name, integers in exact_model.trace(thresholds, flat(image)).items():
            assert integers == exact[name], f"image {i}, '{name}': the thresholds give {integers}, exactly it is {exact[name]}"
        want = exact[imported.output]
        if network.head is Head.LABEL:
            reals = exact_model.apply_chain(imported.meaning, want, imported.edges[imported.output].channels)
            want = exact_model.greatest(reals, imported.edges[imported.output].channels, network.top)
        got = exact_model.evaluate(canonical, flat(image))
        assert got == want, f"image {i}: the canonical graph gives {got}, exactly it is {want}"


def accelerator(network: Network, graph: Graph) -> Accelerator:
    port, hardware = network.port, graph
    if port is Port.CODES:
        hardware = expose_codes(graph)[0]
        if all(isinstance(op, Input | Reshape) for op in hardware.ops):  # passes may merge all there is into the input's thresholds
            port, hardware = Port.RAW, graph
    build = network.build
    pins = random_pins(hardware, network.folding, build.clock_mhz)
    made = fold_onto(
        network.imported, graph, HUGE, fps=build.fps, clock_mhz=build.clock_mhz, port=port, input_scale=Fraction(1), pins=pins, threads=1
    )
    design = random_fifos(made.design, network.folding)
    return replace(made, solution=replace(made.solution, design=design), timing=simulate(design))


def check_folding(network: Network, made: Accelerator) -> None:
    """Streams join blocks whose beats fit, each has one reader, and the design keeps the foldings asked for."""
    pins = random_pins(made.hardware, network.folding, network.build.clock_mhz)
    nodes = {node.name: node for node in made.design.nodes}
    read = []
    for node in made.design.nodes:
        assert len(node.inputs) == len(node.block.beats_in)
        for source, beat in zip(node.inputs, node.block.beats_in, strict=True):
            if source.node is not None:
                read.append((source.node, source.port))
                assert nodes[source.node].block.beat_out == beat
    last = made.design.nodes[-1].name
    assert sorted(read) == sorted((n.name, port) for n in made.design.nodes for port in range(n.block.outputs) if n.name != last)
    for node in made.design.nodes:
        if node.edge is not None and node.layer in pins.layers:
            pin, block = pins.layers[node.layer], node.block
            assert (block.beat_in.elements, block.beat_out.elements) == (pin.simd, pin.pe)
            assert (pin.store is Store.FROZEN) == isinstance(block, Frozen)
            assert not isinstance(block, MatrixBlock) or (block.store, block.product) == (pin.store, pin.product)
    assert pins.input_elements in (None, made.design.nodes[0].block.beat_in.elements)


def kind_of(block: Block) -> str:
    """What is to be met in a campaign: a block, with where its memory lies and what it multiplies with."""
    if isinstance(block, MatrixBlock):
        return f"{type(block).__name__.lower()} {block.store} {block.product}"
    if isinstance(block, Frozen):
        levels = min(block.forms.levels, 2)
        return f"frozen {('sums', 'signs', 'codes')[levels]}" + (", padded" if block.classes > 1 else "")
    if isinstance(block, Fifo):
        return f"fifo {block.store.name.lower()}"
    return block.module + (" bram" if getattr(block, "bram", False) else "")


@dataclass(frozen=True, eq=False)
class Case:
    """A network on its accelerator, to be simulated."""

    network: Network
    made: Accelerator


def check_rtl(cases: Sequence[Case], work: Path, runtime: Path) -> list[str | None]:
    """Simulates all in one simulator: every block's every bit with each cycle as predicted, and every bit again while both sides pause at random.

    Returns:
        For each case what is wrong with it, None where nothing is. When the batch does not even compile, one by one.
    """
    try:
        emitted = [emit(case.made.design, work / f"rtl{i}", case.network.build.target) for i, case in enumerate(cases)]
        try:
            simulators = batch_cosim.build(emitted, work / "build", runtime)
        except AssertionError as error:
            if len(cases) == 1:
                return [str(error)]
            return [why for i, case in enumerate(cases) for why in check_rtl([case], work / f"alone{i}", runtime)]
        return [run_rtl(*parts) for parts in zip(cases, emitted, simulators, strict=True)]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_rtl(case: Case, emitted: Emitted, simulator: cosim.Simulator) -> str | None:
    made = case.made
    images = np.concatenate([case.network.images] * 3)  # enough frames for the blocks to work at the same time
    expected = made.executor.trace(images)
    entry = expected[made.hardware.input.name]
    patience = 4 * (made.timing.latency + made.timing.interval) + 1000
    predicted = simulate(made.design, len(images)).stamps
    for seed in (0, 7):
        try:
            trace = cosim.run(emitted, simulator, entry.reshape(len(entry), -1), patience=patience, pause_seed=seed)
        except (HwqnnError, ValueError) as error:
            return f"pauses {seed}: {error}"
        comparison = cosim.compare(made.design, trace, expected)
        if comparison.mismatches:
            return f"pauses {seed}: {comparison.mismatches} bits differ; {comparison.first}"
        if seed == 0 and not np.array_equal(predicted, trace.stamps[0]):
            return f"frames came out in cycles {trace.stamps[0].tolist()}, predicted {predicted.tolist()}"
    return None
