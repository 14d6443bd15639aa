"""Cycle-accurate simulation of the emitted RTL under Verilator, compared with the reference simulator bit for bit."""

from hwqnn.cosim.build import Simulator, build
from hwqnn.cosim.compare import Comparison, Mismatch, compare
from hwqnn.cosim.netlist import write_netlist
from hwqnn.cosim.run import Activity, Trace, run

__all__ = ["Activity", "Comparison", "Mismatch", "Simulator", "Trace", "build", "compare", "run", "write_netlist"]
