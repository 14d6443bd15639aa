"""Ranges against all inputs of small graphs: no value outside, and both ends reached wherever they claim to be exact."""

from __future__ import annotations

from itertools import product

import exact_model
import numpy as np
import pytest

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Add, Bipolar, ChannelAffine, Concat, Conv, Geometry, Graph, Input, Int, MatMul, MaxPool, Op, Reshape, Type, UInt, Upsample
from hwqnn.passes.ranges import channel_ranges

WEIGHT = np.array([[1, -2], [3, 1], [-1, -1]])


def reached(ops: list[Op]) -> dict[str, tuple[list[int], list[int]]]:
    """The least and greatest value of each channel of each edge over all inputs."""
    graph = Graph("g", tuple(ops), ops[-1].name)
    entry = graph.input
    values = (-1, 1) if entry.type == Bipolar() else range(entry.type.min, entry.type.max + 1)
    seen: dict[str, list[list[int]]] = {}
    for x in product(values, repeat=int(np.prod(entry.shape))):
        for name, flat in exact_model.trace(graph, x).items():
            seen.setdefault(name, []).extend(np.reshape(flat, (-1, graph.edges[name].channels)).tolist())
    return {name: (np.min(rows, axis=0).tolist(), np.max(rows, axis=0).tolist()) for name, rows in seen.items()}


def found(ops: list[Op]) -> dict[str, tuple[list[int], list[int]]]:
    ranges = channel_ranges(Graph("g", tuple(ops), ops[-1].name))
    return {name: (lo.tolist(), hi.tolist()) for name, (lo, hi) in ranges.items()}


def conv(source: str, channels: int, padding: int) -> Conv:
    """1 x 2, to 3 channels."""
    weight = np.stack([WEIGHT, WEIGHT[::-1]], axis=1)[:, None, :, :channels]
    geometry = Geometry((1, 2), padding=(0, padding, 0, padding))
    return Conv(name="c", inputs=(source,), weight=weight, weight_type=Int(4), geometry=geometry, groups=1)


@pytest.mark.parametrize("of", [UInt(1), Int(2), Bipolar()], ids=str)
@pytest.mark.parametrize("padding", [0, 1])
def test_what_follows_a_convolution(of: Type, padding: int) -> None:
    """Exact for the convolution, unless bipolar values meet padding, and for all that carries its range on."""
    ops: list[Op] = [
        Input(name="x", inputs=(), type=of, shape=(1, 3, 2)),
        conv("x", 2, padding),
        ChannelAffine(name="affine", inputs=("c",), mul=np.array([2, -3, 0]), add=np.array([1, 0, -7])),
        MaxPool(name="pool", inputs=("affine",), geometry=Geometry((1, 1), (1, 2)), minimum=np.array([True, False, True])),
        Upsample(name="up", inputs=("pool",), factor=(1, 2)),
        Reshape(name="flat", inputs=("up",), shape=(6 * (1 + padding),)),
    ]
    want, got = reached(ops), found(ops)
    tight = of != Bipolar() or not padding
    for name in want:
        lo, hi = np.array(want[name]), np.array(got[name])
        assert (hi[0] <= lo[0]).all() and (hi[1] >= lo[1]).all(), name
        if tight and name != "flat":  # a flat element at the edge of the map meets padding at every input
            assert got[name] == want[name], name


def test_joins() -> None:
    """Of independent halves of the input the sums are exact."""
    half = np.array([[1, 0, 0, 0], [2, -1, 0, 0], [0, -1, 0, 0]])
    ops: list[Op] = [
        Input(name="x", inputs=(), type=Int(2), shape=(4,)),
        MatMul(name="a", inputs=("x",), weight=half, weight_type=Int(3)),
        MatMul(name="b", inputs=("x",), weight=half[:, [2, 3, 1, 0]] * 3, weight_type=Int(4)),
        Add(name="sum", inputs=("a", "b")),
        Concat(name="cat", inputs=("a", "b")),
        Concat(name="all", inputs=("cat", "sum")),
    ]
    assert found(ops) == reached(ops)


def test_a_reshape_that_mixes_channels() -> None:
    ops: list[Op] = [
        Input(name="x", inputs=(), type=Int(2), shape=(2,)),
        MatMul(name="a", inputs=("x",), weight=np.array([[1, 0], [0, 3], [1, 1], [2, 0]]), weight_type=Int(3)),
        Reshape(name="pairs", inputs=("a",), shape=(2, 2)),
    ]
    assert found(ops)["pairs"] == ([-6, -6], [3, 3])


def test_too_wide() -> None:
    ops = (
        Input(name="x", inputs=(), type=Int(8), shape=(1,)),
        ChannelAffine(name="a", inputs=("x",), mul=np.array([2**60]), add=np.array([0])),
    )
    with pytest.raises(UnsupportedError, match=r"'a' may need 68 bits"):
        channel_ranges(Graph("g", ops, "a"))
