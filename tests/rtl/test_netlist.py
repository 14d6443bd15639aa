"""The benches of the matrix blocks, which use nearly every module, again, on what yosys makes of them: LUTs, carries, registers, LUT RAM, DSP48s."""

import test_depthwise
import test_mvu
from bench_runner import run_bench
from yosys import synthesize


def test_mvu_netlist(tmp_path, monkeypatch):
    # popcount and sign; products, the search and its ROMs; groups, padding and doubled agreements; multipliers, with an accumulator and without
    rows = [test_mvu.BINARY[2], test_mvu.INTEGER[1], test_mvu.CONVOLUTION[2], *test_mvu.MULTIPLIERS[:2]]
    cases, roms = zip(*(test_mvu.make(*row) for row in rows), strict=True)
    widths = [(c["SIMD"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "mvu", list(cases), widths, list(roms), synthesize)


def test_depthwise_netlist(tmp_path, monkeypatch):
    made = [test_depthwise.convolution(*row) for row in (test_depthwise.GRID[1], test_depthwise.GRID[7])]
    cases, roms = zip(*made, test_depthwise.average(*test_depthwise.AVERAGES[1]), strict=True)
    widths = [(c["PE"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "depthwise", list(cases), widths, list(roms), synthesize)
