"""Nodes that only move elements: reshapes, transposes, slices; casts and dropout, which do not even that; and Shape, which is a constant."""

from __future__ import annotations

import math

import numpy as np
import onnx

from hwqnn.frontend.qonnx.registry import Call, Constant, Label, Value, standard
from hwqnn.frontend.symbolic import Symbol

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


def shaped(call: Call, shape: list[int]) -> Value:
    """The same elements in another shape (batch axis first). What is made of a label stays that label."""
    if isinstance(label := call.inputs[call.at], Label):
        return label
    if not shape or shape[0] != call.batch or math.prod(shape[1:]) != call.x.size:
        raise call.fail(f"it reshapes {call.shape_text} to ({', '.join(map(str, shape))}), which does not keep N = {call.batch} samples apart")
    return call.x.moved(call.x.index.reshape(shape[1:]))


def dims(call: Call) -> list[int]:
    return [] if isinstance(call.inputs[call.at], Label) else [call.batch, *call.x.shape]


@standard("Identity", "Dropout")
def identity(call: Call) -> Value:
    """Dropout passes everything at inference."""
    if call.outputs > 1:
        raise call.fail("its mask is used; only inference is supported")
    if call.optional(2) is not None and call.array(2, "training_mode").any():
        raise call.fail("it still drops (training_mode); export the model in eval mode")
    return shaped(call, dims(call))


@standard("Cast")
def cast(call: Call) -> Value:
    if isinstance(call.inputs[call.at], Symbol) and call.attribute("to", 0) not in _FLOATS:
        raise call.fail("only casts to float are supported")
    return shaped(call, dims(call))


@standard("Flatten")
def flatten(call: Call) -> Value:
    old = dims(call)
    axis = call.attribute("axis", 1)
    axis += len(old) if axis < 0 else 0
    return shaped(call, [math.prod(old[:axis]), math.prod(old[axis:])])


@standard("Reshape")
def reshape(call: Call) -> Value:
    old = dims(call)
    new = call.integers(1, "shape")
    if new is None:
        call.bad("its shape is missing")
    if not call.attribute("allowzero", 0):
        new = [old[i] if size == 0 and i < len(old) else size for i, size in enumerate(new)]
    known = math.prod(size for size in new if size != -1)
    return shaped(call, [math.prod(old) // max(known, 1) if size == -1 else size for size in new])


@standard("Squeeze")
def squeeze(call: Call) -> Value:
    old = dims(call)
    axes = call.integers(1, "axes")
    gone = {i for i, size in enumerate(old) if size == 1} if axes is None else {axis % max(len(old), 1) for axis in axes}
    return shaped(call, [size for i, size in enumerate(old) if i not in gone])


@standard("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    new = dims(call)
    axes = call.integers(1, "axes") or []
    for axis in sorted(axis % (len(new) + len(axes)) for axis in axes):
        new.insert(axis, 1)
    return shaped(call, new)


@standard("Transpose")
def transpose(call: Call) -> Value:
    if isinstance(label := call.inputs[call.at], Label):
        return label
    order = call.attribute("perm", None) or list(range(len(call.shape)))[::-1]
    if order[0] != 0:
        raise call.fail(f"it moves the batch axis of a tensor of shape {call.shape_text}")
    return call.x.moved(call.x.index.transpose([axis - 1 for axis in order[1:]]))


@standard("Slice")
def slice_of(call: Call) -> Value:
    starts, ends = call.integers(1, "starts") or [], call.integers(2, "ends") or []
    axes, steps = call.integers(3, "axes"), call.integers(4, "steps") or [1] * len(starts)
    cut = [slice(None)] * len(call.shape)
    for axis, start, end, step in zip(range(len(starts)) if axes is None else axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, None if step < 0 and end < -call.shape[axis] else end, step)
    if len(range(*cut[0].indices(call.batch))) != call.batch or cut[0].step not in (None, 1):
        raise call.fail("it takes some samples of the batch and leaves others")
    return call.x.moved(call.x.index[tuple(cut[1:])])


@standard("Split")
def split(call: Call) -> tuple[Value, ...]:
    axis = call.attribute("axis", 0) % len(call.shape)
    if axis == 0:
        raise call.fail("it splits the batch")
    size = call.shape[axis]
    part = -(-size // call.outputs)
    sizes = call.integers(1, "split") or [min(part, size - i * part) for i in range(call.outputs)]
    return tuple(call.x.moved(index) for index in np.split(call.x.index, np.cumsum(sizes)[:-1], axis=axis - 1))


@standard("Gather")
def gather(call: Call) -> Value:
    """Some places along an axis."""
    axis = call.attribute("axis", 0) % len(call.shape)
    if call.at != 0 or axis == 0:
        raise call.fail("it takes some samples of the batch, or places that depend on the input")
    return call.x.moved(np.take(call.x.index, call.array(1, "indices"), axis - 1))


@standard("Shape")
def shape_of(call: Call) -> Constant:
    start, end = call.attribute("start", 0), call.attribute("end", None)
    return Constant(np.array(call.shape[start:end], dtype=np.int64))
