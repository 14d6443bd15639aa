"""The depthwise unit under cocotb, as emitted: convolutions with padding, thresholds and multipliers of every kind; average pools, whose weights are
one word. What has two forms is the same as in the mvu, whose bench runs both."""

from matrix_blocks import Layer
from test_mvu import BRAM, DSP, FUSED, run_layers

GRID = (
    Layer(1, 1, 1, 1, "u1", "bipolar", store=FUSED, lanes=True),
    Layer(3, 1, 2, 5, "bipolar", "bipolar", taps=5, pixels=6, pad=2, store=FUSED, lanes=True),
    Layer(2, 1, 3, 4, "bipolar", "bipolar", levels=0, taps=4, pixels=5, pad=1, lanes=True, clock_mhz=200),
    Layer(2, 1, 1, 3, "bipolar", "bipolar", levels=0, taps=3, pixels=4, store=BRAM, lanes=True),
    Layer(4, 1, 2, 3, "i4", "i4", levels=15, taps=3, pixels=4, lanes=True, clock_mhz=300),
    Layer(1, 1, 5, 2, "u8", "bipolar", levels=3, taps=2, pixels=5, store=FUSED, lanes=True, clock_mhz=200),
    Layer(2, 1, 2, 5, "bipolar", "i2", levels=2, taps=5, pixels=4, pad=2, lanes=True, clock_mhz=None),
    Layer(2, 1, 2, 6, "i8", "i8", levels=0, taps=6, pixels=4, product=DSP, lanes=True),
    Layer(3, 1, 1, 9, "u8", "i5", taps=9, pixels=3, product=DSP, store=BRAM, lanes=True, clock_mhz=200),
)
AVERAGES = (
    Layer(3, 1, 2, 4, "u4", "u1", levels=0, taps=4, pixels=4, ones=True, store=FUSED, lanes=True),
    Layer(1, 1, 3, 9, "i3", "u1", levels=3, taps=9, pixels=2, ones=True, store=FUSED, lanes=True, clock_mhz=300),
    Layer(4, 1, 1, 49, "bipolar", "u1", taps=49, ones=True, store=FUSED, lanes=True),
)


def test_depthwise(tmp_path, monkeypatch):
    run_layers("depthwise", (*GRID, *AVERAGES), "xc7", tmp_path, monkeypatch)
