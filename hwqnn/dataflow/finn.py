"""Folding files of FINN, `{"Defaults": {...}, "MVAU_hls_0": {"PE": 16, "SIMD": 49, "ram_style": "block"}, ...}`, as pins.

A key is a node, an operator and a number, as `ApplyConfig` of QONNX reads it; nodes stand in the order of the network. So the operators that compute
with matrices are our layers in turn. What only says how FINN itself builds a node becomes a note.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.pins import Pin, Pins
from hwqnn.dataflow.stage import Stage
from hwqnn.ir import Conv, Graph

_NODE = re.compile(r"([A-Za-z]\w*)_(\d+)")
_BACKEND = re.compile(r"(_Batch)?(_hls|_rtl)?$")
_KINDS = {
    "MVAU": "mvu", "MatrixVectorActivation": "mvu", "StreamingFCLayer": "mvu",
    "VVAU": "depthwise", "VectorVectorActivation": "depthwise", "Vector_Vector_Activate": "depthwise",
    "ConvolutionInputGenerator": "window", "ConvolutionInputGenerator1D": "window",
    "Thresholding": "threshold", "LabelSelect": "argmax", "StreamingMaxPool": "pool", "Pool": "pool", "AddStreams": "add",
    "StreamingConcat": "concat", "ChannelwiseOp": "affine", "UpsampleNearestNeighbour": "upsample",
}  # fmt: skip
"""FINN's operators of all versions, without `_Batch`, `_hls` and `_rtl`, and the kinds of our stages."""
_STORES = {"auto": None, "block": Store.BRAM, "distributed": Store.LUT}
_PRODUCTS = {"auto": None, "lut": Product.PLANES, "dsp": Product.DSP}
_AS_HERE: dict[str, tuple[object, ...]] = {
    "mem_mode": ("const", "decoupled", "internal_embedded", "internal_decoupled"),
    "runtime_writeable_weights": (0,),
    "M": (1,),
    "parallel_window": (0,),
    "dynamic_mode": (0,),
    "SIMD": (1,),  # of a depthwise layer: a tap at a time
}
"""Values that ask for nothing but what is so here: weights on the chip, fixed."""


@dataclass(eq=False)
class _Node:
    """A node of the file: its operator without a suffix, and its attributes with the defaults."""

    name: str
    operator: str
    attributes: dict[str, Any]


@dataclass(eq=False)
class _Reader:
    """Collects pins and notes."""

    pins: dict[bool, dict[str, Pin]] = field(default_factory=lambda: {True: {}, False: {}})
    notes: Counter[str] = field(default_factory=Counter)

    def take(self, node: _Node, stage: Stage | None) -> None:
        """The node's attributes as the stage's pin.

        Raises:
            ValueError: the stage has no such folding.
        """
        if stage is None:
            self.notes[node.name] += 1
            return
        pin = Pin()
        for key, value in node.attributes.items():
            taken = _pin(pin, key, value, stage)
            if taken is None and value not in _AS_HERE.get(key, ()):
                self.notes[f"{key}={value} of {node.operator}"] += 1
            pin = taken or pin
        if problem := pin.problem(stage):
            raise ValueError(f"{node.name}, here layer '{stage.layer}', {problem}")
        self.pins[stage.edge is not None][stage.layer] = pin


def is_finn(document: Any) -> bool:
    """Whether a JSON document is such a file: it has defaults, or keys that are nodes."""
    return isinstance(document, dict) and ("Defaults" in document or any(map(_NODE.fullmatch, document)))


def finn_pins(document: Mapping[str, Any], graph: Graph, stages: tuple[Stage, ...]) -> Pins:
    """The pins that a folding file of FINN means for the stages of a graph.

    Raises:
        ValueError: it is no such file, has another number of matrices, or a layer has no such folding.
    """
    reader, nodes = _Reader(), _nodes(document)
    for kind in dict.fromkeys(_KINDS.values()):
        there = [node for node in nodes if _KINDS.get(node.operator) == kind]
        for here in _candidates(kind, graph, stages):
            if len(there) == len(here):
                for node, stage in zip(there, here, strict=True):
                    reader.take(node, stage)
                break
        else:
            if there and kind in ("mvu", "depthwise"):
                layers = ", ".join(stage.layer for stage in here if stage) or "none"
                raise ValueError(f"it has {len(there)} nodes {there[0].operator}, but {graph.name} has {len(here)} such layers: {layers}")
            for node in there:
                reader.notes[node.operator] += 1
    for node in nodes:
        if node.operator not in _KINDS:
            reader.notes[node.operator] += 1
    notes = tuple(f"{what} ({count})" if count > 1 else what for what, count in reader.notes.items())
    return Pins(reader.pins[True], None, reader.pins[False], notes)


def _nodes(document: Mapping[str, Any]) -> list[_Node]:
    defaults = document.get("Defaults", {})
    if not isinstance(defaults, dict):
        raise ValueError("'Defaults' must be a table {...}")
    found = []
    for name, attributes in document.items():
        if name == "Defaults":
            continue
        match = _NODE.fullmatch(name)
        if not match or not isinstance(attributes, dict):
            raise ValueError(f"'{name}' is no node of FINN with a table {{...}} of its attributes")
        operator = match[1]
        filled = {key: value for key, entry in defaults.items() for value in _default(key, entry, operator)}
        found.append(_Node(name, _BACKEND.sub("", operator), filled | attributes))
    return found


def _default(key: str, entry: Any, operator: str) -> list[Any]:
    """The values that an entry of the defaults, [value, operators, value, operators, ...], has for an operator: one or none."""
    if not isinstance(entry, list) or len(entry) % 2:
        raise ValueError(f"'{key}' of 'Defaults' must be a list [value, operators, ...]")
    return [value for value, operators in zip(entry[::2], entry[1::2], strict=True) if "all" in operators or operator in operators][-1:]


def _candidates(kind: str, graph: Graph, stages: tuple[Stage, ...]) -> list[list[Stage | None]]:
    """The stages that nodes of this kind may be, one list for each reading of the file; None has no stage here."""
    here: dict[str, Stage | None] = {stage.layer: stage for stage in stages if stage.kind == kind}
    averages = [op.name for op in graph.ops if isinstance(op, Conv) and (op.weight == 1).all()]  # a pool in FINN
    if kind == "depthwise":
        return [[stage for layer, stage in here.items() if layer not in averages]]
    if kind == "window":  # of a window that is the whole map nothing is here; FINN has a pool's window in the pool itself, or before it
        layers = [op.name for op in graph.ops if op.name in here or (isinstance(op, Conv) and op.geometry.taps > 1)]
        convolutions = [name for name in layers if isinstance(graph.op(name), Conv) and name not in averages]
        return [[here.get(name) for name in names] for names in (convolutions, layers)]
    return [list(here.values())]


def _pin(pin: Pin, key: str, value: Any, stage: Stage) -> Pin | None:
    """`pin` with one more attribute; None where that has no counterpart."""
    match key:
        case "PE":  # of a LabelSelect: what it reads at a time
            return replace(pin, simd=value) if stage.kind == "argmax" else replace(pin, pe=value)
        case "SIMD" if stage.kind != "depthwise":
            return replace(pin, simd=value)
        case "ram_style" if value in _STORES and (store := _STORES[value]) in (None, *(f.store for f in stage.foldings)):
            return replace(pin, store=store)
        case "resType" if value in _PRODUCTS and (product := _PRODUCTS[value]) in (None, *(f.product for f in stage.foldings)):
            return replace(pin, product=product)
        case "parallel_window" if value == 1:
            return replace(pin, pe=max(f.pe for f in stage.foldings))
    return None
