"""Nodes that keep each sample's elements in order: reshapes, casts, dropout; and Shape, which is a constant."""

from __future__ import annotations

import math
from dataclasses import replace

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
    return replace(call.x, shape=tuple(shape[1:]))


def dims(call: Call) -> list[int]:
    return [] if isinstance(call.inputs[call.at], Label) else [call.batch, *call.x.shape]


def integers(call: Call, at: int, attribute: str) -> list[int] | None:
    """A list that newer opsets give as an input and older ones as an attribute."""
    if call.optional(at) is not None:
        return [int(v) for v in call.array(at, attribute).reshape(-1)]
    return call.attribute(attribute, None)


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
    new = integers(call, 1, "shape")
    if new is None:
        call.bad("its shape is missing")
    if not call.attribute("allowzero", 0):
        new = [old[i] if size == 0 and i < len(old) else size for i, size in enumerate(new)]
    known = math.prod(size for size in new if size != -1)
    return shaped(call, [math.prod(old) // max(known, 1) if size == -1 else size for size in new])


@standard("Squeeze")
def squeeze(call: Call) -> Value:
    old = dims(call)
    axes = integers(call, 1, "axes")
    gone = {i for i, size in enumerate(old) if size == 1} if axes is None else {axis % max(len(old), 1) for axis in axes}
    return shaped(call, [size for i, size in enumerate(old) if i not in gone])


@standard("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    new = dims(call)
    axes = integers(call, 1, "axes") or []
    for axis in sorted(axis % (len(new) + len(axes)) for axis in axes):
        new.insert(axis, 1)
    return shaped(call, new)


@standard("Transpose")
def transpose(call: Call) -> Value:
    """Of data, only when it moves nothing but axes of size 1."""
    old = dims(call)
    order = call.attribute("perm", None) or list(range(len(old)))[::-1]
    long = [axis for axis in order if axis == 0 or (axis < len(old) and old[axis] > 1)]
    if old and (long != sorted(long) or order[0] != 0):
        raise call.fail(f"it reorders the elements of a tensor of shape {call.shape_text}")
    return shaped(call, [old[axis] for axis in order] if old else [])


@standard("Shape")
def shape_of(call: Call) -> Constant:
    start, end = call.attribute("start", 0), call.attribute("end", None)
    return Constant(np.array(call.shape[start:end], dtype=np.int64))
