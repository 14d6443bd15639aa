"""What reports say of how each block is built."""

import json
from pathlib import Path

import numpy as np
from hand_made import Net

from hwqnn import boards
from hwqnn.dataflow import fold
from hwqnn.ir import Bipolar, Int, Threshold, UInt


def test_styles(tmp_path: Path) -> None:
    net = Net(UInt(8), (8, 8, 4))
    net.add(Threshold, None, name="quant", thresholds=np.array([[99]]), descending=np.array([False]), base=-1, step=2, type=Bipolar())
    net.conv(8, 3)
    net.add(Threshold, None, name="codes", thresholds=np.array([[-9, 0, 9]]), descending=np.array([True]), base=0, step=1, type=UInt(2))
    net.pool(2, stride=(1, 1))
    net.pool(2)
    net.conv(4, 2, of=Int(8), padding=(1, 1, 1, 1))
    layers = {
        "conv2": {"pe": 2, "simd": 4, "store": "bram", "window": {"elements": 4, "gives": 4, "store": "lut"}},
        "maxpool4": {"pe": 2, "simd": 2, "window": {"elements": 2, "store": "bram"}},
        "maxpool5": {"pe": 2, "simd": 2},
        "conv6": {"pe": 1, "simd": 2, "product": "dsp", "window": {"elements": 2, "gives": 2, "store": "lut"}},
    }
    path, graph = tmp_path / "fold.json", net.graph("styles")
    path.write_text(json.dumps({"layers": layers}))
    design = fold.solve(graph, boards.load("zynq7020"), clock_mhz=100.0, fps=None, pins=fold.read_pins(path, graph, 100.0)).design
    found = {n.name: n.block.style for n in design.nodes}
    sizes = {n.layer: n.block.size.capacity for n in design.nodes if n.block.module == "window"}
    assert found["quant.threshold"] == "one comparison"
    assert found["conv2.window"] == f"ring of {sizes['conv2']} pixels in LUTs"
    assert found["conv2.mvu"] == "XNOR, weights in BRAM"
    assert found["codes.threshold"] == "binary search in 2 steps"
    assert found["maxpool4.window"] == f"ring of {sizes['maxpool4']} pixels in BRAM"
    assert found["maxpool5.pool"] == "the best of each window of a row in LUT RAM"
    assert found["conv6.mvu"] == "DSP48, weights in LUTs"
