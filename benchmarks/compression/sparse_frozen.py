"""One network, ever sparser, as logic (frozen: zeros cost nothing) against the same one dense and folded: LUTs and frames/s, and where they cross.

    python benchmarks/compression/sparse_frozen.py [--only small lenet] [--quick]

small: 196-64-32-10, 1-bit pooled pixels. lenet: LeNet-300-100, 2-bit pixels. Both have 4-bit weights and 2-bit activations. Optimal brain surgeon
takes weights step by step, each step fine-tuned; a frozen network takes a frame in as many cycles as its pixels need. Folded, a network has as many
multipliers as its rate needs, and its weights lie in LUTs (small) or block RAM (lenet), zeros and all. One training, whose checkpoint stays in the
cache folder; every network's RTL is compared with the reference bit for bit and synthesized at 100 MHz.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from brevitas import nn as qnn
from common import Row, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data, quant
from hwqnn.compress.report import NOTHING, count
from hwqnn.compress.surgeon import BrainSurgeon
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Store
from hwqnn.paths import cache_dir
from hwqnn.train import Settings, evaluate, fit
from hwqnn.train.images import Images

GROUP = "sparse-frozen"
SHAPE = (1, 28, 28)
SAMPLES = 5000
COMMAND = "python benchmarks/compression/sparse_frozen.py --only"


@dataclass(frozen=True)
class Case:
    """A network, how sparse it becomes, and what it is compared with.

    Attributes:
        pooled: 2 x 2 max pool in front. pixels: bits of an input.
        sparsities: one after another; frozen: those that become logic. folded: frames/s that the dense one is folded for.
        limits: cells that the folded one must do without.
        fps: frames/s that a frozen one is asked for, at least.
    """

    network: str
    sizes: tuple[int, ...]
    pooled: bool
    pixels: int
    sparsities: tuple[float, ...]
    frozen: tuple[float, ...]
    folded: tuple[float, ...]
    limits: dict[str, float]
    tuning: Settings
    fps: float = 1e5
    training: Settings = field(default=Settings(epochs=10, lr=2e-3))


CASES = {
    "small": Case(
        "196-64-32-10, 1-bit pooled pixels, 4-bit weights, 2-bit activations", (196, 64, 32, 10), True, 1,
        sparsities=(0.5, 0.75, 0.9, 0.95, 0.98), frozen=(0.98, 0.95, 0.9, 0.75, 0.5, 0.0), folded=(1e4, 1e5),
        limits={"bram36": 0, "dsp": 0}, tuning=Settings(epochs=4, batch=250, lr=2e-3),
    ),
    "lenet": Case(
        "LeNet-300-100, 2-bit pixels, 4-bit weights, 2-bit activations", (784, 300, 100, 10), False, 2,
        sparsities=(0.9, 0.98, 0.99), frozen=(0.99, 0.98), folded=(1e4, 1e5, 4e5, 1e6),
        limits={"dsp": 0}, tuning=Settings(epochs=5, batch=250, lr=2e-3),
    ),
}  # fmt: skip


def network(case: Case) -> nn.Module:
    torch.manual_seed(0)
    weight = quant.weight("integer", 4, per_channel=False)
    sizes = case.sizes
    hidden = [nn.Sequential(qnn.QuantLinear(n, m, **weight), nn.BatchNorm1d(m), quant.act("relu", 2)) for n, m in pairwise(sizes[:-1])]
    front = [nn.MaxPool2d(2)] if case.pooled else []
    return nn.Sequential(*front, quant.act("dorefa", case.pixels), nn.Flatten(), *hidden, qnn.QuantLinear(sizes[-2], sizes[-1], **weight))


def sparser(name: str, case: Case, train: Dataset, test: Dataset) -> dict[float, nn.Module]:
    """The network at each sparsity, each from the one before it."""
    kept = cache_dir("compression") / f"sparse-frozen-{name}-{case.training.epochs}-{case.training.images}.pt"
    found = {0.0: fit(network(case), train, test, case.training, checkpoint=kept).model}
    sample = Images.of(train, SAMPLES)
    for sparsity in case.sparsities:
        before = found[list(found)[-1]]
        done = compress.run(
            before, [BrainSurgeon(sparsity, rounds=2)], lambda: sample.batches(100), lambda model: fit(model, train, test, case.tuning).model
        )
        print(done.reports[0], file=sys.stderr, flush=True)
        found[sparsity] = done.model
    return found


def measured(name: str, case: Case, way: str, model: nn.Module, test: Dataset, fps: float, store: Store | None) -> Row:
    start, left = time.perf_counter(), sum(count(model).values(), NOTHING).nonzero
    limits = case.limits if store is None else None
    hardware = measure(model, input_shape=SHAPE, images=test.x[:16], fps=fps, store=store, limits=limits)
    accuracy = evaluate(model, Images.of(test))
    made = row(
        GROUP, f"{way}, {left:,} weights other than 0", case.network, "mnist",
        accuracies=[accuracy], hardware=hardware, command=f"{COMMAND} {name}", seconds=time.perf_counter() - start,
    )  # fmt: skip
    print(f"{made.method}: {accuracy:.2f} %, {hardware}", file=sys.stderr, flush=True)
    return made


def crossings(frozen: Sequence[tuple[float, Row]], folded: Sequence[Row]) -> list[str]:
    """For each folded network, from which sparsity on the frozen one takes fewer LUTs: between the two measured ones, on a straight line."""
    points = sorted((sparsity, float(made.lut or 0)) for sparsity, made in frozen)
    lines = []
    for made in folded:
        lut = float(made.lut or 0)
        at = next((x0 + (x1 - x0) * (y0 - lut) / (y0 - y1) for (x0, y0), (x1, y1) in pairwise(points) if y1 <= lut < y0), None)
        where = f"from {at:.1%} sparsity on" if at is not None else "at every sparsity measured" if points[0][1] <= lut else "at no sparsity measured"
        lines.append(f"frozen takes fewer LUTs than folded at {made.fps:,.0f} frames/s ({lut:,.0f} LUTs) {where}")
    return lines


def main() -> None:
    options = arguments(__doc__, list(CASES))
    torch.set_num_threads(1)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    rows: list[Row] = []

    def enter(made: Row) -> Row:
        rows.append(made)
        if not options.quick:
            keep([made])
        return made

    for name in options.only:
        case = CASES[name]
        if options.quick:
            few = Settings(epochs=1, images=2000)
            case = replace(case, sparsities=case.sparsities[-1:], frozen=case.sparsities[-1:], folded=case.folded[:1], tuning=few, training=few)
        models = sparser(name, case, train, test)
        logic = [(s, enter(measured(name, case, f"frozen, {s:.0%} sparse", models[s], test, case.fps, Store.FROZEN))) for s in case.frozen]
        dense = [enter(measured(name, case, f"dense, folded for {fps:,.0f} frames/s", models[0.0], test, fps, None)) for fps in case.folded]
        print("\n".join(crossings(logic, dense)), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
