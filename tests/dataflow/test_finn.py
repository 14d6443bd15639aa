"""Folding files of FINN."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from every_design import BOARD, CLOCK
from hand_made import Net

from hwqnn.dataflow import fold
from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.pins import Pin
from hwqnn.errors import InputError
from hwqnn.ir import ArgMax, Bipolar, Graph, Int, UInt


def network() -> Graph:
    """Bytes; two convolutions, the second depthwise; a pool; a convolution of the whole map; labels."""
    net = Net(UInt(8), (8, 8, 3))
    net.conv(8, 3, of=Int(4))
    net.quantize(2)
    net.conv(8, 3, of=Int(2), groups=8)
    net.sign()
    net.pool(2)
    net.conv(6, 2, of=Bipolar())
    net.add(ArgMax, None)
    return net.graph("finn")


FILE = {
    "Defaults": {"resType": ["lut", ["MVAU_hls"]], "ram_style": ["auto", "all"]},
    "ConvolutionInputGenerator_rtl_0": {"SIMD": 3, "ram_style": "block", "parallel_window": 1},
    "MVAU_rtl_0": {"PE": 4, "SIMD": 9, "resType": "dsp", "ram_style": "block", "mem_mode": "internal_decoupled", "runtime_writeable_weights": 0},
    "StreamingFIFO_rtl_0": {"depth": 32},
    "ConvolutionInputGenerator_rtl_1": {"SIMD": 2, "ram_style": "distributed"},
    "VVAU_hls_0": {"PE": 2, "SIMD": 1, "resType": "lut"},
    "StreamingFIFO_rtl_1": {"depth": 32},
    "StreamingMaxPool_hls_0": {"PE": 2},
    "ConvolutionInputGenerator_rtl_2": {"SIMD": 8},
    "MVAU_hls_0": {"PE": 3, "SIMD": 8, "ram_style": "ultra"},
    "LabelSelect_hls_0": {"PE": 2},
}


def read(tmp_path: Path, document: object) -> fold.Pins:
    path = tmp_path / "finn.json"
    path.write_text(json.dumps(document))
    return fold.read_pins(path, network(), CLOCK)


def test_nodes_are_layers_in_turn(tmp_path: Path) -> None:
    pins = read(tmp_path, FILE)
    assert pins.layers == {
        "conv1": Pin(9, 4, Store.BRAM, Product.DSP),
        "conv3": Pin(None, 2, None, Product.PLANES),
        "maxpool5": Pin(None, 2),
        "conv6": Pin(8, 3, None, Product.PLANES),
        "argmax7": Pin(2, None),
    }
    assert pins.windows == {"conv1": Pin(3, 27, Store.BRAM), "conv3": Pin(2, None, Store.LUT)}
    assert pins.notes == (
        "ram_style=ultra of MVAU",
        "ConvolutionInputGenerator_rtl_2",
        "StreamingFIFO (2)",
    )


def test_the_design_has_that_folding(tmp_path: Path) -> None:
    layers = fold.pins_of(fold.solve(network(), BOARD, clock_mhz=CLOCK, fps=None, pins=read(tmp_path, FILE)).design)["layers"]
    assert layers["conv1"] == {
        "pe": 4, "simd": 9, "store": "bram", "product": "dsp", "window": {"elements": 3, "gives": 27, "store": "bram"},
    }  # fmt: skip
    assert (layers["conv3"]["pe"], layers["conv3"]["window"]["elements"]) == (2, 2)
    assert (layers["maxpool5"]["pe"], layers["conv6"]["pe"], layers["conv6"]["simd"], layers["argmax7"]["simd"]) == (2, 3, 8, 2)


@pytest.mark.parametrize("operator", ["MatrixVectorActivation", "StreamingFCLayer_Batch", "MVAU", "MVAU_rtl"])
def test_every_version_of_finn(tmp_path: Path, operator: str) -> None:
    pins = read(tmp_path, {f"{operator}_{i}": {"PE": 2, "SIMD": 1} for i in range(2)})
    assert pins.layers == {"conv1": Pin(1, 2), "conv6": Pin(1, 2)}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"Defaults": {}, "MVAU_0": {"PE": 1}}, "it has 1 nodes MVAU, but finn has 2 such layers: conv1, conv6"),
        ({"MVAU_0": {}, "MVAU_1": {"PE": 4}}, "MVAU_1, here layer 'conv6', cannot take pe=4: pe is one of 1, 2, 3, 6"),
        ({"MVAU_0": {"SIMD": "3"}, "MVAU_1": {}}, "MVAU_0, here layer 'conv1', cannot take simd=3"),
        ({"MVAU_0": 3}, "'MVAU_0' is no node of FINN"),
        ({"Defaults": {"PE": 3}, "MVAU_0": {}}, "'PE' of 'Defaults' must be a list"),
        ({"Defaults": []}, "'Defaults' must be a table"),
    ],
)
def test_what_does_not_go(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(InputError, match=rf"finn\.json: {message}"):
        read(tmp_path, document)
