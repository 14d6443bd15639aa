"""From PyTorch or QONNX to the graph: loads the user's model, and records what it computes, by running it or node by node."""

from hwqnn.frontend.importer import import_brevitas
from hwqnn.frontend.load import load_model
from hwqnn.frontend.qonnx import import_qonnx

__all__ = ["import_brevitas", "import_qonnx", "load_model"]
