"""Networks whose layers are frozen wherever they can be: bits and cycle stamps of their RTL against plain Python, with and without pauses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hand_made import GRAPHS
from network_checks import HUGE
from oracle import evaluate, values_of

from hwqnn import cosim
from hwqnn.dataflow import fold, simulate
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.pins import Pin, Pins
from hwqnn.dataflow.stage import stages
from hwqnn.emit import emit

FRAMES = 4


@pytest.mark.parametrize("name", ["residual", "flat"])
def test_bits_and_stamps(name: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    able = [s for s in stages(graph, 100.0) if any(f.store is Store.FROZEN for f in s.foldings)]
    pins = Pins({stage.layer: Pin(store=Store.FROZEN) for stage in able})
    design = fold.solve(graph, HUGE, clock_mhz=100.0, fps=None, pins=pins).design
    assert able and sum(node.block.module == "frozen" for node in design.nodes) == len(able)
    x = values_of(np.random.default_rng(0), graph.input.type, (FRAMES, *graph.input.shape))
    images = [evaluate(graph, image) for image in x.tolist()]
    expected = {op: np.array([values[op] for values in images]) for op in images[0]}
    emitted = emit(design, tmp_path)
    simulator, timing = cosim.build(emitted), simulate(design)
    for pause_seed in (0, 1):
        trace = cosim.run(emitted, simulator, x, patience=10 * timing.latency, pause_seed=pause_seed)
        found = cosim.compare(design, trace, expected)
        assert (found.mismatches, found.first, trace.finished) == (0, None, FRAMES)
        if not pause_seed:
            (stamps,) = trace.stamps
            assert stamps.tolist() == timing.first(FRAMES).tolist()
