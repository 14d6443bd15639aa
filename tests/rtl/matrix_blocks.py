"""Matrix blocks for the benches: made by the package from layers with random weights, and what they should compute as numbers beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from hwqnn.dataflow.accumulator import Product, accumulator
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.design import Design, Node, Source, Store
from hwqnn.dataflow.frozen import Frozen
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.emit import Target, emit
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import Bipolar, Conv, Edge, Geometry, Int, Ternary, Threshold, Type, UInt

TARGETS = {"portable": Target.PORTABLE, "xc7": Target.XC7}
KINDS = {"bipolar": Bipolar(), "ternary": Ternary()} | {f"u{n}": UInt(n) for n in range(1, 9)} | {f"i{n}": Int(n) for n in range(2, 9)}


@dataclass(frozen=True)
class Layer:
    """A convolution of PE * NF * groups outputs: a dense layer is one of a single pixel, a depthwise one has `lanes`.

    Attributes:
        x, w: keys of `KINDS`.
        taps: of the kernel, in a row.
        levels: thresholds; 0 for the sums themselves.
        pixels: of a map of one row. pad: on both of its sides.
        ones: all weights are 1.
        clock_mhz: None: slow enough for everything.
    """

    pe: int
    simd: int
    nf: int
    sf: int
    x: str
    w: str
    levels: int = 1
    store: Store = Store.LUT
    product: Product = Product.PLANES
    clock_mhz: float | None = 100.0
    taps: int = 1
    groups: int = 1
    pixels: int = 1
    pad: int = 0
    lanes: bool = False
    ones: bool = False


def values(of: Type) -> list[int]:
    return [-1, 1] if isinstance(of, Bipolar) else list(range(of.min, of.max + 1))


def make(layer: Layer, number: int, folder: Path, form: str) -> tuple[dict[str, Any], tuple[int, int], tuple[Path, ...]]:
    """What the bench wants to know of a case, the widths of its beats, and its sources, written into `folder`.

    In a lanewise layer, NF counts the tiles of PE channels and a step is a tap.
    """
    random = Random(f"{layer}")
    x, w = KINDS[layer.x], KINDS[layer.w]
    outputs, inputs = layer.groups * layer.pe * layer.nf, layer.simd * layer.sf
    groups, channels = (outputs, 1) if layer.lanes else (layer.groups, inputs // layer.taps)
    weights = [[1] * inputs if layer.ones else random.choices(values(w), k=inputs) for _ in range(outputs)]
    sums = [sum(a * b for a, b in zip(row, random.choices(values(x), k=inputs), strict=True)) for row in weights for _ in range(20)]
    table = [sorted(random.randint(min(sums) - 1, max(sums) + 1) for _ in range(layer.levels)) for _ in range(outputs)]
    threshold = None
    if layer.levels:
        of: Type = Bipolar() if layer.levels == 1 else Int(layer.levels.bit_length() + 1)
        base, step = (-1, 2) if layer.levels == 1 else (-2, 1)
        flat = np.zeros(outputs, dtype=bool)
        threshold = Threshold(name="t", inputs=("c",), thresholds=np.array(table), descending=flat, base=base, step=step, type=of)
    weight = np.array(weights).reshape(outputs, 1, layer.taps, channels)
    geometry = Geometry((1, layer.taps), padding=(0, layer.pad, 0, layer.pad))
    width = layer.pixels - 1 + layer.taps - 2 * layer.pad
    op = Conv(name="c", inputs=("x",), weight=weight, weight_type=w, geometry=geometry, groups=groups)
    matrix = Matrix.of(op, Edge(x, (1, width, groups * channels)))
    how = {"store": layer.store, "product": layer.product, "budget_ns": budget_ns(layer.clock_mhz) if layer.clock_mhz else np.inf}
    if layer.store is Store.FROZEN:
        block = Frozen.of(matrix, threshold, x, accumulator(matrix, threshold, x), how["budget_ns"])
    else:
        block = Depthwise.fold(matrix, threshold, x, layer.pe, **how) if layer.lanes else Mvu.fold(matrix, threshold, x, layer.pe, layer.simd, **how)
    node = Node("c.unit", "c", block, "c", (Source(None),))
    emitted = emit(Design(f"case{number}", (node,), 100.0), folder, TARGETS[form]).nodes[0]
    case = {
        "wrapper": emitted.module,
        "pe": layer.pe,
        "simd": 1 if layer.lanes else layer.simd,
        "nf": layer.nf,
        "sf": layer.sf,
        "groups": layer.groups,
        "pixels": layer.pixels,
        "depth": block.schedule.depth,
        "out_bits": block.beat_out.type.bits,
        "x": [x.bits, ("Bipolar", "UInt", "Int").index(type(x).__name__) if not isinstance(x, Ternary) else 2],
        "weights": weights,
        "table": table,
        "padded": [[k for k in range(inputs) if not 0 <= pixel + k // channels - layer.pad < width] for pixel in range(layer.pixels)],
    }
    return case, (block.beat_in.bits, block.beat_out.bits), emitted.sources
