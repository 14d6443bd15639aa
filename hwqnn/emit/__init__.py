"""From a `Design` to RTL files."""

from hwqnn.emit.verilog import Emitted, EmittedNode, emit

__all__ = ["Emitted", "EmittedNode", "emit"]
