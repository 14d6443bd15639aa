"""From a quantized PyTorch model to a proven FPGA accelerator, without a vendor tool."""

from hwqnn.accelerator import Accelerator, Port, Simulation, compile
from hwqnn.errors import CheckError, GraphError, HwqnnError, InputError, ToolError, UnsupportedError
from hwqnn.passes import Head

__all__ = [
    "Accelerator", "CheckError", "GraphError", "Head", "HwqnnError", "InputError", "Port", "Simulation", "ToolError", "UnsupportedError", "compile",
]  # fmt: skip
__version__ = "0.1.0"
