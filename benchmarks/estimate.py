"""The error of the matrix-vector unit's LUT estimate against yosys: python benchmarks/estimate.py [--cases 24] [--seed 0] [--fit]

Draws random units (sizes, foldings, number types, thresholds) that no fit has seen, synthesizes each, and prints estimate, synthesis and
error, then the median and the worst. With --fit it prints the weights of `hwqnn.dataflow.cost.MVU_LUTS` that least squares gives instead.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from hwqnn import synth
from hwqnn.dataflow import Design, Node, cost
from hwqnn.dataflow.mvu import Mvu
from hwqnn.emit import emit
from hwqnn.ir import Bipolar, Int, MatMul, Threshold, Type, UInt

TYPES: list[tuple[Type, Type]] = [(Bipolar(), Bipolar())] * 6 + [(UInt(8), Bipolar()), (UInt(2), Int(2)), (UInt(4), Int(4)), (UInt(8), Int(8))]


def draw(rng: np.random.Generator) -> Mvu:
    """A random unit of at most about 3,000 LUTs."""
    while True:
        x, w = TYPES[rng.integers(len(TYPES))]
        pe, simd, nf, sf = (int(2 ** rng.uniform(0, top)) for top in (5, 6, 5, 6))
        if 8 <= pe * simd * x.bits * w.bits <= 1024 and nf * sf <= 256:
            break
    shape = (pe * nf, simd * sf)
    weight = rng.choice([-1, 1], shape) if isinstance(w, Bipolar) else rng.integers(w.min, w.max + 1, shape)
    matmul = MatMul(name="m", inputs=("x",), weight=weight, weight_type=w)
    lo, hi = matmul.channel_range(x)
    out: Type = Bipolar() if rng.integers(4) else UInt(2)
    levels = 1 if isinstance(out, Bipolar) else 3
    table = np.sort(rng.integers(lo.min() // 3, hi.max() // 3 + 1, (len(weight), levels)), axis=1)
    base, step = (-1, 2) if isinstance(out, Bipolar) else (0, 1)
    flat = np.zeros(len(weight), dtype=bool)
    threshold = Threshold(name="t", inputs=("m",), thresholds=table, descending=flat, base=base, step=step, type=out)
    return Mvu.fold(matmul, threshold, x, pe, simd)


def measure(units: list[Mvu], jobs: int) -> list[synth.Cells]:
    """yosys' cells of each unit."""
    with tempfile.TemporaryDirectory() as work:
        jobs_of = []
        for i, unit in enumerate(units):
            emitted = emit(Design(f"case{i}", (Node("m.mvu", "m", unit, "t"),), 100.0), Path(work) / str(i))
            node = emitted.nodes[0]
            jobs_of.append(synth.Unit(str(i), node.module, node.sources, emitted.directory, node.memories))
        cells = synth.synthesize(jobs_of, jobs=jobs, timeout_s=900, progress=lambda name, found: print(f"  {name}: {found.lut}", flush=True))
    return [cells[str(i)] for i in range(len(units))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    units = [draw(rng) for _ in range(args.cases)]
    luts = np.array([c.lut for c in measure(units, args.jobs)], dtype=float)
    if args.fit:
        names = [f.name for f in fields(cost.MvuParts)]
        parts = np.array([[getattr(unit.parts, name) for name in names] for unit in units])
        weight = 1 / luts**0.75  # between least squares of LUTs and of ratios
        solution = np.linalg.lstsq(parts * weight[:, None], luts * weight, rcond=None)[0]
        print("\n".join(f"    {name}={value:.3f}," for name, value in zip(names, solution, strict=True)))
        return
    errors = np.array([unit.estimate.lut for unit in units]) / luts - 1
    for unit, lut, error in zip(units, luts, errors, strict=True):
        size = f"pe={unit.pe} simd={unit.simd} nf={unit.nf} sf={unit.sf}"
        types = f"{unit.beat_in.type} x {unit.matmul.weight_type} -> {unit.beat_out.type}"
        print(f"{types:28} {size:32} estimate {unit.estimate.lut:7.0f}  yosys {lut:7.0f}  {error:+7.1%}")
    binary = np.array([unit.parts.counted > 0 for unit in units])
    for name, chosen in (("binary", binary), ("few-bit", ~binary)):
        if chosen.any():
            print(f"{name}: {chosen.sum()} units, median error {np.median(abs(errors[chosen])):.1%}, worst {abs(errors[chosen]).max():.1%}")


if __name__ == "__main__":
    main()
