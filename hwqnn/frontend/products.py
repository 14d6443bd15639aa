"""Products with constant integer weights: matrix products, over the last axis of any shape, and convolutions."""

from __future__ import annotations

import numpy as np

from hwqnn.frontend.maps import as_map, by_channel, channel_order, map_index, on_integers, unpadded
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol, as_objects, dot_rows, shape_text
from hwqnn.ir import Bipolar, Conv, Geometry, MatMul, Ternary, Type, smallest


def weight_type(weight: np.ndarray) -> Type:
    """The cheapest type that holds these values."""
    if (abs(weight) == 1).all():
        return Bipolar()
    lo, hi = int(weight.min()), int(weight.max())
    return Ternary() if lo >= -1 and hi <= 1 else smallest(lo, hi)


def matmul(builder: GraphBuilder, place: Place, name: str, x: Symbol, weight: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> Symbol:
    """scale * weight @ x + bias along the last axis of `x`: a `MatMul`, or on (N, ..., features) a 1x1 `Conv`.

    Args:
        weight: int64 (out, features).
        scale, bias: Fractions of length 1 or out.

    Raises:
        UnsupportedError: `x` is real-valued, or lies in an order that the op cannot read.
    """
    if weight.shape[1] != x.shape[-1]:
        raise place.fail(f"a weight for {weight.shape[1]} features, on a tensor of shape {shape_text(x)}")
    if x.index.ndim > 1:
        places = x.shape[:-1] if x.index.ndim == 3 else (1, -1)  # of a map whose channels come last, the map stays
        rows = x.moved(np.moveaxis(x.index, -1, 0).reshape(x.shape[-1], *places))
        if channel_order(rows) is None:
            raise place.fail(
                f"its features, the last axis of {shape_text(x)}, are no channels of its input (after {x.last}); flatten to (N, features)"
            )
        out = conv(builder, place, name, rows, weight[:, :, None, None], scale, bias, Geometry((1, 1)), 1)
        return out.moved(np.moveaxis(out.index.reshape(-1, *x.shape[:-1]), 0, -1))
    channels = x.edge.channels
    bare, alpha, delta = on_integers(builder, x, place)
    line = builder.flat(bare, place)
    spread = np.zeros((len(weight), line.edge.channels), dtype=np.int64)
    spread[:, x.index] = weight
    op = MatMul(name=builder.fresh(name), inputs=(line.producer,), weight=spread, weight_type=weight_type(spread))
    offset = dot_rows(weight, by_channel(delta, channels)[x.index % channels]) * scale + bias if (delta != 0).any() else bias
    return builder.add(op, last=str(place)).affine(scale * alpha, offset)


def conv(
    builder: GraphBuilder, place: Place, name: str, x: Symbol, weight: np.ndarray, scale: np.ndarray, bias: np.ndarray,
    geometry: Geometry, groups: int,
) -> Symbol:  # fmt: skip
    """scale * conv(x, weight) + bias on `x` of shape (C, H, W) or (C, L).

    Args:
        weight: int64 (out, C / groups, kernel height, kernel width), as torch has it.
        scale, bias: Fractions of length 1 or out.

    Raises:
        UnsupportedError: `x` is real-valued, lies in an order that the op cannot read, or padding with 0 is no integer in its scale.
    """
    x, order = as_map(builder, x, place)
    x, geometry = unpadded(builder, x, geometry)
    weight, groups, source = along_channels(weight.transpose(0, 2, 3, 1), groups, order, x.edge.channels)
    bare, alpha, delta = on_integers(builder, x, place, groups=groups, zero=any(geometry.padding))
    op = Conv(
        name=builder.fresh(name), inputs=(bare.producer,), weight=weight, weight_type=weight_type(weight), geometry=geometry, groups=groups
    )  # fmt: skip
    scale, bias = (v if len(v) == 1 else v[source] for v in (scale, bias))
    if (delta != 0).any():
        taps = weight.sum(axis=(1, 2)).reshape(groups, -1, weight.shape[-1])
        parts = by_channel(delta, x.edge.channels).reshape(groups, -1)
        bias = as_objects(v for rows, part in zip(taps, parts, strict=True) for v in dot_rows(rows, part)) * scale + bias
    if len(alpha) > 1:
        alpha = np.repeat(alpha.reshape(groups, -1)[:, 0], len(weight) // groups)
    out = builder.add(op, last=str(place)).affine(scale * alpha, bias)
    return out.moved(map_index(out.edge.shape, np.argsort(source), x))


def along_channels(weight: np.ndarray, groups: int, order: np.ndarray, channels: int) -> tuple[np.ndarray, int, np.ndarray]:
    """A weight (out, kh, kw, in / groups) that reads the channels `order` of an edge with `channels`, rewritten to read all of them in their order.

    A permutation that keeps groups together moves groups and their weights; any other choice of channels becomes a dense weight with zeros.

    Returns:
        The weight, its groups, and for each of its outputs the output of the given weight that it computes.
    """
    outs, *kernel, width = weight.shape
    blocks = order.reshape(groups, width)
    inside, first = np.argsort(blocks, axis=1), np.argsort(blocks.min(axis=1))
    kept = np.take_along_axis(blocks, inside, axis=1)[first]
    if len(order) == channels and np.array_equal(kept.reshape(-1), np.arange(channels)):
        grouped = weight.reshape(groups, -1, *kernel, width)
        grouped = np.take_along_axis(grouped, inside[:, None, None, None, :], axis=-1)[first]
        return grouped.reshape(weight.shape), groups, np.arange(outs).reshape(groups, -1)[first].reshape(-1)
    dense = np.zeros((outs, *kernel, channels), dtype=np.int64)
    for rows, block in zip(np.arange(outs).reshape(groups, -1), blocks, strict=True):
        dense[np.ix_(rows, *map(np.arange, kernel), block)] = weight[rows]
    return dense, 1, np.arange(outs)
