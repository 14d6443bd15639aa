"""The executor on maps and joins, against the meaning of each op in Python's integers, and against torch."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from oracle import evaluate, random_geometry, random_maps, values_of

from hwqnn.ir import Add, ArgMax, Bipolar, Concat, Conv, Geometry, Graph, Input, Int, MatMul, MaxPool, Op, Reshape, Threshold, Type, UInt, Upsample
from hwqnn.reference import Executor
from hwqnn.reference.plan import Value


def check(graph: Graph, x: np.ndarray) -> Executor:
    """Output, fast and step by step, and every edge."""
    expected = [evaluate(graph, image) for image in x.tolist()]
    executor = Executor(graph, threads=1)
    assert executor.run(x).tolist() == [values[graph.output] for values in expected]
    for name, values in executor.trace(x).items():
        assert values.tolist() == [image[name] for image in expected], name
    return executor


@pytest.mark.parametrize("seed", range(100))
def test_random_maps(seed: int) -> None:
    check(*random_maps(seed))


@pytest.mark.parametrize("seed", range(40))
def test_convolutions_and_pools_are_those_of_torch(seed: int) -> None:
    """In float64, which holds all of these sums; groups, strides, dilations; padding on four sides by torch's own pad with zeros."""
    rng = np.random.default_rng(seed)
    height, width, groups = (int(rng.integers(2, 12)) for _ in range(3))
    inputs, outputs = (groups * int(n) for n in rng.integers(1, 4, 2))
    if seed % 4 == 0:
        groups, inputs = 1, 64 * int(rng.integers(1, 3))
    elif seed % 4 == 1:  # depthwise, or in groups of many outputs: panels that are full, wide, or hardly begun
        groups, inputs, outputs = [(16, 16, 16), (33, 33, 33), (64, 64, 64), (3, 9, 51), (2, 4, 64)][seed // 4 % 5]
    kinds: list[Type] = [Bipolar(), Bipolar(), Int(4), UInt(8)]
    of, weight_type = kinds[rng.integers(4)], kinds[rng.integers(3)]
    x, geometry = values_of(rng, of, (5, height, width, inputs)), random_geometry(rng, height, width)
    weight = values_of(rng, weight_type, (outputs, *geometry.kernel, inputs // groups))
    entry = Input(name="x", inputs=(), type=of, shape=x.shape[1:])
    conv = Conv(name="c", inputs=("x",), weight=weight, weight_type=weight_type, geometry=geometry, groups=groups)
    top, left, bottom, right = geometry.padding
    maps = torch.from_numpy(x).double().permute(0, 3, 1, 2)
    padded = torch.nn.functional.pad(maps, (left, right, top, bottom))
    kernel = torch.from_numpy(weight).double().permute(0, 3, 1, 2)
    want = torch.nn.functional.conv2d(padded, kernel, stride=geometry.stride, dilation=geometry.dilation, groups=groups)
    assert (Executor(Graph("g", (entry, conv), "c"), threads=1).run(x) == want.permute(0, 2, 3, 1).numpy()).all()

    if not all(inside.any(axis=1).all() for inside in geometry.inside(height, width)):
        return
    pool = MaxPool(name="p", inputs=("x",), geometry=geometry, minimum=np.array([False]))
    padded = torch.nn.functional.pad(maps, (left, right, top, bottom), value=-torch.inf)
    want = torch.nn.functional.max_pool2d(padded, geometry.kernel, geometry.stride, dilation=geometry.dilation)
    assert (Executor(Graph("g", (entry, pool), "p"), threads=1).run(x) == want.permute(0, 2, 3, 1).numpy()).all()


def padded_ones(kernel_sign: int, *readers: Op) -> Graph:
    """A 3 x 3 kernel of equal signs over a padded 3 x 3 map of ones, one channel."""
    geometry = Geometry((3, 3), padding=(1, 1, 1, 1))
    weight = np.full((1, 3, 3, 1), kernel_sign)
    conv = Conv(name="c", inputs=("x",), weight=weight, weight_type=Bipolar(), geometry=geometry, groups=1)
    return Graph("g", (Input(name="x", inputs=(), type=Bipolar(), shape=(3, 3, 1)), conv, *readers), readers[-1].name if readers else "c")


NUMBERS = np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]])[None, :, :, None]
"""shared/exactness.md, item 9."""


@pytest.mark.parametrize("sign", [1, -1])
def test_zero_padding_of_bipolar_values_contributes_nothing(sign: int) -> None:
    ones = np.ones((1, 3, 3, 1), np.int64)
    assert (Executor(padded_ones(sign)).run(ones) == sign * NUMBERS).all()
    for limit, descending in product(range(-10, 11), (False, True)):
        t = Threshold(name="t", inputs=("c",), thresholds=np.array([[limit]]), descending=np.array([descending]), base=-1, step=2, type=Bipolar())
        one = Conv(name="d", inputs=("t",), weight=np.ones((1, 1, 1, 1), np.int64), weight_type=Bipolar(), geometry=Geometry((1, 1)), groups=1)
        executor = Executor(padded_ones(sign, t, one))
        assert executor.run(ones).tolist() == np.where((sign * NUMBERS >= limit) ^ descending, 1, -1).tolist()
        assert {call.writes for call in executor._fast} == {
            Value("x", packed=True),
            Value("t", packed=True),
            Value("d"),
        }  # on packed bits, the sum never stored


def bits(shape: tuple[int, ...], *ops: Op) -> Graph:
    return Graph("g", (Input(name="x", inputs=(), type=Bipolar(), shape=shape), *ops), ops[-1].name)


def read(source: str, channels: int, name: str = "read") -> Conv:
    """What makes its source a packed one."""
    weight = values_of(np.random.default_rng(channels), Bipolar(), (5, 1, 1, channels))
    return Conv(name=name, inputs=(source,), weight=weight, weight_type=Bipolar(), geometry=Geometry((1, 1)), groups=1)


@pytest.mark.parametrize("channels", [3, 64, 65, 128])
@pytest.mark.parametrize("other", [1, 64])
def test_moves_on_packed_bits(channels: int, other: int) -> None:
    """Pool, upsample, concatenation and reshape between packed edges stay packed; a second reader in the clear gets its integers, too."""
    rng = np.random.default_rng(channels)
    whole = channels + other
    pooled = MaxPool(name="p", inputs=("x",), geometry=Geometry((2, 2), padding=(1, 0, 0, 1)), minimum=rng.random(channels) < 0.5)
    narrow = Conv(
        name="n", inputs=("x",), weight=values_of(rng, Bipolar(), (other, 2, 2, channels)), weight_type=Bipolar(),
        geometry=Geometry((2, 2), padding=(1, 0, 0, 1)), groups=1,
    )  # fmt: skip
    sign = Threshold(name="s", inputs=("n",), thresholds=np.array([[1]]), descending=np.array([False]), base=-1, step=2, type=Bipolar())
    join = Concat(name="j", inputs=("p", "s"))
    up = Upsample(name="u", inputs=("j",), factor=(2, 1))
    flat = Reshape(name="r", inputs=("u",), shape=(4 * 2 * whole,))
    fc = MatMul(name="fc", inputs=("r",), weight=values_of(rng, Bipolar(), (6, 4 * 2 * whole)), weight_type=Bipolar())
    graph = bits((2, 2, channels), pooled, narrow, sign, join, up, flat, fc)
    executor = check(graph, values_of(rng, Bipolar(), (5, 2, 2, channels)))
    assert {call.writes for call in executor._fast} == {Value(name, packed=True) for name in "xpsjur"} | {Value("fc")}

    clear = bits(
        (2, 2, channels), pooled, read("p", channels), Reshape(name="q", inputs=("read",), shape=(2, 2, 5)), Concat(name="j", inputs=("q", "p"))
    )
    check(clear, values_of(rng, Bipolar(), (5, 2, 2, channels)))


@pytest.mark.parametrize("top", [15, 24, 31, 53])
def test_convolutions_at_the_edge_of_each_arithmetic(top: int) -> None:
    """2^15 overflows int16 and 2^31 int32, 2^24 + 1 has no float32 and 2^53 + 1 no float64; ahead of a threshold, too, and channel by channel."""
    entry = Input(name="x", inputs=(), type=UInt(1), shape=(1, 4, 1))
    x = np.array(list(product((0, 1), repeat=4))).reshape(-1, 1, 4, 1)
    for end in (2**top - 2, 2**top - 1, 2**top):
        weight = np.array([[end, 1, 0, -1], [-end, -1, 0, 0], [end, -1, 1, -end]]).reshape(3, 1, 4, 1)
        conv = Conv(name="c", inputs=("x",), weight=weight, weight_type=Int(60), geometry=Geometry((1, 4)), groups=1)
        limits = np.array([[end], [-end], [0]])
        sign = Threshold(name="t", inputs=("c",), thresholds=limits, descending=np.zeros(3, bool), base=0, step=1, type=UInt(1))
        check(Graph("g", (entry, conv), "c"), x)
        check(Graph("g", (entry, conv, sign), "t"), x)
        lone = replace(conv, weight=weight[:1])
        check(Graph("g", (entry, lone), "c"), x)


@pytest.mark.parametrize("last", [-(2**15), 1 - 2**15, 2**15 - 1])
@pytest.mark.parametrize("groups", [1, 2])
def test_pairs_at_the_ends_of_int16(last: int, groups: int) -> None:
    """Sums just below 2^31 (of which half are products of -2^15 twice), and at it, where they no longer fit int32; dense and depthwise."""
    ends = (-(2**15), 2**15 - 1, 0)
    x = np.array(list(product(ends, repeat=4))).reshape(-1, 1, 2, 2)
    entry = Input(name="x", inputs=(), type=Int(16), shape=(1, 2, 2))
    weight = np.array([[[-(2**15), 0], [last, 0]], [[0, 2**15 - 1], [0, last]]])[:, None] if groups == 1 else np.array([[-(2**15), last]] * 2)
    weight = weight.reshape(2, 1, 2, 2 // groups)
    conv = Conv(name="c", inputs=("x",), weight=weight, weight_type=Int(16), geometry=Geometry((1, 2)), groups=groups)
    codes = Threshold(
        name="t",
        inputs=("c",),
        thresholds=np.array([[-(2**31) + 2**16, 0, 2**31 - 2**15]]),
        descending=np.array([False]),
        base=0,
        step=1,
        type=UInt(2),
    )
    check(Graph("g", (entry, conv), "c"), x)
    check(Graph("g", (entry, conv, codes), "t"), x)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("of", [UInt(8), Int(8), Int(9)], ids=str)
def test_thresholds_of_many_levels(of: Type, rows: int) -> None:
    """An input quantizer of 8 bits, on every pixel value, rising and falling; some levels lie where nothing comes."""
    x = np.arange(of.min, of.max + 1).repeat(3).reshape(4, 8, -1, 3)
    levels = np.sort(np.random.default_rng(rows).integers(of.min - 20, of.max + 20, (rows, 255)), axis=1)
    descending = np.array([False, True, True])[:rows]
    codes = Threshold(name="t", inputs=("x",), thresholds=levels, descending=descending, base=-128, step=1, type=Int(8))
    check(Graph("g", (Input(name="x", inputs=(), type=of, shape=x.shape[1:]), codes), "t"), x)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_greatest_of_every_pixel(k: int) -> None:
    x = np.random.default_rng(k).integers(-2, 2, (6, 3, 2, 5))
    graph = Graph("g", (Input(name="x", inputs=(), type=Int(2), shape=(3, 2, 5)), ArgMax(name="y", inputs=("x",), k=k)), "y")
    check(graph, x)


def test_values_are_freed_when_nothing_reads_them_any_more() -> None:
    """A residual chain keeps only what it still adds; the output stays even where it is read again."""
    ops: list[Op] = [Input(name="x", inputs=(), type=Int(4), shape=(2, 2, 3))]
    for i in range(4):
        source = ops[-1].name
        ops.append(
            Conv(name=f"c{i}", inputs=(source,), weight=np.ones((3, 1, 1, 3), np.int64), weight_type=UInt(1), geometry=Geometry((1, 1)), groups=1)
        )
        ops.append(Add(name=f"a{i}", inputs=(source, f"c{i}")))
    executor = check(Graph("g", tuple(ops), "a3"), np.random.default_rng(0).integers(-8, 8, (4, 2, 2, 3)))
    assert [[value.name for value in call.frees] for call in executor._fast][:3] == [[], ["x", "c0"], []]
    used = {value.name for call in executor._fast for value in call.frees}
    assert used == {op.name for op in ops} - {"a3"}


def test_many_images_in_chunks() -> None:
    """So large a map that only a few images pass at once, on several threads."""
    conv = read("x", 64)
    graph = bits((64, 64, 64), conv, MaxPool(name="p", inputs=("read",), geometry=Geometry((64, 64)), minimum=np.array([True])))
    x = values_of(np.random.default_rng(0), Bipolar(), (60, 64, 64, 64)).astype(np.int8)
    want = (x.reshape(60, -1, 64).astype(np.float32) @ conv.weight[:, 0, 0].T.astype(np.float32)).min(axis=1)
    assert (Executor(graph, threads=2).run(x)[:, 0, 0] == want).all()
    assert Executor(graph, threads=1).run(x[:0]).shape == (0, 1, 1, 5)
