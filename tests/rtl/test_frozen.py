"""rtl/frozen.sv with its datapath, as emitted, on the bench of the matrix-vector units: all kinds of operands, every way to end, padding."""

import pytest
from bench_runner import FORMS
from matrix_blocks import Layer
from test_mvu import run_layers

from hwqnn.dataflow.design import Store

LAYERS = [
    Layer(1, 1, 1, 1, "bipolar", "bipolar"),
    Layer(8, 24, 1, 1, "bipolar", "bipolar", clock_mhz=200),
    Layer(5, 32, 1, 1, "bipolar", "bipolar", levels=0, clock_mhz=300),
    Layer(6, 15, 1, 1, "bipolar", "bipolar", taps=5, pixels=6, pad=2),
    Layer(5, 12, 1, 1, "bipolar", "ternary", taps=3, pixels=5, pad=1, levels=3, clock_mhz=200),
    Layer(4, 9, 1, 1, "bipolar", "bipolar", taps=3, pixels=4, pad=1, levels=0),
    Layer(7, 18, 1, 1, "u2", "ternary", levels=3, taps=3, pixels=3, pad=1, clock_mhz=None),
    Layer(3, 5, 1, 1, "i4", "i4", levels=7, clock_mhz=200),
    Layer(3, 10, 1, 1, "u8", "bipolar", levels=1, pixels=2),
    Layer(3, 6, 1, 1, "i3", "u3", levels=0, clock_mhz=300),
]


@pytest.mark.parametrize("form", FORMS)
def test_streams(form, tmp_path, monkeypatch):
    layers = [Layer(**(vars(layer) | {"store": Store.FROZEN})) for layer in LAYERS]
    run_layers("mvu", layers, form, tmp_path, monkeypatch)
