"""The benches of the matrix blocks, which use nearly every module, again, on what yosys makes of them: LUTs, carries, registers, LUT RAM,
block RAM, DSP48s."""

from dataclasses import replace

import test_depthwise
import test_frozen
import test_mvu
from yosys import synthesize

from hwqnn.dataflow.design import Store


def test_mvu_netlist(tmp_path, monkeypatch):
    # popcount and sign, weights in the products' LUTs and in block RAM; products, the search and its ROMs; groups, padding and doubled agreements;
    # multipliers, with an accumulator and without; weights as logic, padding and codes
    frozen = replace(test_frozen.LAYERS[4], store=Store.FROZEN)
    rows = [test_mvu.BINARY[2], test_mvu.BINARY[7], test_mvu.INTEGER[1], test_mvu.CONVOLUTION[2], *test_mvu.MULTIPLIERS[:2], frozen]
    test_mvu.run_layers("mvu", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)


def test_depthwise_netlist(tmp_path, monkeypatch):
    rows = [test_depthwise.GRID[1], test_depthwise.GRID[7], test_depthwise.AVERAGES[1]]
    test_mvu.run_layers("depthwise", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)
