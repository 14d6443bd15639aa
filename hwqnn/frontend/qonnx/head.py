"""Classifying heads: ArgMax, and TopK with k = 1. The graph ends in the scores before them; the label head is the builder's own."""

from __future__ import annotations

from hwqnn.frontend.qonnx.registry import Call, Label, standard


def label(call: Call, axis: int) -> Label:
    if len(call.x.shape) != 1 or axis not in (-1, 1):
        raise call.fail(f"it runs along axis {axis} of a tensor of shape {call.shape_text}; only the classes of (N, classes) are supported")
    return Label(call.x)


@standard("ArgMax")
def argmax(call: Call) -> Label:
    if call.attribute("select_last_index", 0):
        raise call.fail("ties that go to the last index")
    return label(call, call.attribute("axis", 0))


@standard("TopK")
def topk(call: Call) -> tuple[None, Label]:
    """The label is its second output; opset 9 and earlier give k as an attribute."""
    k = call.integer(1, "k") if call.optional(1) is not None else call.attribute("k", 0)
    if k != 1 or not call.attribute("largest", 1):
        raise call.fail(f"k = {k}, {'largest' if call.attribute('largest', 1) else 'smallest'}; only the one greatest is supported")
    return None, label(call, call.attribute("axis", -1))
