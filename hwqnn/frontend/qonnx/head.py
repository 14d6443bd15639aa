"""Classifying heads: ArgMax and TopK. The graph ends in the scores before them; the label head is the builder's own."""

from __future__ import annotations

import numpy as np

from hwqnn.frontend.qonnx.registry import Call, Label, standard


def label(call: Call, axis: int) -> Label:
    """The classes may be any axis but the batch; what is left are pixels."""
    rank = len(call.shape)
    if not -rank <= axis < rank or axis % rank == 0:
        raise call.fail(f"it runs along axis {axis} of a tensor of shape {call.shape_text}; it must be the axis of the classes")
    return Label(call.x.moved(np.moveaxis(call.x.index, axis % rank - 1, 0)))


@standard("ArgMax")
def argmax(call: Call) -> Label:
    if call.attribute("select_last_index", 0):
        raise call.fail("ties that go to the last index")
    return label(call, call.attribute("axis", 0))


@standard("TopK")
def topk(call: Call) -> tuple[None, Label]:
    """The indices are its second output, the greatest first; opset 9 and earlier give k as an attribute."""
    if not call.attribute("largest", 1) or not call.attribute("sorted", 1):
        raise call.fail("the smallest, or the greatest in no order; only the greatest, sorted, are supported")
    return None, label(call, call.attribute("axis", -1))
