"""Fold files: what a user fixes of a design's folding, in our form or in FINN's, and a design's own folding in our form."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Design, Store
from hwqnn.dataflow.finn import finn_pins, is_finn
from hwqnn.dataflow.frozen import Frozen
from hwqnn.dataflow.matrix_block import MatrixBlock
from hwqnn.dataflow.pins import Pin, Pins
from hwqnn.dataflow.stage import stages
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.window import Window
from hwqnn.dataflow.window_parallel import ParallelWindow
from hwqnn.errors import InputError
from hwqnn.ir import Graph

_Word = TypeVar("_Word", bound=StrEnum)
_LAYER = {"pe": int, "simd": int, "store": str, "product": str, "window": dict}
_WINDOW = {"elements": int, "gives": int, "store": str}


def read_pins(path: Path, graph: Graph, clock_mhz: float) -> Pins:
    """Reads a fold file: `{"input": {"elements": 8}, "layers": {"fc1": {"pe": 32, "simd": 16}, ...}}`. What it leaves out stays free.

    A layer may also say `"store": "bram"` (a `Store`), `"product": "dsp"` (a `Product`) and, where it has a window,
    `"window": {"elements": 4, "gives": 4, "store": "bram"}`: one of 3x3 taps that takes 4 elements gives 4 at a time, or 36 when it comes whole.
    Folding files of FINN are read too.

    Raises:
        InputError: the file is unreadable, has an unknown key, names an unknown layer, or a layer has no such folding.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"fold file {path}: not readable as JSON ({error})") from error
    known = stages(graph, clock_mhz)
    layers, windows = {}, {}
    try:
        if is_finn(document):
            return finn_pins(document, graph, known)
        top = _table(document, "the file", {"input": dict, "layers": dict})
        elements = _table(top["input"], "'input'", {"elements": int}).get("elements") if "input" in top else None
        for name, entry in top.get("layers", {}).items():
            what = f"layer '{name}'"
            keys = _table(entry, what, _LAYER)
            layers[name] = Pin(keys.get("simd"), keys.get("pe"), _word(keys, "store", what, Store), _word(keys, "product", what, Product))
            if "window" in keys:
                what = f"'window' of layer '{name}'"
                keys = _table(keys["window"], what, _WINDOW)
                windows[name] = Pin(keys.get("elements"), keys.get("gives"), _word(keys, "store", what, Store))
    except ValueError as error:
        raise InputError(f"fold file {path}: {error}") from error
    for pins, what, there in (
        (layers, "layer", {s.layer: s for s in known if s.edge}),
        (windows, "window in layer", {s.layer: s for s in known if not s.edge}),
    ):
        for layer, pin in pins.items():
            if layer not in there:
                raise InputError(f"fold file {path}: no {what} '{layer}'; this network has {', '.join(there)}")
            if problem := pin.problem(there[layer]):
                raise InputError(f"fold file {path}: {what} '{layer}' {problem}")
    size = math.prod(graph.input.shape)
    if elements is not None and (elements < 1 or size % elements):
        raise InputError(f"fold file {path}: input elements {elements} do not divide {size}")
    return Pins(layers, elements, windows)


def _table(value: Any, what: str, kinds: dict[str, type]) -> dict[str, Any]:
    """`value`, once it is known to be a table with no other keys than these.

    Raises:
        ValueError: it is not; the message calls it `what`.
    """
    words = {dict: "a table {...}", int: "a whole number", str: "a word"}
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a table {{...}}, not {json.dumps(value)}")
    for key, entry in value.items():
        if key not in kinds:
            raise ValueError(f"{what} has an unknown key '{key}'; known here are {', '.join(kinds)}")
        if type(entry) is not kinds[key]:  # a bool is an int otherwise
            raise ValueError(f"'{key}' of {what} must be {words[kinds[key]]}, not {json.dumps(entry)}")
    return value


def _word(table: dict[str, Any], key: str, what: str, words: type[_Word]) -> _Word | None:
    """What `table`, called `what`, says under `key`; None where it does not."""
    if key not in table:
        return None
    if table[key] not in list(words):
        raise ValueError(f"'{key}' of {what} must be {' or '.join(words)}, not {table[key]!r}")
    return words(table[key])


def pins_of(design: Design) -> dict[str, object]:
    """The design's foldings in the form of a fold file."""
    layers: dict[str, dict[str, object]] = {n.layer: {} for n in design.nodes if n.edge is not None}
    for n in design.nodes:
        block = n.block
        if n.edge is not None:
            layers[n.layer] |= {"pe": block.beat_out.elements, "simd": block.beat_in.elements}
        if isinstance(block, MatrixBlock):
            layers[n.layer] |= {"store": str(block.store), "product": str(block.product)}
        if isinstance(block, Frozen):
            layers[n.layer]["store"] = str(Store.FROZEN)
        if isinstance(block, UpsampleBlock):
            layers[n.layer]["store"] = str(Store.BRAM if block.bram else Store.LUT)
        if isinstance(block, Window | ParallelWindow):
            store = Store.BRAM if block.bram else Store.LUT
            layers[n.layer]["window"] = {"elements": block.beat_in.elements, "gives": block.beat_out.elements, "store": str(store)}
    return {"input": {"elements": design.nodes[0].block.beat_in.elements}, "layers": layers}
