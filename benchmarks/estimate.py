"""The error of the LUT estimate of matrix-vector and depthwise units against yosys: python benchmarks/estimate.py [--cases 24] [--seed 0] [--fit]

Draws random units (layers, sizes, foldings, number types, multipliers, thresholds) that no fit has seen, synthesizes each, and prints estimate,
synthesis and error, then the median and the worst of each kind. With --fit it prints the weights of `hwqnn.dataflow.cost.MATRIX_LUTS` that least
squares gives instead.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

from hwqnn import synth
from hwqnn.dataflow import Design, Node, Source, cost
from hwqnn.dataflow.accumulator import Product, products
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.mvu import Mvu
from hwqnn.emit import emit
from hwqnn.ir import Bipolar, Conv, Edge, Geometry, Int, MatMul, Threshold, Type, UInt

Unit = Mvu | Depthwise
BINARY: list[tuple[Type, Type]] = [(Bipolar(), Bipolar())]
FEW_BIT: list[tuple[Type, Type]] = [(UInt(8), Bipolar()), (UInt(2), Int(2)), (UInt(4), Int(4)), (UInt(8), Int(8)), (Bipolar(), Int(2))]


def values(of: Type, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1, 1], shape) if isinstance(of, Bipolar) else rng.integers(of.min, of.max + 1, shape)


def thresholds(matrix: Matrix, x: Type, rng: np.random.Generator) -> Threshold:
    """Bipolar or of two bits, in the middle of what the sums can be."""
    lo, hi = matrix.op.channel_range(x)
    out: Type = Bipolar() if rng.integers(4) else UInt(2)
    levels = 1 if isinstance(out, Bipolar) else 3
    table = np.sort(rng.integers(lo.min() // 3, hi.max() // 3 + 1, (matrix.outputs, levels)), axis=1)
    base, step = (-1, 2) if isinstance(out, Bipolar) else (0, 1)
    flat = np.zeros(matrix.outputs, dtype=bool)
    return Threshold(name="t", inputs=("m",), thresholds=table, descending=flat, base=base, step=step, type=out)


def sizes(rng: np.random.Generator, *greatest: float) -> list[int]:
    """Numbers of at least 1, spread evenly over their logarithms."""
    return [int(2 ** rng.uniform(0, top)) for top in greatest]


def dense(types: list[tuple[Type, Type]], product: Product, rng: np.random.Generator) -> Unit | None:
    """A fully connected layer."""
    x, w = types[rng.integers(len(types))]
    pe, simd, nf, sf = sizes(rng, 5, 6, 5, 6)
    if product is Product.DSP:
        pe, simd = sizes(rng, 3, 3)
    op = MatMul(name="m", inputs=("x",), weight=values(w, (pe * nf, simd * sf), rng), weight_type=w)
    matrix = Matrix.of(op, Edge(x, (simd * sf,)))
    if not 8 <= pe * simd * x.bits * w.bits <= 1024 or not 1 < nf * sf <= 256 or product not in products(matrix, x):
        return None
    return Mvu.fold(matrix, thresholds(matrix, x, rng), x, pe, simd, product=product)


def convolution(rng: np.random.Generator) -> Unit | None:
    """3x3, with padding or without, in one group or more."""
    x, w = (BINARY * 2 + FEW_BIT)[rng.integers(2 + len(FEW_BIT))]
    pe, simd, nf, sf, groups = sizes(rng, 4, 5, 4, 3, 2)
    pad = int(rng.integers(2))
    shape = (groups * pe * nf, 3, 3, simd * sf)
    op = Conv(name="m", inputs=("x",), weight=values(w, shape, rng), weight_type=w, geometry=Geometry((3, 3), padding=(pad,) * 4), groups=groups)
    if not 8 <= pe * simd * x.bits * w.bits <= 1024 or groups * nf * sf * 9 > 512:
        return None
    matrix = Matrix.of(op, Edge(x, (12, 12, groups * simd * sf)))
    return Mvu.fold(matrix, thresholds(matrix, x, rng), x, pe, simd)


def depthwise(rng: np.random.Generator) -> Unit | None:
    """3x3 with weights, or an average pool."""
    x, w = (BINARY + FEW_BIT)[rng.integers(1 + len(FEW_BIT))]
    pe, fold = sizes(rng, 5, 5)
    average = rng.integers(3) == 0
    weight_type: Type = UInt(1) if average else w
    weight = np.ones((pe * fold, 3, 3, 1), np.int64) if average else values(w, (pe * fold, 3, 3, 1), rng)
    geometry = Geometry((3, 3), padding=(int(rng.integers(2)),) * 4)
    op = Conv(name="m", inputs=("x",), weight=weight, weight_type=weight_type, geometry=geometry, groups=pe * fold)
    matrix = Matrix.of(op, Edge(x, (12, 12, pe * fold)))
    styles = products(matrix, x)
    return Depthwise.fold(matrix, thresholds(matrix, x, rng), x, pe, product=styles[rng.integers(len(styles))])


KINDS: dict[str, Callable[[np.random.Generator], Unit | None]] = {
    "binary": lambda rng: dense(BINARY, Product.PLANES, rng),
    "few-bit": lambda rng: dense(FEW_BIT, Product.PLANES, rng),
    "multipliers": lambda rng: dense(FEW_BIT, Product.DSP, rng),
    "convolution": convolution,
    "depthwise": depthwise,
}


def draw(kind: str, rng: np.random.Generator) -> Unit:
    """A random unit of at most about 3,000 LUTs."""
    while True:
        unit = KINDS[kind](rng)
        if unit is not None:
            return unit


def measure(units: list[Unit], jobs: int) -> list[synth.Cells]:
    """yosys' cells of each unit."""
    with tempfile.TemporaryDirectory() as work:
        jobs_of = []
        for i, unit in enumerate(units):
            emitted = emit(Design(f"case{i}", (Node("m.unit", "m", unit, "t", (Source(None),)),), 100.0), Path(work) / str(i))
            node = emitted.nodes[0]
            jobs_of.append(synth.Unit(str(i), node.module, node.sources, emitted.directory, node.memories))
        cells = synth.synthesize(jobs_of, jobs=jobs, timeout_s=900, progress=lambda name, found: print(f"  {name}: {found.lut}", flush=True))
    return [cells[str(i)] for i in range(len(units))]


def fit(units: list[Unit], luts: np.ndarray) -> None:
    """Prints the weights: least squares between that of LUTs and that of ratios."""
    names = [f.name for f in fields(cost.MatrixParts)]
    parts = np.array([[getattr(unit.parts, name) for name in names] for unit in units])
    weight = 1 / luts**0.75
    solution = np.linalg.lstsq(parts * weight[:, None], luts * weight, rcond=None)[0]
    print("\n".join(f"    {name}={value:.3f}," for name, value in zip(names, solution, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    kinds = [list(KINDS)[i % len(KINDS)] for i in range(args.cases)]
    units = [draw(kind, rng) for kind in kinds]
    luts = np.array([c.lut for c in measure(units, args.jobs)], dtype=float)
    if args.fit:
        fit(units, luts)
        return
    errors = np.array([unit.estimate.lut for unit in units]) / luts - 1
    for unit, lut, error in zip(units, luts, errors, strict=True):
        size = f"pe={unit.pe} simd={unit.simd} sets={unit.sets} words={unit.weight_words} classes={unit.classes} {unit.product}"
        types = f"{unit.module} {unit.beat_in.type} x {unit.matrix.weight_type} -> {unit.beat_out.type}"
        print(f"{types:34} {size:55} estimate {unit.estimate.lut:7.0f}  yosys {lut:7.0f}  {error:+7.1%}")
    for kind in KINDS:
        of = abs(errors[[k == kind for k in kinds]])
        if of.size:
            print(f"{kind}: {of.size} units, median error {np.median(of):.1%}, worst {of.max():.1%}")


if __name__ == "__main__":
    main()
