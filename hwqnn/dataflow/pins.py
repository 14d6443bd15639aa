"""Fold files: what a user fixes of a design's folding, and a design's own folding in the same form."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Design
from hwqnn.dataflow.matrix_block import MatrixBlock
from hwqnn.dataflow.stage import Folding, Stage, stages
from hwqnn.dataflow.window import Window
from hwqnn.dataflow.window_parallel import ParallelWindow
from hwqnn.errors import InputError
from hwqnn.ir import Graph


@dataclass(frozen=True)
class Pins:
    """What a fold file fixes: foldings by layer name, the input's elements per beat, and foldings of the layers' windows."""

    layers: dict[str, Folding]
    input_elements: int | None
    windows: dict[str, Folding] = field(default_factory=dict)

    def of(self, stage: Stage) -> Folding | None:
        return (self.layers if stage.edge is not None else self.windows).get(stage.layer)


NO_PINS = Pins({}, None)
_LAYER = {"pe": int, "simd": int, "bram": bool, "product": str, "window": dict}


def read_pins(path: Path, graph: Graph) -> Pins:
    """Reads a fold file: `{"input": {"elements": 8}, "layers": {"fc1": {"pe": 32, "simd": 16}, ...}}`; layers not named stay free.

    A layer may also say `"bram": true`, `"product": "dsp"` and, where it has a window, `"window": {"elements": 4, "bram": true}`;
    `{"elements": 4, "gives": 36}` makes a window of 3x3 taps come whole.

    Raises:
        InputError: the file is unreadable, has an unknown key or lacks one, names an unknown layer, or a number does not divide the layer's size.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"fold file {path}: not readable as JSON ({error})") from error
    layers, windows = {}, {}
    try:
        top = _table(document, "the file", {"input": dict, "layers": dict}, needs=())
        elements = _table(top["input"], "'input'", {"elements": int})["elements"] if "input" in top else None
        for name, entry in top.get("layers", {}).items():
            keys = _table(entry, f"layer '{name}'", _LAYER, needs=("pe", "simd"))
            if (product := keys.get("product", Product.PLANES)) not in list(Product):
                raise ValueError(f"'product' of layer '{name}' must be {' or '.join(Product)}, not {product!r}")
            layers[name] = Folding(keys["simd"], keys["pe"], keys.get("bram", False), Product(product))
            if "window" in keys:
                window = _table(keys["window"], f"'window' of layer '{name}'", {"elements": int, "gives": int, "bram": bool}, needs=("elements",))
                windows[name] = Folding(window["elements"], window.get("gives", window["elements"]), window.get("bram", False))
    except ValueError as error:
        raise InputError(f"fold file {path}: {error}") from error
    known = stages(graph)
    for pinned, there in ((layers, {s.layer: s for s in known if s.edge}), (windows, {s.layer: s for s in known if not s.edge})):
        for layer, folding in pinned.items():
            what = "layer" if pinned is layers else "window in layer"
            if layer not in there:
                raise InputError(f"fold file {path}: no {what} '{layer}'; this network has {', '.join(there)}")
            if folding not in there[layer].foldings:
                simd, pe = (sorted({getattr(f, k) for f in there[layer].foldings}) for k in ("simd", "pe"))
                raise InputError(f"fold file {path}: {what} '{layer}' cannot take {folding}: pe is one of {pe}, simd one of {simd}")
    size = math.prod(graph.input.shape)
    if elements is not None and (elements < 1 or size % elements):
        raise InputError(f"fold file {path}: input elements {elements} do not divide {size}")
    return Pins(layers, elements, windows)


def _table(value: Any, what: str, kinds: dict[str, type], needs: tuple[str, ...] | None = None) -> dict[str, Any]:
    """`value`, once it is known to be a table with these keys: all of them where `needs` does not say which.

    Raises:
        ValueError: it is not; the message calls it `what`.
    """
    words = {dict: "a table {...}", int: "a whole number", bool: "true or false", str: "a word"}
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a table {{...}}, not {json.dumps(value)}")
    for key, entry in value.items():
        if key not in kinds:
            raise ValueError(f"{what} has an unknown key '{key}'; known here are {', '.join(kinds)}")
        if type(entry) is not kinds[key]:  # a bool is an int otherwise
            raise ValueError(f"'{key}' of {what} must be {words[kinds[key]]}, not {json.dumps(entry)}")
    for key in kinds if needs is None else needs:
        if key not in value:
            raise ValueError(f"{what} lacks '{key}'")
    return value


def pins_of(design: Design) -> dict[str, object]:
    """The design's foldings in the form of a fold file."""
    layers: dict[str, dict[str, object]] = {n.layer: {} for n in design.nodes if n.edge is not None}
    for n in design.nodes:
        block = n.block
        if n.edge is not None:
            layers[n.layer] |= {"pe": block.beat_out.elements, "simd": block.beat_in.elements}
        if isinstance(block, MatrixBlock):
            layers[n.layer] |= {"bram": block.bram, "product": str(block.product)}
        if isinstance(block, Window):
            layers[n.layer] |= {"window": {"elements": block.beat_in.elements, "bram": block.bram}}
        if isinstance(block, ParallelWindow):
            layers[n.layer] |= {"window": {"elements": block.beat_in.elements, "gives": block.beat_out.elements}}
    return {"input": {"elements": design.nodes[0].block.beat_in.elements}, "layers": layers}
