"""Pools and upsampling of maps. They act on the integers, so the real chain stays behind them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend.maps import as_map, map_index, on_integers, padding_op, unpadded
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol
from hwqnn.ir import Affine, BatchNorm, Clamp, Conv, Geometry, MaxPool, UInt, Upsample, exact


def max_pool(builder: GraphBuilder, place: Place, name: str, x: Symbol, geometry: Geometry) -> Symbol:
    """The greatest in each window, padding never counting; on integers it is the least where the real value falls as they rise.

    Raises:
        UnsupportedError: `x` lies in an order that the op cannot read.
    """
    x, order = as_map(builder, x, place)
    op = MaxPool(name=builder.fresh(name), inputs=(x.producer,), geometry=geometry, minimum=falling(x))
    out = builder.add(op, last=str(place))
    return out.moved(map_index(out.edge.shape, order, x)).then(*x.chain)


def falling(x: Symbol) -> np.ndarray:
    """Whether the real value falls as the integer rises: bool (1,) or by channel. A constant does neither."""
    sign = exact([1])
    for piece in x.chain:
        match piece:
            case Affine():
                sign = sign * piece.mul
            case BatchNorm():
                sign = sign * piece.gamma
            case Clamp():
                pass
    return np.array([value < 0 for value in sign])


def window_sum(builder: GraphBuilder, place: Place, name: str, x: Symbol, geometry: Geometry, divisor: int = 1) -> Symbol:
    """The sum over each window, padding counting as 0, divided by `divisor`: a depthwise convolution with ones.

    An average without padding commutes with affine maps and batch norms, so those may stand before it as they are.

    Raises:
        UnsupportedError: `x` lies in an order that the op cannot read, or is not an affine function of integers.
    """
    x, order = as_map(builder, x, place)
    x, geometry = unpadded(builder, x, geometry)
    channels, taps = x.edge.channels, geometry.taps
    through = not any(geometry.padding) and not any(isinstance(piece, Clamp) for piece in x.chain)
    bare, mul, add = (x, exact([1]), exact([0])) if through else on_integers(builder, x, place, groups=channels, zero=any(geometry.padding))
    ones = np.ones((channels, *geometry.kernel, 1), dtype=np.int64)
    op = Conv(name=builder.fresh(name), inputs=(bare.producer,), weight=ones, weight_type=UInt(1), geometry=geometry, groups=channels)
    mean = builder.add(op, last=str(place)).affine(mul / Fraction(taps), add)
    return mean.moved(map_index(mean.edge.shape, order, x)).then(*(x.chain if through else ())).scaled(Fraction(taps, divisor))


def upsample(builder: GraphBuilder, place: Place, name: str, x: Symbol, factor: tuple[int, int]) -> Symbol:
    """Repeats each element `factor` = (down, across) times.

    Raises:
        UnsupportedError: `x` lies in an order that the op cannot read.
    """
    x, order = as_map(builder, x, place)
    out = builder.add(Upsample(name=builder.fresh(name), inputs=(x.producer,), factor=factor), last=str(place))
    return out.moved(map_index(out.edge.shape, order, x)).then(*x.chain)


def pad(builder: GraphBuilder, place: Place, name: str, x: Symbol, padding: tuple[int, int, int, int]) -> Symbol:
    """Zeros around the map, (top, left, bottom, right): a convolution with 1. A convolution behind it takes it into its own window.

    Raises:
        UnsupportedError: `x` is real-valued, lies in an order that the op cannot read, or has no integer for 0.
    """
    x, order = as_map(builder, x, place)
    x, geometry = unpadded(builder, x, Geometry((1, 1), padding=padding))
    bare, mul, add = on_integers(builder, x, place, groups=x.edge.channels, zero=True)
    out = builder.add(padding_op(builder.fresh(name), bare, geometry.padding), last=str(place))
    return out.moved(map_index(out.edge.shape, order, x)).affine(mul, add)
