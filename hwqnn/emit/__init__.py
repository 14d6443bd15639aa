"""From a `Design` to RTL files."""

from hwqnn.emit.verilog import Emitted, EmittedNode, Target, emit, padded_bits

__all__ = ["Emitted", "EmittedNode", "Target", "emit", "padded_bits"]
