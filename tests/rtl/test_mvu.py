"""The matrix-vector unit under cocotb: rtl/mvu.sv with its datapath, as emitted. All folding extremes, all kinds of operands, all stores of weights,
both kinds of multipliers, clocks that want few registers and many, every way to end, groups and padding."""

import pytest
from bench_runner import FORMS, PORTS, run_bench
from matrix_blocks import Layer, make

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Store

LUT, FUSED, BRAM, DSP = Store.LUT, Store.FUSED, Store.BRAM, Product.DSP

BINARY = (
    Layer(1, 1, 1, 1, "bipolar", "bipolar", store=FUSED),
    Layer(1, 7, 1, 3, "bipolar", "bipolar", store=FUSED, clock_mhz=None),
    Layer(4, 16, 2, 5, "bipolar", "bipolar", store=FUSED),
    Layer(4, 16, 2, 5, "bipolar", "bipolar", clock_mhz=300),
    Layer(1, 64, 10, 1, "bipolar", "bipolar", clock_mhz=200),
    Layer(1, 64, 10, 1, "bipolar", "bipolar", store=FUSED, clock_mhz=300),
    Layer(3, 5, 3, 7, "bipolar", "bipolar", levels=0, store=BRAM),
    Layer(1, 8, 10, 8, "bipolar", "bipolar", levels=0, store=BRAM, clock_mhz=300),
    Layer(2, 33, 1, 2, "bipolar", "bipolar", levels=3),
    Layer(2, 3, 17, 1, "bipolar", "bipolar", levels=7, clock_mhz=200),
    Layer(2, 200, 3, 1, "bipolar", "bipolar", store=FUSED, clock_mhz=200),
)
INTEGER = (
    Layer(1, 1, 2, 1, "u8", "bipolar", store=FUSED),
    Layer(2, 6, 2, 3, "i4", "i2", levels=2, clock_mhz=200),
    Layer(3, 4, 1, 4, "bipolar", "i3", levels=0, store=FUSED),
    Layer(1, 5, 4, 2, "u2", "u2", levels=3, store=BRAM, clock_mhz=None),
    Layer(2, 2, 2, 2, "i8", "i8", levels=255, clock_mhz=300),
    Layer(2, 3, 3, 2, "u3", "bipolar", levels=0, store=FUSED, clock_mhz=300),
    Layer(2, 10, 3, 11, "ternary", "ternary", levels=1),
    Layer(1, 2, 1, 1, "u3", "i4", levels=0, store=FUSED),
)
CONVOLUTION = (
    Layer(2, 6, 1, 3, "bipolar", "bipolar", taps=3, pixels=5, pad=1, store=FUSED),
    Layer(1, 5, 2, 2, "bipolar", "bipolar", levels=0, taps=5, pixels=4, pad=2, clock_mhz=200),
    Layer(2, 3, 2, 3, "bipolar", "bipolar", levels=3, groups=2, taps=3, pixels=4, pad=1, clock_mhz=300),
    Layer(1, 4, 1, 1, "bipolar", "bipolar", groups=3, taps=2, pixels=4),
    Layer(3, 2, 1, 4, "bipolar", "i3", taps=4, pixels=3, pad=1, store=BRAM, clock_mhz=200),
    Layer(1, 3, 3, 2, "bipolar", "ternary", levels=5, groups=2, taps=2, pixels=4, pad=1, store=FUSED),
    Layer(2, 2, 2, 2, "i4", "i3", levels=0, groups=2, taps=4, pixels=6),
    Layer(1, 2, 1, 3, "u2", "bipolar", levels=3, groups=5, taps=3, pixels=2),
)
MULTIPLIERS = (
    Layer(2, 1, 3, 5, "u8", "i8", levels=0, product=DSP),
    Layer(2, 3, 1, 4, "i5", "i4", levels=3, taps=2, pixels=6, product=DSP, clock_mhz=300),
    Layer(1, 2, 2, 2, "u8", "bipolar", groups=2, pixels=4, product=DSP, store=BRAM, clock_mhz=200),
    Layer(1, 1, 2, 7, "bipolar", "i8", levels=0, taps=7, pad=2, pixels=4, product=DSP, store=BRAM),
    Layer(2, 4, 1, 1, "i8", "u6", levels=7, product=DSP),
    Layer(1, 11, 1, 3, "u5", "i6", levels=0, product=DSP, clock_mhz=200),
    Layer(2, 1, 11, 4, "i4", "i5", product=DSP, clock_mhz=300),
    Layer(3, 1, 2, 1, "u8", "i5", product=DSP),
)
INSTANCE = """  {wrapper} i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .s_tdata_i(c{k}_s_tdata), .s_tvalid_i(c{k}_s_tvalid), .s_tlast_i(c{k}_s_tlast), .s_tready_o(c{k}_s_tready),
    .m_tdata_o(c{k}_m_tdata), .m_tvalid_o(c{k}_m_tvalid), .m_tlast_o(c{k}_m_tlast), .m_tready_i(c{k}_m_tready)
  );"""


def run_layers(bench, layers, form, tmp_path, monkeypatch, **options):
    run_emitted(bench, [make(layer, k, tmp_path, form) for k, layer in enumerate(layers)], form, tmp_path, monkeypatch, **options)


def run_emitted(bench, made, form, tmp_path, monkeypatch, **options):
    """Blocks as `matrix_blocks.make` returns them, by their wrappers."""
    cases, widths, sources = zip(*made, strict=True)
    sources = sorted({path for paths in sources for path in paths})
    run_bench(tmp_path, monkeypatch, bench, list(cases), list(widths), form=form, sources=sources, ports=PORTS, instance=INSTANCE, **options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grid", [BINARY, INTEGER, CONVOLUTION, MULTIPLIERS], ids=["binary", "integer", "convolution", "multipliers"])
def test_mvu(grid, form, tmp_path, monkeypatch):
    run_layers("mvu", grid, form, tmp_path, monkeypatch)
