"""Networks with forks and joins, made by hand: every bit and every cycle stamp of their RTL, against plain Python, with and without pauses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hand_made import GRAPHS
from oracle import evaluate, values_of
from primitives import write_models

from hwqnn import boards, cosim
from hwqnn.dataflow import fold, simulate
from hwqnn.emit import emit
from hwqnn.tools import verilator_binary, verilator_environment

FRAMES = 4


@pytest.mark.parametrize(("name", "fps"), [("residual", 5e4), ("branches", 1.1e5), ("flat", 2e6)])
def test_bits_and_stamps(name: str, fps: float, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    design = fold.solve(graph, boards.load("zynq7020"), clock_mhz=100.0, fps=fps).design
    x = values_of(np.random.default_rng(0), graph.input.type, (FRAMES, *graph.input.shape))
    images = [evaluate(graph, image) for image in x.tolist()]
    expected = {op: np.array([values[op] for values in images]) for op in images[0]}

    emitted = emit(design, tmp_path)
    command = [str(verilator_binary()), "--lint-only", "-Wall", "--no-timing", "--top-module", emitted.top]
    sources = map(str, (write_models(tmp_path), *emitted.sources))
    lint = subprocess.run([*command, *sources], env=verilator_environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stderr  # a warning ends Verilator with an error

    simulator, timing = cosim.build(emitted), simulate(design)
    for pause_seed in (0, 1, 2):
        trace = cosim.run(emitted, simulator, x, patience=10 * timing.latency, pause_seed=pause_seed)
        found = cosim.compare(design, trace, expected)
        assert (found.mismatches, found.first, trace.finished) == (0, None, FRAMES)
        assert found.bits > FRAMES * sum(graph.edges[n.edge].type.bits * np.prod(graph.edges[n.edge].shape) for n in design.nodes if n.edge)
        if not pause_seed:
            (stamps,) = trace.stamps
            assert stamps.tolist() == timing.first(FRAMES).tolist()


def test_a_wrong_pixel_is_named(tmp_path: Path) -> None:
    """One wrong value inside a map, behind a fork: its layer, pixel and channel."""
    graph = GRAPHS["flat"]()
    design = fold.solve(graph, boards.load("zynq7020"), clock_mhz=100.0, fps=2e6).design
    x = values_of(np.random.default_rng(0), graph.input.type, (FRAMES, *graph.input.shape))
    images = [evaluate(graph, image) for image in x.tolist()]
    expected = {op: np.array([values[op] for values in images]) for op in images[0]}
    emitted = emit(design, tmp_path)
    trace = cosim.run(emitted, cosim.build(emitted), x, patience=10_000)
    edge = design.nodes[0].edge or next(n.edge for n in design.nodes if n.edge)
    expected[edge] = expected[edge].copy()
    expected[edge][2, 0, 0, 5] ^= 1
    found = cosim.compare(design, trace, expected)
    assert (found.mismatches, found.first.image, found.first.pixel, found.first.channel) == (1, 2, (0, 0), 5)
    assert f"image 2, layer '{design.nodes[0].layer}' (mvu), pixel (0, 0), channel 5" in str(found.first)
