"""What must hold of every network: exact model, reference simulator and RTL agree in every bit, and the RTL in every cycle."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import exact_model
import numpy as np
from networks import Network, random_pins

from hwqnn.accelerator import Accelerator, Port, fold_onto
from hwqnn.boards import Board, Capacity, Clocks, Memory
from hwqnn.ir import Graph, MatMul
from hwqnn.passes import Head, expose_codes, lower
from hwqnn.reference import Executor

HUGE = Board("huge", "a board that everything fits", "", Capacity(10**9, 10**9, 10**9, 10**9, 10**9), Clocks(100.0, 250.0), Memory(1))


def check_reference(network: Network) -> Graph:
    """The canonical graph, after comparing: imported graph in exact reals = canonical graph in Python integers = `trace` = `run`."""
    imported, graph = network.imported, lower(network.imported, network.head)
    executor = Executor(graph, threads=1)
    traced, ran = executor.trace(network.images), executor.run(network.images)
    assert (ran.reshape(len(ran), -1) == traced[graph.output].reshape(len(ran), -1)).all()
    negated = {op.name: signs(imported.op(op.name), op) for op in graph.ops if isinstance(op, MatMul)}
    for i, image in enumerate(network.images.tolist()):
        exact = exact_model.trace(imported, image)
        for name, integers in exact.items():
            if name in traced:
                got = traced[name][i] * negated.get(name, 1)
                assert got.tolist() == integers, f"image {i}, '{name}': the reference gives {got.tolist()}, exactly it is {integers}"
        for name, integers in exact_model.trace(graph, image).items():
            assert traced[name][i].tolist() == integers, f"image {i}, '{name}' of the canonical graph"
        if network.head is Head.LABEL:
            label = exact_model.label(imported, image)
            assert ran[i].tolist() == [label], f"image {i}: label {ran[i].tolist()}, exactly it is {label}"
    return graph


def signs(imported: MatMul, canonical: MatMul) -> np.ndarray:
    """+1 for each channel whose weights the passes left alone, -1 for each that they negated."""
    same = (imported.weight == canonical.weight).all(axis=1)
    assert (same | (imported.weight == -canonical.weight).all(axis=1)).all()
    return np.where(same, 1, -1)


def accelerator(network: Network, graph: Graph) -> Accelerator:
    hardware = graph if network.port is Port.RAW else expose_codes(graph)[0]
    pins = random_pins(hardware, network.folding)
    return fold_onto(
        network.imported, graph, HUGE, fps=None, clock_mhz=None, port=network.port, input_scale=Fraction(1), pins=pins, threads=1
    )  # fmt: skip


def check_folding(network: Network, made: Accelerator) -> None:
    """The design is a chain whose beats fit, and it keeps the foldings asked for."""
    pins = random_pins(made.hardware, network.folding)
    for a, b in pairwise(made.design.nodes):
        assert a.block.beat_out == b.block.beat_in
    for node in made.design.nodes:
        if node.edge is not None and node.layer in pins.layers:
            assert (node.block.beat_in.elements, node.block.beat_out.elements) == (pins.layers[node.layer].simd, pins.layers[node.layer].pe)
    assert pins.input_elements in (None, made.design.nodes[0].block.beat_in.elements)


def check_rtl(network: Network, made: Accelerator, pause_seed: int = 7) -> None:
    """Every block's every bit in RTL, with each cycle as predicted; and every bit again while both sides pause at random."""
    images = np.concatenate([network.images] * 3)  # enough frames for the blocks to work at the same time
    emitted = None
    for seed in (0, pause_seed):
        done = made.simulate(images, emitted=emitted, jobs=1, pause_seed=seed)
        assert done.comparison.mismatches == 0, f"pauses {seed}: {done.comparison.first}"
        assert (done.outputs == made.predict(images)).all()
        assert seed or done.as_predicted, "a frame did not come out in its predicted cycle"
