"""Hardware blocks by their parameters, and random parameters: what the cost model is fitted on and measured with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from hwqnn.dataflow import Beat, Block
from hwqnn.dataflow.accumulator import Product, products
from hwqnn.dataflow.affine import ChannelAffineBlock
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.design import MAX_FUSED, Store
from hwqnn.dataflow.head import ArgMaxBlock
from hwqnn.dataflow.joins import AddBlock, ConcatBlock, ForkBlock
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.plumbing import Fifo, WidthDown, WidthUp
from hwqnn.dataflow.pool import PoolBlock, StreamPool
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.vote import VoteBlock
from hwqnn.dataflow.window import Window
from hwqnn.dataflow.window_parallel import ParallelWindow
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import Add, Bipolar, ChannelAffine, Concat, Conv, Edge, Geometry, MatMul, Threshold, Type, UInt, smallest
from hwqnn.ir.types import parse

Parameters = dict[str, int | str]
"""What makes a block, as JSON holds it; contents of ROMs by the seed that draws them."""
Draw = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """A kind of block.

    Attributes:
        draw: random parameters; None where they fit no block, or one of a size that no network has.
        block: the block that parameters make.
        grid: parameters that every fit needs, for what depends on a size in no regular way.
    """

    draw: Callable[[Draw], Parameters | None]
    block: Callable[..., Block]
    grid: tuple[Parameters, ...] = ()


KINDS: dict[str, Kind] = {}


def kind(
    name: str, draw: Callable[[Draw], Parameters | None], grid: Iterable[Parameters] = ()
) -> Callable[[Callable[..., Block]], Callable[..., Block]]:
    """Registers a block by the function that draws its parameters."""

    def register(block: Callable[..., Block]) -> Callable[..., Block]:
        KINDS[name] = Kind(draw, block, tuple(grid))
        return block

    return register


def draw(name: str, rng: Draw) -> Parameters:
    """Random parameters of a block of this kind."""
    while True:
        if (found := KINDS[name].draw(rng)) is not None:
            return found


def size(rng: Draw, most: float, least: float = 1) -> int:
    """A number, spread evenly over its logarithm."""
    return int(np.exp(rng.uniform(np.log(least), np.log(most + 1))))


def one_of(rng: Draw, *choices: int | str) -> int | str:
    return choices[rng.integers(len(choices))]


def seed(rng: Draw) -> int:
    return int(rng.integers(1 << 30))


def values(of: Type, shape: tuple[int, ...], rng: Draw) -> np.ndarray:
    return rng.choice([-1, 1], shape) if isinstance(of, Bipolar) else rng.integers(of.min, of.max + 1, shape)


def _fifo(rng: Draw) -> Parameters:
    bram = int(rng.integers(5) == 0)
    depth = 1 << int(rng.integers(5, 12)) if bram else int(one_of(rng, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 32 * size(rng, 24)))
    return {"bits": size(rng, 256 if depth <= 256 else 32), "depth": depth, "bram": bram}


@kind("fifo", _fifo, ({"bits": bits, "depth": 1 << address, "bram": 1} for address in range(2, 15) for bits in (1, 8, 30)))
def fifo(bits: int, depth: int, bram: int) -> Block:
    beat = Beat(bits, Bipolar())
    return Fifo(beat_in=beat, beat_out=beat, depth=depth, bram=bool(bram))


def _converter(rng: Draw) -> Parameters | None:
    bits, ratio = size(rng, 64), size(rng, 64, 2)
    return {"bits": bits, "ratio": ratio, "beats": size(rng, 100)} if bits * ratio <= 1024 else None


@kind("width_down", _converter)
def width_down(bits: int, ratio: int, beats: int) -> Block:
    return WidthDown(beat_in=Beat(bits * ratio, Bipolar()), beat_out=Beat(bits, Bipolar()), beats=beats)


@kind("width_up", _converter)
def width_up(bits: int, ratio: int, beats: int) -> Block:
    return WidthUp(beat_in=Beat(bits, Bipolar()), beat_out=Beat(bits * ratio, Bipolar()), beats=beats * ratio)


@kind("stream_fork", lambda rng: {"bits": size(rng, 256), "copies": int(rng.integers(2, 6))})
def stream_fork(bits: int, copies: int) -> Block:
    beat = Beat(bits, Bipolar())
    return ForkBlock(beat_in=beat, beat_out=beat, copies=copies)


def _type(rng: Draw) -> str:
    return str(one_of(rng, "bipolar", "uint2", "uint4", "uint8", "int2", "int4", "int6", "int8", "int12", "int16"))


def _join(rng: Draw) -> Parameters:
    return {"a": _type(rng), "b": _type(rng), "lanes": size(rng, 32), "fold_a": size(rng, 16), "fold_b": size(rng, 16), "pixels": size(rng, 1024)}


@kind("add", _join)
def add(a: str, b: str, lanes: int, fold_a: int, fold_b: int, pixels: int) -> Block:
    elements = lanes * fold_a * pixels
    edges = Edge(parse(a), (elements,)), Edge(parse(b), (elements,))
    out = Add(name="y", inputs=("a", "b")).infer(edges).type
    return AddBlock(beat_in=Beat(lanes, parse(a)), beat_in_b=Beat(lanes, parse(b)), beat_out=Beat(lanes, out), elements=elements)


@kind("concat", _join)
def concat(a: str, b: str, lanes: int, fold_a: int, fold_b: int, pixels: int) -> Block:
    edges = Edge(parse(a), (pixels, 1, lanes * fold_a)), Edge(parse(b), (pixels, 1, lanes * fold_b))
    out = Concat(name="y", inputs=("a", "b")).infer(edges).type
    beats = Beat(lanes, parse(a)), Beat(lanes, parse(b)), Beat(lanes, out)
    return ConcatBlock(beat_in=beats[0], beat_in_b=beats[1], beat_out=beats[2], channels=(lanes * fold_a, lanes * fold_b), pixels=pixels)


def thresholds(out: Type, lo: int, hi: int, channels: int, rng: Draw, flip: bool = False) -> Threshold:
    """Random thresholds in the middle of what can be; where `flip`, half of the channels descend."""
    levels = out.max - out.min if not isinstance(out, Bipolar) else 1
    table = np.sort(rng.integers(lo + (hi - lo) // 8, hi - (hi - lo) // 8 + 1, (channels, levels)), axis=1)
    base, step = (-1, 2) if isinstance(out, Bipolar) else (out.min, 1)
    descending = rng.integers(2, size=channels).astype(bool) if flip else np.zeros(channels, dtype=bool)
    return Threshold(name="t", inputs=("m",), thresholds=table, descending=descending, base=base, step=step, type=out)


def _threshold(rng: Draw) -> Parameters | None:
    found: Parameters = {
        "x": str(one_of(rng, "uint4", "uint8", "uint8", "int6", "int8", "int12", "int16")),
        "out": str(one_of(rng, "bipolar", "bipolar", "uint2", "uint3", "uint4", "int2", "int4")),
        "lanes": size(rng, 64),
        "fold": size(rng, 64),
        "vectors": size(rng, 1024),
        "rows": int(rng.integers(2)),
        "flip": int(rng.integers(4) == 0),
        "seed": seed(rng),
    }
    work = int(found["lanes"]) * parse(str(found["x"])).bits * parse(str(found["out"])).bits
    return found if work * int(found["fold"] if found["rows"] else 1) <= 1500 and work <= 400 else None


@kind("threshold", _threshold)
def threshold(x: str, out: str, lanes: int, fold: int, vectors: int, rows: int, flip: int, seed: int) -> Block:
    of, channels = parse(x), lanes * fold
    op = thresholds(parse(out), of.min, of.max, channels if rows else 1, np.random.default_rng(seed), bool(flip))
    return ThresholdBlock(beat_in=Beat(lanes, of), beat_out=Beat(lanes, op.type), op=op, channels=channels, vectors=vectors)


def _pool(rng: Draw) -> Parameters | None:
    found: Parameters = {
        "x": str(one_of(rng, "bipolar", "uint2", "uint4", "uint8", "int4", "int8", "int12")),
        "lanes": size(rng, 128),
        "fold": size(rng, 64),
        "kernel": int(rng.integers(2, 5)),
        "pixels": size(rng, 1024),
        "least": int(one_of(rng, 0, 0, 1, 2)),
        "seed": seed(rng),
    }
    return found if int(found["lanes"]) * parse(str(found["x"])).bits <= 512 else None


@kind("pool", _pool)
def pool(x: str, lanes: int, fold: int, kernel: int, pixels: int, least: int, seed: int) -> Block:
    """`least`: nowhere, in all channels, or in half of them."""
    beat, channels = Beat(lanes, parse(x)), lanes * fold
    minimum = np.full(channels, bool(least)) if least < 2 else np.random.default_rng(seed).integers(2, size=channels).astype(bool)
    return PoolBlock(beat_in=beat, beat_out=beat, taps=kernel**2, channels=channels, pixels=pixels, minimum=minimum)


def _argmax(rng: Draw, k: int = 1) -> Parameters | None:
    lanes, fold = size(rng, 10), size(rng, 32)
    x = str(one_of(rng, "bipolar", "uint4", "int6", "int8", "int10", "int12", "int16", "int20", "int24"))
    if lanes * fold < 2 * k or lanes * k * parse(x).bits > 250:  # who wants the greatest two of three?
        return None
    return {"x": x, "lanes": lanes, "fold": fold, "k": k, "vectors": int(one_of(rng, 1, 1, size(rng, 1024)))}


@kind("argmax of several", lambda rng: _argmax(rng, int(rng.integers(2, 6))))
@kind("argmax", _argmax)
def argmax(x: str, lanes: int, fold: int, k: int, vectors: int) -> Block:
    channels = lanes * fold
    return ArgMaxBlock(beat_in=Beat(lanes, parse(x)), beat_out=Beat(k, smallest(0, channels - 1)), channels=channels, vectors=vectors)


def _vote(rng: Draw) -> Parameters | None:
    lanes, fold, members = size(rng, 12), size(rng, 12), size(rng, 24)
    if lanes * fold < 2 or lanes * members > 120:
        return None
    found: Parameters = {"members": members, "most": int(one_of(rng, 1, 1, 3, 10)), "lanes": lanes, "fold": fold}
    return found | {"vectors": int(one_of(rng, 1, 1, size(rng, 256))), "clock_mhz": int(one_of(rng, 100, 100, 200)), "seed": seed(rng)}


@kind("vote", _vote)
def vote(members: int, most: int, lanes: int, fold: int, vectors: int, clock_mhz: int, seed: int) -> Block:
    """Weights from 1 to `most`."""
    weight = np.random.default_rng(seed).integers(1, most + 1, members)
    beats = Beat(members, smallest(0, lanes * fold - 1)), Beat(lanes, smallest(0, int(weight.sum())))
    budget = budget_ns(clock_mhz)
    return VoteBlock(beat_in=beats[0], beat_out=beats[1], weight=weight, classes=lanes * fold, vectors=vectors, budget_ns=budget)


def _affine(rng: Draw) -> Parameters | None:
    lanes, fold = size(rng, 16), size(rng, 64)
    x = str(one_of(rng, "bipolar", "uint2", "uint4", "uint8", "int4", "int6", "int8", "int10", "int12", "int16", "int20"))
    mul, more = int(rng.integers(1, 25)), int(rng.integers(0, 6))
    found: Parameters = {"x": x, "lanes": lanes, "fold": fold, "vectors": size(rng, 256), "mul": mul, "add": mul + more}
    return found | {"clock_mhz": int(one_of(rng, 100, 100, 200)), "seed": seed(rng)}


@kind("channel_affine", _affine)
def channel_affine(x: str, lanes: int, fold: int, vectors: int, mul: int, add: int, clock_mhz: int, seed: int) -> Block:
    """Positive factors of `mul` bits, addends of `add` bits and a sign."""
    rng, channels = np.random.default_rng(seed), lanes * fold
    factors = rng.integers(1, 1 << mul, channels)
    op = ChannelAffine(name="a", inputs=("x",), mul=factors, add=rng.integers(-(1 << add), 1 << add, channels))
    edge = op.infer((Edge(parse(x), (vectors, 1, channels)),))
    return ChannelAffineBlock.make(op, Beat(lanes, parse(x)), edge, budget_ns(clock_mhz))


def _upsample(rng: Draw) -> Parameters | None:
    height, width = size(rng, 32), size(rng, 32)
    bits, lanes, fold = int(one_of(rng, 1, 2, 4, 8)), size(rng, 64), size(rng, 16)
    if bits * lanes > 256 or width * fold > 1024 or height * width == 1:
        return None
    factor = int(one_of(rng, 2, 2, 3, 4))
    return {"bits": bits, "lanes": lanes, "fold": fold, "height": height, "width": width, "down": factor if height > 1 else 1, "across": factor}


@kind("upsample", _upsample)
def upsample(bits: int, lanes: int, fold: int, height: int, width: int, down: int, across: int) -> Block:
    beat = Beat(lanes, UInt(bits))
    return UpsampleBlock(beat_in=beat, beat_out=beat, factor=(down, across), height=height, width=width, channels=lanes * fold)


def _geometry(rng: Draw) -> Parameters | None:
    """A map of `height` x `width` pixels and what slides over it."""
    height = size(rng, 64, 4)
    width, height = (height, height) if rng.integers(4) else (size(rng, 256, 8), 1)
    kernel = int(one_of(rng, 2, 3, 3, 3, 5, 7))
    if kernel > width:
        return None
    down = kernel if height > 1 else 1
    stride = int(one_of(rng, 1, 1, 2, kernel))
    pad = (kernel - 1) // 2 if rng.integers(2) else 0
    dilation = int(one_of(rng, 1, 1, 1, 2))
    found = {"height": height, "width": width, "kernel_h": down, "kernel_w": kernel, "stride": stride, "pad": pad * dilation, "dilation": dilation}
    if geometry(**found).problem(height, width):
        return None
    return {**found}


def geometry(height: int, width: int, kernel_h: int, kernel_w: int, stride: int, pad: int, dilation: int) -> Geometry:
    high = kernel_h > 1
    return Geometry((kernel_h, kernel_w), (stride if high else 1, stride), (pad * high, pad, pad * high, pad), (dilation if high else 1, dilation))


def _window(rng: Draw) -> Parameters | None:
    found, bits, lanes, tile, fold = _geometry(rng), int(one_of(rng, 1, 2, 4, 8)), size(rng, 64), size(rng, 8), size(rng, 4)
    if found is None or bits * lanes > 128 or int(found["width"]) * tile * fold > 2048:
        return None
    return found | {"bits": bits, "lanes": lanes, "tile": tile, "fold": fold, "pads": int(one_of(rng, 0, 0, 1)), "bram": int(rng.integers(4) == 0)}


@kind("window", _window)
def window(bits: int, lanes: int, tile: int, fold: int, pads: int, bram: int, **map_: int) -> Block:
    """`tile` beats a tile, `fold` tiles; `pads`: the pad words are not zeros."""
    channels = lanes * tile * fold
    pad = np.random.default_rng(channels).integers(1 << bits, size=channels) if pads else 0
    beat = Beat(lanes, UInt(bits))
    return Window(
        beat_in=beat, beat_out=beat, geometry=geometry(**map_), height=map_["height"], width=map_["width"],
        channels=channels, tile=lanes * tile, pad=pad, bram=bool(bram),
    )  # fmt: skip


def _window_parallel(rng: Draw) -> Parameters | None:
    found, bits = _geometry(rng), size(rng, 64)
    if found is None:
        return None
    of = geometry(**{name: int(value) for name, value in found.items()})
    if bits * of.taps > 1024 or ParallelWindow.problem(of, int(found["height"]), int(found["width"])) is not None:
        return None
    return found | {"bits": bits, "bram": int(rng.integers(4) == 0)}


@kind("window_parallel", _window_parallel)
def window_parallel(bits: int, bram: int = 0, **map_: int) -> Block:
    of = geometry(**map_)
    beat, height, width = Beat(bits, Bipolar()), map_["height"], map_["width"]
    return ParallelWindow(beat_in=beat, beat_out=Beat(bits * of.taps, Bipolar()), geometry=of, height=height, width=width, bram=bool(bram))


FEW_BITS = ("uint8 bipolar", "uint2 int2", "uint4 int4", "uint8 int8", "bipolar int2", "uint2 bipolar", "int4 int4")


def _layer(rng: Draw, x: str, w: str) -> Parameters:
    """What every matrix block has."""
    return {
        "x": x,
        "w": w,
        "out": str(one_of(rng, "bipolar", "bipolar", "bipolar", "uint2", "uint4", "sum")),
        "store": str(one_of(rng, "lut", "lut", "fused", "bram")),
        "product": str(one_of(rng, "planes", "planes", "dsp")),
        "clock_mhz": int(one_of(rng, 100, 100, 200)),
        "seed": seed(rng),
    }


_MOST_SEARCHED = 60_000
"""Of lanes squared, sets of outputs, entries of a search and its stages: yosys reads all thresholds again for each lane of each stage."""


def _fits(found: Parameters, words: int, lanes: int, pe: int, sets: int) -> bool:
    """Whether there is such a block, and none that takes yosys minutes."""
    x, w = parse(str(found["x"])), parse(str(found["w"]))
    if found["product"] == "dsp" and (1 in (x.bits, w.bits) or lanes > 32):
        return False
    if found["store"] == "fused" and (not 1 < words <= MAX_FUSED or found["product"] == "dsp"):
        return False
    stages = {"uint2": 2, "uint4": 4}.get(str(found["out"]), 0)
    return 4 <= lanes * x.bits * w.bits <= 600 and 1 < words <= 512 and pe**2 * sets * stages << stages <= _MOST_SEARCHED


_FEWEST_INPUTS = 8
"""Of a layer: of fewer, hardly anything is left of its sums and thresholds, and no network has it."""


def _dense(rng: Draw, x: str, w: str) -> Parameters | None:
    pe, simd, nf, sf = size(rng, 32), size(rng, 64), size(rng, 32), size(rng, 64)
    found = _layer(rng, x, w) | {"pe": pe, "simd": simd, "nf": nf, "sf": sf}
    return found if simd * sf >= _FEWEST_INPUTS and _fits(found, nf * sf, pe * simd, pe, nf) else None


def _thresholds_of(matrix: Matrix, x: Type, out: str, rng: Draw) -> Threshold | None:
    if out == "sum":
        return None
    lo, hi = matrix.op.channel_range(x)
    return thresholds(parse(out), int(lo.min()) // 3, int(hi.max()) // 3 + 1, matrix.outputs, rng)


def _matrix_block(matrix: Matrix, of: Type, threshold: Threshold | None, pe: int, simd: int, store: str, product: str, clock_mhz: int) -> Block:
    style = Product(product) if Product(product) in products(matrix, of) else Product.PLANES
    budget = budget_ns(clock_mhz)
    if simd:
        return Mvu.fold(matrix, threshold, of, pe, simd, store=Store(store), product=style, budget_ns=budget)
    return Depthwise.fold(matrix, threshold, of, pe, store=Store(store), product=style, budget_ns=budget)


def _multipliers(count: int) -> Iterator[Parameters]:
    """Layers whose products are in DSP48s, which few draws are."""
    rng = np.random.default_rng(count)
    while count:
        found = _dense(rng, *str(one_of(rng, "uint4 int4", "uint8 int8", "int4 int4")).split())
        if found is not None and found["store"] != "fused":
            yield found | {"product": "dsp"}
            count -= 1


@kind("mvu, binary", lambda rng: _dense(rng, "bipolar", "bipolar"))
@kind("mvu", lambda rng: _dense(rng, *str(one_of(rng, *FEW_BITS)).split()), _multipliers(60))
def mvu(x: str, w: str, out: str, pe: int, simd: int, nf: int, sf: int, store: str, product: str, clock_mhz: int, seed: int) -> Block:
    """A fully connected layer."""
    rng, of, of_weights = np.random.default_rng(seed), parse(x), parse(w)
    op = MatMul(name="m", inputs=("x",), weight=values(of_weights, (pe * nf, simd * sf), rng), weight_type=of_weights)
    matrix = Matrix.of(op, Edge(of, (simd * sf,)))
    return _matrix_block(matrix, of, _thresholds_of(matrix, of, out, rng), pe, simd, store, product, clock_mhz)


def _convolution(rng: Draw) -> Parameters | None:
    x, w = str(one_of(rng, "bipolar bipolar", "bipolar bipolar", "bipolar bipolar", *FEW_BITS)).split()
    pe, simd, nf, channels, groups = size(rng, 16), size(rng, 36), size(rng, 16), size(rng, 16), size(rng, 3)
    if (9 * channels) % simd:
        return None
    found = _layer(rng, x, w) | {"pe": pe, "simd": simd, "nf": nf, "channels": channels, "groups": groups}
    found |= {"width": size(rng, 32, 4), "pad": int(rng.integers(2))}
    return found if _fits(found, groups * nf * 9 * channels // simd, pe * simd, pe, groups * nf) else None


@kind("mvu, convolution", _convolution)
def convolution(
    x: str, w: str, out: str, pe: int, simd: int, nf: int, channels: int, groups: int, width: int, pad: int,
    store: str, product: str, clock_mhz: int, seed: int,
) -> Block:  # fmt: skip
    """3x3, of `channels` a group, on a square map."""
    rng, of, of_weights = np.random.default_rng(seed), parse(x), parse(w)
    weight = values(of_weights, (groups * pe * nf, 3, 3, channels), rng)
    op = Conv(name="m", inputs=("x",), weight=weight, weight_type=of_weights, geometry=Geometry((3, 3), padding=(pad,) * 4), groups=groups)
    matrix = Matrix.of(op, Edge(of, (width, width, groups * channels)))
    return _matrix_block(matrix, of, _thresholds_of(matrix, of, out, rng), pe, simd, store, product, clock_mhz)


def _depthwise(rng: Draw) -> Parameters | None:
    x, w = str(one_of(rng, "bipolar bipolar", *FEW_BITS)).split()
    pe, fold = size(rng, 64), size(rng, 32)
    found = _layer(rng, x, w) | {"pe": pe, "fold": fold, "width": size(rng, 32, 4), "pad": int(rng.integers(2)), "average": int(rng.integers(4) == 0)}
    if found["average"]:
        found |= {"store": "lut", "product": "planes"}
    return found if _fits(found, fold * 9, pe, pe, fold) else None


@kind("mvu, depthwise", _depthwise)
def depthwise(
    x: str, w: str, out: str, pe: int, fold: int, width: int, pad: int, average: int, store: str, product: str, clock_mhz: int, seed: int
) -> Block:
    """3x3 with weights, or an average pool."""
    rng, of, of_weights = np.random.default_rng(seed), parse(x), UInt(1) if average else parse(w)
    weight = np.ones((pe * fold, 3, 3, 1), np.int64) if average else values(of_weights, (pe * fold, 3, 3, 1), rng)
    op = Conv(name="m", inputs=("x",), weight=weight, weight_type=of_weights, geometry=Geometry((3, 3), padding=(pad,) * 4), groups=pe * fold)
    matrix = Matrix.of(op, Edge(of, (width, width, pe * fold)))
    return _matrix_block(matrix, of, _thresholds_of(matrix, of, out, rng), pe, 0, store, product, clock_mhz)


def _pool_stream(rng: Draw) -> Parameters | None:
    found = _pool(rng)
    if found is None:
        return None
    height, width = size(rng, 64, 4), size(rng, 64, 4)
    return {name: found[name] for name in ("x", "lanes", "fold", "kernel", "least", "seed")} | {"height": height, "width": width}


@kind("pool_stream", _pool_stream)
def pool_stream(x: str, lanes: int, fold: int, kernel: int, least: int, seed: int, height: int, width: int) -> Block:
    beat, channels, down = Beat(lanes, parse(x)), lanes * fold, min(kernel, height)
    minimum = np.full(channels, bool(least)) if least < 2 else np.random.default_rng(seed).integers(2, size=channels).astype(bool)
    of = Geometry((down, kernel), (down, kernel))
    return StreamPool(beat_in=beat, beat_out=beat, channels=channels, minimum=minimum, geometry=of, height=height, width=width)
