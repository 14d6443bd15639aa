"""How a symbol lies on a map, and the integers behind it: what every operation over maps asks first."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol, as_line, as_objects, channels_first, shape_text
from hwqnn.ir import Affine, ChannelAffine, Concat, Conv, Geometry, UInt, exact

FACTOR_BITS, TERM_BITS = 16, 32
"""How wide integers may become, to go into products or into sums, when scales that differ are made one; more is no few-bit arithmetic."""


def as_map(builder: GraphBuilder, x: Symbol, place: Place) -> tuple[Symbol, np.ndarray]:
    """`x` of shape (C, H, W) or (C, L) on an edge (H, W, channels), with no other row or column in it.

    Returns:
        The symbol, whose edge may hold more channels than C, and the edge's channel of each of the C, int64 (C,).

    Raises:
        UnsupportedError: the elements lie in another order.
    """
    order = channel_order(x)
    if order is None:
        raise place.fail(
            f"the elements of its input of shape {shape_text(x)} do not lie as the channels of a map (after {x.last}); it reads (N, channels, "
            "height, width) or (N, channels, length), every row and column of it: leave out the view, permute, flatten or slice before it"
        )
    height, width = x.shape[-2:] if x.index.ndim == 3 else (1, x.shape[-1])
    return builder.reshape(x, (height, width, math.prod(x.edge.shape) // (height * width)), place), order


def channel_order(x: Symbol) -> np.ndarray | None:
    """The channel of a map's edge in which each index of the first axis lies, int64; None when the elements lie in another order."""
    if x.index.ndim not in (2, 3):
        return None
    index, size = x.index.reshape(len(x.index), -1), math.prod(x.edge.shape)
    places, order = index.shape[1], index[:, 0]
    channels = size // places
    there = order[:, None] + channels * np.arange(places)
    return order if channels * places == size and order.max() < channels and np.array_equal(index, there) else None


def map_index(edge_shape: tuple[int, ...], order: np.ndarray, like: Symbol) -> np.ndarray:
    """The index of a map edge (H, W, channels) of which torch sees the channels `order`; of one axis less when `like` is a signal."""
    index = channels_first(edge_shape)[order]
    return index if like.index.ndim == 3 else index.reshape(len(order), -1)


def on_integers(builder: GraphBuilder, x: Symbol, place: Place, *, groups: int = 1, zero: bool = False) -> tuple[Symbol, np.ndarray, np.ndarray]:
    """`x` as mul * q + add, where q are the integers of the symbol returned, `mul` is one in each group of channels and, with `zero`, add is 0.

    Where that is not so already, a `ChannelAffine` makes it so: exactly, or not at all.

    Returns:
        The symbol with an empty chain; `mul` and `add`, Fractions of length 1 or the edge's channels.

    Raises:
        UnsupportedError: `x` is no integer times a scale plus an offset, or has no common scale.
    """
    mul, add = as_line(x, place)
    channels = x.edge.channels
    bare = Symbol(x.producer, x.edge, x.index, (), x.last)
    rows = by_channel(mul, channels).reshape(groups, -1)
    if (rows == rows[:, :1]).all() and not (zero and (add != 0).any()):
        return bare, mul, add
    offsets = by_channel(add, channels)
    members = np.concatenate([rows, offsets.reshape(groups, -1)], axis=1) if zero else rows
    steps = np.repeat(as_objects(common_step(list(row)) for row in members), channels // groups)
    what = "the zeros that pad its input, and the offset of that input" if zero else "the scales of its input's channels"
    aligned = affine_op(builder, bare, rows.reshape(-1) / steps, offsets / steps if zero else exact([0] * channels), place, what, FACTOR_BITS)
    return aligned, one_or_all(steps), exact([0]) if zero else add


def whole(x: Symbol, scale: Fraction, zero_point: Fraction, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """(mul, add), whole, with mul * q + add the integer nearest to x / scale + zero_point for every q of the edge.

    Raises:
        UnsupportedError: x is not, but for the errors of float32, an integer times the scale.
    """
    mul, add = as_line(x, place)
    mul, add = mul / scale, add / scale + zero_point
    near_mul, near_add = (as_objects(Fraction(round(v)) for v in values) for values in (mul, add))
    error = max(abs(mul - near_mul)) * max(abs(x.edge.type.min), abs(x.edge.type.max)) + max(abs(add - near_add))
    if error >= Fraction(1, 4):
        raise place.fail(f"its input, after {x.last}, is not an integer times its scale of {float(scale):g}")
    return near_mul, near_add


def padding_op(name: str, x: Symbol, padding: tuple[int, int, int, int]) -> Conv:
    """The convolution that does nothing but put zeros around a map."""
    channels = x.edge.channels
    ones = np.ones((channels, 1, 1, 1), dtype=np.int64)
    return Conv(name=name, inputs=(x.producer,), weight=ones, weight_type=UInt(1), geometry=Geometry((1, 1), padding=padding), groups=channels)


def unpadded(builder: GraphBuilder, x: Symbol, geometry: Geometry) -> tuple[Symbol, Geometry]:
    """`x` without the zeros that a `padding_op` has put around it, and a window that pads instead. Anything else stays as it is."""
    op = builder.op(x.producer)
    scaled = all(isinstance(piece, Affine) and (piece.add == 0).all() for piece in x.chain)
    if not isinstance(op, Conv) or not scaled or op.geometry != Geometry((1, 1), padding=op.geometry.padding) or (op.weight != 1).any():
        return x, geometry
    if op.groups != x.edge.channels or op.groups != len(op.weight):
        return x, geometry
    top, left, bottom, right = (p + q for p, q in zip(geometry.padding, op.geometry.padding, strict=True))
    (source,) = op.inputs
    inner = replace(x, producer=source, edge=builder.edges[source])  # its index is stale: whoever asks takes the map's own
    return inner, replace(geometry, padding=(top, left, bottom, right))


def common_step(values: list[Fraction]) -> Fraction:
    """The greatest number of which all `values` are whole multiples; 1 when all are 0."""
    below = math.lcm(*(v.denominator for v in values))
    return Fraction(math.gcd(*(int(v * below) for v in values)), below) or Fraction(1)


def affine_op(builder: GraphBuilder, x: Symbol, mul: np.ndarray, add: np.ndarray, place: Place, what: str, bits: int) -> Symbol:
    """The integers mul * x + add; whole Fractions (channels,). Nothing is added for the identity. `what` is to be made one, for the error.

    Each branch of a concatenation gets its own, so that one that needs more bits does not widen the others.

    Raises:
        UnsupportedError: they need more than `bits` bits.
    """
    if (mul == 1).all() and (add == 0).all():
        return x
    if isinstance(join := builder.op(x.producer), Concat):
        cut = builder.edges[join.inputs[0]].channels
        a, b = (builder.symbol(name, x.last) for name in join.inputs)
        a, b = affine_op(builder, a, mul[:cut], add[:cut], place, what, bits), affine_op(builder, b, mul[cut:], add[cut:], place, what, bits)
        return builder.add(Concat(name=builder.fresh(f"{join.name}@aligned"), inputs=(a.producer, b.producer)), x.index, x.last)
    reach = max(abs(int(m) * v + int(a)) for m, a in zip(mul, add, strict=True) for v in (x.edge.type.min, x.edge.type.max))
    if reach.bit_length() >= bits:
        raise place.fail(
            f"{what} (after {x.last}) have no common integer scale of at most {bits} bits: {reach.bit_length() + 1} bits would be needed; put a "
            "quantizer before it, share one quantizer among what meets, or use scales that are powers of two"
        )
    to_int = np.vectorize(int, otypes=[np.int64])
    return builder.add(
        ChannelAffine(name=builder.fresh(f"{x.producer}@aligned"), inputs=(x.producer,), mul=to_int(mul), add=to_int(add)), x.index, x.last
    )


def by_channel(values: np.ndarray, channels: int) -> np.ndarray:
    return values if len(values) == channels else np.repeat(values, channels)


def one_or_all(values: np.ndarray) -> np.ndarray:
    return values[:1] if (values == values[0]).all() else values
