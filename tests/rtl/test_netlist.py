"""The benches of the matrix blocks, which use nearly every module, again, on what yosys makes of them: LUTs, carries, registers, LUT RAM, DSP48s."""

import test_depthwise
import test_mvu
from yosys import synthesize


def test_mvu_netlist(tmp_path, monkeypatch):
    # popcount and sign; products, the search and its ROMs; groups, padding and doubled agreements; multipliers, with an accumulator and without
    rows = [*test_mvu.BINARY[2:4], test_mvu.INTEGER[1], test_mvu.CONVOLUTION[2], *test_mvu.MULTIPLIERS[:2]]
    test_mvu.run_layers("mvu", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)


def test_depthwise_netlist(tmp_path, monkeypatch):
    rows = [test_depthwise.GRID[1], test_depthwise.GRID[7], test_depthwise.AVERAGES[1]]
    test_mvu.run_layers("depthwise", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)
