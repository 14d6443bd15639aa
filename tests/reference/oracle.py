"""The meaning of a canonical graph in Python's integers, one value at a time, as the ops' docstrings say it; and random graphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hwqnn.ir import (
    Add,
    ArgMax,
    Bipolar,
    ChannelAffine,
    Concat,
    Conv,
    Geometry,
    Graph,
    Input,
    Int,
    MatMul,
    MaxPool,
    Op,
    Reshape,
    Ternary,
    Threshold,
    Type,
    UInt,
    Upsample,
)

Nested = list  # of integers, or of such lists: (C,), (H, W, C)


def evaluate(graph: Graph, image: Nested) -> dict[str, Nested]:
    """Every edge's values for one input: op name -> its elements, nested as its shape."""
    values: dict[str, Nested] = {graph.input.name: image}
    for op in graph.ops[1:]:
        values[op.name] = apply(op, *(values[name] for name in op.inputs))
    return values


def apply(op: Op, x: Nested, y: Nested | None = None) -> Nested:
    """The op's output for its input, or its two."""
    match op:
        case Conv():
            return conv(op, x)
        case MaxPool():
            return pool(op, x)
        case Upsample():
            down, across = op.factor
            return [[list(pixel) for pixel in row for _ in range(across)] for row in x for _ in range(down)]
        case Reshape():
            return nested(flat(x), op.shape)
        case Add() if isinstance(x[0], list):
            return [apply(op, a, b) for a, b in zip(x, y, strict=True)]
        case Add():
            return [a + b for a, b in zip(x, y, strict=True)]
        case Concat() if isinstance(x[0], list):
            return [apply(op, a, b) for a, b in zip(x, y, strict=True)]
        case Concat():
            return x + y
        case _ if isinstance(x[0], list):
            return [apply(op, part) for part in x]
    return pixel(op, x)


def pixel(op: Op, x: list[int]) -> list[int]:
    """Ops that look at one pixel's channels alone."""
    match op:
        case MatMul():
            return [sum(w * v for w, v in zip(row, x, strict=True)) for row in op.weight.tolist()]
        case Threshold():
            out = []
            for c, v in enumerate(x):
                row = c if len(op.thresholds) > 1 else 0
                reached = sum(v >= t for t in op.thresholds[row].tolist())
                out.append(op.base + op.step * (op.levels - reached if op.descending[row] else reached))
            return out
        case ChannelAffine():
            return [m * v + a for m, v, a in zip(op.mul.tolist(), x, op.add.tolist(), strict=True)]
        case ArgMax():
            return sorted(range(len(x)), key=lambda i: (-x[i], i))[: op.k]
    raise TypeError(op)


def window(geometry: Geometry, x: Nested, row: int, column: int) -> Iterator[tuple[int, int, list[int]]]:
    """(kernel row, kernel column, pixel) of the taps inside the map, for one output position."""
    top, left, _, _ = geometry.padding
    for ky in range(geometry.kernel[0]):
        for kx in range(geometry.kernel[1]):
            h = row * geometry.stride[0] + ky * geometry.dilation[0] - top
            w = column * geometry.stride[1] + kx * geometry.dilation[1] - left
            if 0 <= h < len(x) and 0 <= w < len(x[0]):
                yield ky, kx, x[h][w]


def size(geometry: Geometry, x: Nested) -> tuple[int, int]:
    """Output height and width: how many windows fit in the padded map."""
    top, left, bottom, right = geometry.padding
    found = []
    for axis, length in enumerate((len(x) + top + bottom, len(x[0]) + left + right)):
        reach = (geometry.kernel[axis] - 1) * geometry.dilation[axis] + 1
        found.append(len([start for start in range(0, length, geometry.stride[axis]) if start + reach <= length]))
    return found[0], found[1]


def conv(op: Conv, x: Nested) -> Nested:
    weight, (height, width) = op.weight.tolist(), size(op.geometry, x)
    per_group, per_in = len(weight) // op.groups, len(x[0][0]) // op.groups
    out = [[[0] * len(weight) for _ in range(width)] for _ in range(height)]
    for row in range(height):
        for column in range(width):
            for ky, kx, here in window(op.geometry, x, row, column):
                for o, w in enumerate(weight):
                    first = o // per_group * per_in
                    out[row][column][o] += sum(a * b for a, b in zip(w[ky][kx], here[first : first + per_in], strict=True))
    return out


def pool(op: MaxPool, x: Nested) -> Nested:
    height, width = size(op.geometry, x)
    minimum = op.minimum.tolist() if len(op.minimum) > 1 else op.minimum.tolist() * len(x[0][0])

    def best(row: int, column: int) -> list[int]:
        taken = [here for _, _, here in window(op.geometry, x, row, column)]
        return [(min if least else max)(here[c] for here in taken) for c, least in enumerate(minimum)]

    return [[best(row, column) for column in range(width)] for row in range(height)]


def flat(x: Nested) -> list[int]:
    return [v for part in x for v in flat(part)] if isinstance(x[0], list) else x


def nested(x: list[int], shape: tuple[int, ...]) -> Nested:
    if len(shape) == 1:
        return list(x)
    part = len(x) // shape[0]
    return [nested(x[i * part : (i + 1) * part], shape[1:]) for i in range(shape[0])]


def values_of(rng: np.random.Generator, of: Type, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform values of a type, int64."""
    if isinstance(of, Bipolar):
        return rng.choice([-1, 1], shape)
    return rng.integers(of.min, of.max, shape, endpoint=True)


def threshold(rng: np.random.Generator, name: str, source: str, reached: np.ndarray, of: Type, rows: int) -> Threshold:
    """A threshold to the type `of` whose levels lie among the values `reached` (N, C) that really come, so that ties happen, and some beyond."""
    levels = 1 if isinstance(of, Bipolar) else of.max - of.min
    least, greatest = int(reached.min()), int(reached.max())
    rows_of = reached.T if rows > 1 else np.array([[least, greatest]])
    low, high = (rows_of.min(axis=1), rows_of.max(axis=1)) if rng.random() < 0.8 else (np.full(rows, least - 3), np.full(rows, greatest + 3))
    thresholds = np.sort(rng.integers(low[:, None], high[:, None], (rows, levels), endpoint=True), axis=1)
    if rows > 2:
        thresholds[0], thresholds[1] = -(2**62), 2**62  # neurons that are always, and never, reached
    up = rng.random() < 0.8
    step = (2 if isinstance(of, Bipolar) else 1) * (1 if up else -1)
    descending = rng.random(rows) < 0.4
    return Threshold(name=name, inputs=(source,), thresholds=thresholds, descending=descending, base=of.min if up else of.max, step=step, type=of)


def random_graph(seed: int, images: int = 12) -> tuple[Graph, np.ndarray]:
    """A random canonical chain and inputs for it: any widths of 1 to 200, types, levels and directions, with or without a head."""
    rng = np.random.default_rng(seed)
    kinds: list[Type] = [Bipolar(), Bipolar(), Bipolar(), Ternary(), UInt(1), UInt(2), UInt(4), Int(3), Int(8), UInt(8)]
    entry = kinds[rng.integers(len(kinds))] if rng.random() < 0.6 else UInt(8)
    width = int(rng.integers(1, 201))
    x = values_of(rng, entry, (images, width))
    ops: list[Op] = [Input(name="in", inputs=(), type=entry, shape=(width,))]
    reached = x

    def add(op: Op) -> None:
        nonlocal reached
        ops.append(op)
        reached = np.array([apply(op, row) for row in reached.tolist()])

    if rng.random() < 0.7:
        add(threshold(rng, "t0", "in", reached, kinds[rng.integers(len(kinds))], 1 if rng.random() < 0.5 else width))
    for layer in range(1, int(rng.integers(2, 5))):
        out = int(rng.integers(1, 201))
        of = kinds[rng.integers(len(kinds) - 1)]
        weight = values_of(rng, of, (out, reached.shape[1]))
        add(MatMul(name=f"m{layer}", inputs=(ops[-1].name,), weight=weight, weight_type=of))
        if rng.random() < 0.85:
            add(threshold(rng, f"t{layer}", ops[-1].name, reached, kinds[rng.integers(len(kinds))], 1 if rng.random() < 0.2 else out))
    if rng.random() < 0.4:
        mul, shift = rng.integers(-(2**20), 2**20, reached.shape[1]), rng.integers(-(2**40), 2**40, reached.shape[1])
        add(ChannelAffine(name="a", inputs=(ops[-1].name,), mul=mul, add=shift))
    if rng.random() < 0.5:
        add(ArgMax(name="y", inputs=(ops[-1].name,)))
    return Graph(f"random{seed}", tuple(ops), ops[-1].name), x


def random_geometry(rng: np.random.Generator, height: int, width: int) -> Geometry:
    """A window that fits a map of this size, with padding smaller than the kernel's reach."""
    kernel = (int(rng.integers(1, min(height, 4) + 1)), int(rng.integers(1, min(width, 4) + 1)))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    dilation = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    padding = tuple(int(rng.integers(0, k)) if rng.random() < 0.6 else 0 for k in (kernel * 2))
    found = Geometry(kernel, stride, padding, dilation)
    return found if found.problem(height, width) is None else Geometry(kernel, stride, padding)


def random_maps(seed: int, images: int = 3) -> tuple[Graph, np.ndarray]:
    """A random canonical graph over maps with forks and joins, and inputs for it. Half of the activations and weights are bipolar."""
    rng = np.random.default_rng(seed)
    kinds: list[Type] = [Bipolar(), Bipolar(), Bipolar(), Ternary(), UInt(2), Int(3)]
    widths = [1, 2, 3, 5, 63, 64, 65, 128]
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.choice([1, 2, 3, 8, 64, 65])))
    entry: Type = UInt(8) if rng.random() < 0.5 else kinds[rng.integers(len(kinds))]
    x = values_of(rng, entry, (images, *shape))
    ops: list[Op] = [Input(name="in", inputs=(), type=entry, shape=shape)]
    reached: dict[str, np.ndarray] = {"in": x}

    def add(op: Op) -> str:
        ops.append(op)
        reached[op.name] = np.array([apply(op, *(reached[name][i].tolist() for name in op.inputs)) for i in range(images)])
        return op.name

    def grow(at: str, name: str) -> str:
        """One or two more ops after `at`."""
        here = reached[at].shape[1:]
        kind = rng.choice(["conv", "conv", "conv", "conv", "pool", "threshold", "upsample", "affine", "depthwise"])
        if here[0] * here[1] > 100 and kind == "upsample":
            kind = "pool"
        if kind in ("conv", "depthwise"):
            of = kinds[rng.integers(len(kinds))]
            geometry = random_geometry(rng, *here[:2])
            divisors = [g for g in (1, 1, 1, 2, 5, 8) if here[2] % g == 0]
            groups = here[2] if kind == "depthwise" else int(rng.choice(divisors))
            out = here[2] if kind == "depthwise" else groups * int(rng.choice([w for w in widths if w * groups <= 128]))
            weight = values_of(rng, of, (out, *geometry.kernel, here[2] // groups))
            at = add(Conv(name=name, inputs=(at,), weight=weight, weight_type=of, geometry=geometry, groups=groups))
        elif kind == "pool":
            geometry = random_geometry(rng, *here[:2])
            minimum = rng.random(here[2] if rng.random() < 0.5 else 1) < 0.4
            pooled = MaxPool(name=name, inputs=(at,), geometry=geometry, minimum=minimum)
            if all(inside.any(axis=1).all() for inside in geometry.inside(*here[:2])):
                return add(pooled)
            return add(replace(pooled, geometry=Geometry((1, 1), (2, 2))))
        elif kind == "upsample":
            return add(Upsample(name=name, inputs=(at,), factor=(int(rng.integers(1, 3)), int(rng.integers(1, 3)))))
        elif kind == "affine":
            return add(ChannelAffine(name=name, inputs=(at,), mul=rng.integers(-3, 4, here[2]), add=rng.integers(-9, 9, here[2])))
        if kind == "threshold" or rng.random() < 0.85:
            here = reached[at].shape[1:]
            of = kinds[rng.integers(len(kinds))]
            at = add(threshold(rng, f"{name}t", at, reached[at].reshape(-1, here[-1]), of, 1 if rng.random() < 0.2 else here[-1]))
        return at

    at = "in"
    for layer in range(int(rng.integers(1, 5))):
        before, at = at, grow(at, f"l{layer}")
        if rng.random() < 0.5:
            side = before if rng.random() < 0.4 else grow(before, f"s{layer}")
            a, b = reached[at].shape[1:], reached[side].shape[1:]
            if a == b and rng.random() < 0.7:
                at = add(Add(name=f"j{layer}", inputs=(at, side)))
            elif a[:2] == b[:2] and a[2] + b[2] <= 160:
                at = add(Concat(name=f"j{layer}", inputs=(side, at)))
    if rng.random() < 0.6:
        at = add(Reshape(name="flat", inputs=(at,), shape=(reached[at][0].size,)))
        of = kinds[rng.integers(len(kinds))]
        at = add(MatMul(name="fc", inputs=(at,), weight=values_of(rng, of, (7, reached[at].shape[1])), weight_type=of))
    elif rng.random() < 0.4:
        add(ArgMax(name="y", inputs=(at,), k=int(rng.integers(1, min(3, reached[at].shape[-1]) + 1))))
    return Graph(f"maps{seed}", _alive(ops), ops[-1].name), x


def _alive(ops: list[Op]) -> tuple[Op, ...]:
    """The ops that the last one depends on."""
    needed = {ops[-1].name}
    for op in reversed(ops):
        if op.name in needed:
            needed |= set(op.inputs)
    return tuple(op for op in ops if op.name in needed)
