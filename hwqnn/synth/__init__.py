"""Measured resources: yosys in a child process, block by block, cached by content."""

from hwqnn.synth.cells import count
from hwqnn.synth.models import models, primitives
from hwqnn.synth.run import netlists, synthesize
from hwqnn.synth.unit import Unit
from hwqnn.synth.yosys import Netlist, source, yosys_version

__all__ = ["Netlist", "Unit", "count", "models", "netlists", "primitives", "source", "synthesize", "yosys_version"]
