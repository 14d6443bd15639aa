"""QONNX files to the graph: reads what Brevitas, FINN and others write, node by node, into the symbols that the Brevitas frontend uses too."""

from hwqnn.frontend.qonnx.file import OnnxFile
from hwqnn.frontend.qonnx.importer import import_qonnx

__all__ = ["OnnxFile", "import_qonnx"]
