"""LUTs of weights that are logic: random matrices and trained layers, by the generator's count, which is yosys' too (`tests/gates/test_frozen.py`).

    python benchmarks/frozen.py                 the table
    python benchmarks/frozen.py --clock 300     for another clock
    python benchmarks/frozen.py --da4ml         also what da4ml's adder graph takes, if it is installed (pip install da4ml)

da4ml (Sun et al. 2025) makes shift-adds of words by common subexpressions. Its cost is its own count, a LUT for each bit of an adder, for sums
without thresholds and registers; it takes many minutes for more than some thousand weights, so larger layers are left out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from hwqnn.accelerator import PIXEL, PIXEL_SCALE
from hwqnn.frontend import import_brevitas
from hwqnn.gates.delay import budget_ns
from hwqnn.gates.frozen import Forms, frozen
from hwqnn.ir import MatMul, Threshold
from hwqnn.passes import lower
from hwqnn.zoo import load


def binary(weight: np.ndarray, thresholds: np.ndarray | None) -> Forms:
    """A layer of bipolar inputs: signs of the sums, or, without thresholds, the sums."""
    rows = len(weight)
    return Forms(
        weights=tuple(tuple(int(w) for w in row) for row in weight),
        x_bits=1,
        lowest=-1,
        step=2,
        signed=False,
        constants=((0,) * rows,),
        thresholds=((),) * rows if thresholds is None else tuple((int(t),) for t in thresholds),
        codes=(0,) if thresholds is None else (0, 1),
        out_bits=weight.shape[1].bit_length() + 1 if thresholds is None else 1,
    )


def random_layer(rows: int, columns: int, values: tuple[int, ...] = (-1, 1)) -> tuple[str, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    weight = random.choice(values, (rows, columns))
    spread = int(columns**0.5)
    return f"random {{{', '.join(map(str, sorted(set(values))))}}}", weight, random.integers(-spread, spread + 1, rows)


def trained(name: str, inputs: int) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    graph = lower(import_brevitas(load(name), torch.zeros(1, inputs), name=name, input_type=PIXEL, input_scale=PIXEL_SCALE))
    found: list[tuple[str, np.ndarray, np.ndarray | None]] = []
    for op in graph.ops:
        if isinstance(op, MatMul):
            reader = graph.consumers(op.name)[0]
            thresholds = np.broadcast_to(reader.thresholds[:, 0], (len(op.weight),)) if isinstance(reader, Threshold) else None
            found.append((f"{name} {op.name}", op.weight, thresholds))
    return found


def da4ml_luts(weight: np.ndarray) -> str:
    if weight.size > 5000:
        return "-"
    try:
        from da4ml.cmvm import solve  # type: ignore[import-not-found]
    except ImportError:
        return "not installed"
    one_bit = [(0.0, 1.0, 1.0)] * weight.shape[1]  # least, greatest, step of each input
    cost = solve(weight.T.astype(np.float32), qintervals=one_bit, adder_size=1).cost  # a LUT for each bit that is added
    return f"{cost / weight.size:.3f}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--clock", type=float, default=200.0)
    arguments.add_argument("--da4ml", action="store_true")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    shapes = ((64, 64), (64, 784), (256, 256))
    cases = [random_layer(*shape) for shape in shapes] + [random_layer(64, 576, (-1, 0, 1)), random_layer(64, 576, (-1, 0, 0, 0, 1))]
    print(f"{'layer':<24} {'weights':>10} {'LUT':>6} {'FF':>6} {'CARRY4':>6} {'depth':>5} {'LUT/weight':>10} {'s':>5}" + "  da4ml" * options.da4ml)
    total = 0.0
    for name, weight, thresholds in [*cases, *trained("tfc-w1a1", 784)]:
        began = time.perf_counter()
        path = frozen(binary(weight, thresholds), budget_ns(options.clock))
        lut, seconds = path.cells.lut, time.perf_counter() - began
        line = f"{name:<24} {'x'.join(map(str, weight.shape)):>10} {lut:6.0f} {path.cells.ff:6.0f} {path.cells.carry4:6.0f} {path.depth:5}"
        print(f"{line} {lut / weight.size:10.3f} {seconds:5.1f}" + (f"  {da4ml_luts(weight)}" if options.da4ml else ""))
        total += lut if name.startswith("tfc") else 0
    print(f"tfc-w1a1, all four layers: {total:.0f} LUTs at {options.clock:g} MHz, a frame a cycle; without streams and argmax")


if __name__ == "__main__":
    main()
