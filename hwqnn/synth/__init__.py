"""Measured resources: yosys in a child process, block by block, cached by content."""

from hwqnn.synth.cells import Cells, count
from hwqnn.synth.run import synthesize
from hwqnn.synth.unit import Unit
from hwqnn.synth.yosys import source, yosys_version

__all__ = ["Cells", "Unit", "count", "source", "synthesize", "yosys_version"]
