"""The meaning of a canonical graph in Python's integers, one value at a time, as the ops' docstrings say it; and random graphs."""

from __future__ import annotations

import numpy as np

from hwqnn.ir import ArgMax, Bipolar, ChannelAffine, Graph, Input, Int, MatMul, Op, Ternary, Threshold, Type, UInt


def evaluate(graph: Graph, image: list[int]) -> dict[str, list[int]]:
    """Every edge's values for one input: op name -> its elements."""
    values = {graph.input.name: image}
    for op in graph.ops[1:]:
        values[op.name] = apply(op, values[op.inputs[0]])
    return values


def apply(op: Op, x: list[int]) -> list[int]:
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
            return [x.index(max(x))]
    raise TypeError(op)


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
