"""Which steps run a canonical graph: one by one on plain integers, or the fast way, on packed bits wherever the network is binary."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from hwqnn.ir import Bipolar, Conv, Graph, MatMul, Op, Threshold
from hwqnn.reference import affine, argmax, dense, joins, pool, shape, threshold, vote  # noqa: F401  (they register their steps)
from hwqnn.reference.bits import words
from hwqnn.reference.pack import pack_signs, pack_threshold, unpack
from hwqnn.reference.step import PACKED_STEPS, Step, make_step, storage
from hwqnn.reference.xnor import xnor_sum, xnor_threshold


class Value(NamedTuple):
    """An op's output, as plain integers or as packed bits."""

    name: str
    packed: bool = False


@dataclass(frozen=True, eq=False)
class Call:
    """One step in its place. After it, nothing reads the values in `frees` any more."""

    step: Step
    reads: tuple[Value, ...]
    writes: Value
    frees: tuple[Value, ...] = ()


def size(graph: Graph, value: Value) -> int:
    """Bytes of one image's value."""
    edge = graph.edges[value.name]
    pixels = math.prod(edge.shape[:-1])
    return 8 * pixels * words(edge.channels) if value.packed else storage(edge.type).itemsize * pixels * edge.channels


def plain(graph: Graph) -> list[Call]:
    """For each op but the input, in order, its step on plain integers.

    Raises:
        GraphError: an op is not canonical, or its values may need 64 bits or more.
    """
    calls = []
    for op in graph.ops:
        if op is not graph.input:
            step = make_step(op, tuple(graph.edges[name] for name in op.inputs), graph.edges[op.name])
            calls.append(Call(step, tuple(map(Value, op.inputs)), Value(op.name)))
    return calls


def fast(graph: Graph) -> list[Call]:
    """The same computation from input to output; an edge between bipolar values and bipolar weights carries packed bits.

    Raises:
        GraphError: as for `plain`.
    """
    packed = _packed_edges(graph)
    fused = {product.name for op in graph.ops if (product := _fusable(graph, op)) is not None}
    calls: list[Call] = []

    def read(name: str, as_bits: bool) -> Value:
        """The value in the form asked for, converted if it is not there yet."""
        value, there = Value(name, as_bits), {call.writes for call in calls} | {Value(graph.input.name)}
        if value not in there:
            convert = pack_signs if as_bits else unpack
            calls.append(Call(convert(graph.edges[name].channels), (Value(name, not as_bits),), value))
        return value

    for op in graph.ops:
        if op is not graph.input and op.name not in fused:
            made = _made(graph, op, packed)
            calls.append(Call(made.step, tuple(read(name, made.from_bits) for name in made.inputs), Value(op.name, made.to_bits)))
    read(graph.output, False)
    return _with_frees(calls, Value(graph.output))


class _Made(NamedTuple):
    """A step, what it reads, and whether it reads and writes packed bits."""

    step: Step
    inputs: tuple[str, ...]
    from_bits: bool
    to_bits: bool


def _made(graph: Graph, op: Op, packed: set[str]) -> _Made:
    """The best step for an op, which may take in the product ahead of it."""
    sources, target, to_bits = tuple(graph.edges[name] for name in op.inputs), graph.edges[op.name], op.name in packed
    if isinstance(op, Threshold):
        to_bits = to_bits and op.levels == 1
        if (product := _fusable(graph, op)) is None:
            step = pack_threshold(op, sources[0]) if to_bits else make_step(op, sources, target)
            return _Made(step, op.inputs, False, to_bits)
        source, from_bits = graph.edges[product.inputs[0]], _binary(graph, product)
        if from_bits and to_bits:
            return _Made(xnor_threshold(product, op, source, target), product.inputs, True, True)
        reached = product.channel_range(source.type)
        step = pack_threshold(op, sources[0]) if to_bits else threshold.threshold(op, sources[0], target, reached)
        multiply = xnor_sum if from_bits else dense.product
        return _Made(multiply(product, source, sources[0], step), product.inputs, from_bits, to_bits)
    if isinstance(op, MatMul | Conv) and _binary(graph, op):
        return _Made(xnor_sum(op, sources[0], target), op.inputs, True, False)
    if to_bits and _moves_bits(graph, op):
        return _Made(PACKED_STEPS[type(op)](op, *sources, target), op.inputs, True, True)
    return _Made(make_step(op, sources, target), op.inputs, False, False)


def _packed_edges(graph: Graph) -> set[str]:
    """The ops whose output some reader takes as packed bits."""
    packed: set[str] = set()
    for op in reversed(graph.ops):
        if _binary(graph, op) or (op.name in packed and _moves_bits(graph, op)):
            packed |= set(op.inputs)
    return packed


def _binary(graph: Graph, op: Op) -> bool:
    """Whether it is a product of bipolar values and bipolar weights, in one group, so that words hold whole windows."""
    if not isinstance(op, MatMul | Conv) or (isinstance(op, Conv) and op.groups > 1):
        return False
    return isinstance(op.weight_type, Bipolar) and isinstance(graph.edges[op.inputs[0]].type, Bipolar)


def _moves_bits(graph: Graph, op: Op) -> bool:
    """Whether it takes bipolar values to bipolar values and has a step on packed bits."""
    return type(op) in PACKED_STEPS and all(isinstance(graph.edges[name].type, Bipolar) for name in op.inputs)


def _fusable(graph: Graph, op: Op) -> MatMul | Conv | None:
    """The product that only this threshold reads."""
    product = graph.op(op.inputs[0]) if isinstance(op, Threshold) else None
    alone = product is not None and len(graph.consumers(product.name)) == 1 and graph.output != product.name
    return product if alone and isinstance(product, MatMul | Conv) else None


def _with_frees(calls: Iterable[Call], output: Value) -> list[Call]:
    """The calls, each freeing what it is the last to read."""
    found: list[Call] = []
    used = {output}
    for call in reversed(list(calls)):
        last = dict.fromkeys(value for value in call.reads if value not in used)
        found.append(replace(call, frees=tuple(last)))
        used |= last.keys()
    return found[::-1]
