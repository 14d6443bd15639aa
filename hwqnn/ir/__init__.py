"""The integer-typed graph that everything else reads: types, ops, the graph, its text form and its file form."""

from hwqnn.ir.geometry import Geometry
from hwqnn.ir.graph import Graph
from hwqnn.ir.joins import Add, Concat
from hwqnn.ir.ops import ArgMax, ChannelAffine, Edge, Input, MatMul, Op, Requantize, Threshold
from hwqnn.ir.real import Affine, BatchNorm, Clamp, Piece, Quantizer, Rounding, SignQuantizer, UniformQuantizer, exact
from hwqnn.ir.spatial import Conv, MaxPool, Reshape, Upsample
from hwqnn.ir.types import Bipolar, Int, Ternary, Type, UInt, smallest
from hwqnn.ir.votes import Decide, Vote

__all__ = [
    "Add", "Affine", "ArgMax", "BatchNorm", "Bipolar", "ChannelAffine", "Clamp", "Concat", "Conv", "Decide", "Edge", "Geometry", "Graph", "Input",
    "Int", "MatMul", "MaxPool", "Op", "Piece", "Quantizer", "Requantize", "Reshape", "Rounding", "SignQuantizer", "Ternary", "Threshold", "Type",
    "UInt", "UniformQuantizer", "Upsample", "Vote", "exact", "smallest",
]  # fmt: skip
