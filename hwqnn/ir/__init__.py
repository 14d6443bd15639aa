"""The integer-typed graph that everything else reads: types, ops, the graph, its text form and its file form."""

from hwqnn.ir.graph import Graph
from hwqnn.ir.ops import ArgMax, ChannelAffine, Edge, Input, MatMul, Op, Requantize, Threshold
from hwqnn.ir.real import Affine, BatchNorm, Clamp, Piece, Quantizer, Rounding, SignQuantizer, UniformQuantizer, exact
from hwqnn.ir.types import Bipolar, Int, Ternary, Type, UInt, smallest

__all__ = [
    "Affine", "ArgMax", "BatchNorm", "Bipolar", "ChannelAffine", "Clamp", "Edge", "Graph", "Input", "Int", "MatMul", "Op", "Piece",
    "Quantizer", "Requantize", "Rounding", "SignQuantizer", "Ternary", "Threshold", "Type", "UInt", "UniformQuantizer", "exact", "smallest",
]  # fmt: skip
