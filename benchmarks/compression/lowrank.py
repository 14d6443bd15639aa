"""Low rank and structure: LeNet-300-100 and LeNet-5 with factored layers, error against LUTs; the networks as they were beside them.

    python benchmarks/compression/lowrank.py [--only lenet-300-100-svd-16 ...] [--quick]

4-bit weights and activations, 4-bit pixels, 6 bits between two factors. A network is trained once, factored (the dense layers but the last; the
second convolution, which has most of the convolutions' weights), and fine-tuned for two epochs. The hardware makes 10,000 frames/s at 100 MHz without
block RAM and DSP blocks, its weights in ROMs of LUTs, so that all it costs is LUTs. Checkpoints stay in the cache folder: a row that is made again
measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import Row, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress import make
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Store
from hwqnn.paths import cache_dir
from hwqnn.train import Cnn, Images, Mlp, Quantizer, Settings, evaluate, fit

SHAPE = (1, 28, 28)
FPS = 10_000
SAMPLES = 1000
SEED = 0
WEIGHT, ACT, PIXELS = Quantizer("integer", 4), Quantizer("relu", 4), Quantizer("integer", 4, {"maximum": 1.0})
LAST = Quantizer("integer", 4, {"per_channel": False})
"""One scale for all classes, so that the scores can be compared as they are."""


@dataclass(frozen=True)
class Network:
    """A network, its words for the table, how many epochs it is trained, and its dense layers but the last."""

    words: str
    make: Callable[[], nn.Module]
    epochs: int
    dense: str


NETWORKS = {
    "lenet-300-100": Network(
        "784-300-100-10, W4 A4, 4-bit pixels", lambda: Mlp((784, 300, 100, 10), WEIGHT, ACT, last=LAST, input=PIXELS), 10, "hidden.*"
    ),
    "lenet-5": Network(
        "28x28-6C5-P2-16C5-P2-120-84-10, W4 A4, 4-bit pixels",
        lambda: Cnn(SHAPE, (6, 16), 10, WEIGHT, ACT, kernel=5, padding=0, pool=(1, 2), dense=(120, 84), last=LAST, pixels=PIXELS),
        5,
        "dense.*",
    ),
}
CONVOLUTION = "conv.1.*"


@dataclass(frozen=True)
class Case:
    """A row: a network, and what is done to it."""

    network: str
    words: str
    methods: tuple[compress.Method[Any], ...] = ()


def dense(network: str, form: str, *ranks: int) -> dict[str, Case]:
    """A form of the dense layers but the last."""
    layers = NETWORKS[network].dense
    return {f"{network}-{form}-{rank}": Case(network, f"{form}, rank {rank}", (make(form, rank=rank, layers=layers),)) for rank in ranks}


def convolution(form: str, *ranks: int) -> dict[str, Case]:
    """A form of LeNet-5's second convolution."""
    return {f"lenet-5-{form}-{rank}": Case("lenet-5", f"{form}, rank {rank}", (make(form, rank=rank, layers=CONVOLUTION),)) for rank in ranks}


def both(form: str, rank: int, svd: int) -> dict[str, Case]:
    """A form of LeNet-5's second convolution, and the dense layers' singular value decomposition."""
    (a,), (b,) = convolution(form, rank).values(), dense("lenet-5", "svd", svd).values()
    return {f"lenet-5-{form}-{rank}-svd-{svd}": Case("lenet-5", f"{a.words}; {b.words}", a.methods + b.methods)}


CASES = (
    dense("lenet-300-100", "svd", 32, 16, 8)
    | dense("lenet-300-100", "kronecker", 16, 8, 4)
    | dense("lenet-300-100", "tensor-train", 16, 8, 4)
    | {"lenet-300-100": Case("lenet-300-100", "as trained"), "lenet-5": Case("lenet-5", "as trained")}
    | dense("lenet-5", "svd", 24, 12, 6)
    | convolution("tucker", 4, 2)
    | convolution("separable", 2, 1)
    | convolution("horizontal-vertical", 6, 3)
    | convolution("hxw-1x1", 4, 2)
    | convolution("1x1-hxw", 2)
    | convolution("cp", 12, 6)
    | both("tucker", 4, 12)
    | both("separable", 1, 6)
)


def trained(name: str, train: Dataset, test: Dataset, folder: Path | None, quick: bool) -> nn.Module:
    """A network of `NETWORKS` before it is factored."""
    torch.manual_seed(SEED)
    model = NETWORKS[name].make()
    settings = Settings(epochs=1 if quick else NETWORKS[name].epochs, lr=2e-3, seed=SEED, images=2000 if quick else None)
    return fit(model, train, test, settings, checkpoint=folder / f"{name}.pt" if folder else None).model


def made(name: str, train: Dataset, test: Dataset, folder: Path | None, quick: bool) -> Row:
    """Factors, fine-tunes and measures a case."""
    case, seconds = CASES[name], 0.0
    model = trained(case.network, train, test, folder, quick)
    if case.methods:
        start, sample = time.perf_counter(), Images.of(train, SAMPLES)
        done = compress.run(model, case.methods, lambda: sample.batches(250))
        model, seconds = done.model, time.perf_counter() - start
        print(*done.reports, sep="\n", file=sys.stderr)
        settings = Settings(epochs=1 if quick else 2, lr=1e-3, seed=SEED, images=2000 if quick else None)
        fitted = fit(model, train, test, settings, checkpoint=folder / f"{name}.pt" if folder else None)
        seconds += sum(epoch.seconds for epoch in fitted.history)
    accuracy, start = evaluate(model, Images.of(test)), time.perf_counter()
    print(f"{name}: {accuracy:.2f} %", file=sys.stderr, flush=True)
    hardware = measure(model, input_shape=SHAPE, images=test.x[:16], fps=FPS, store=Store.LUT, limits={"bram36": 0, "dsp": 0})
    return row(
        "lowrank", case.words, NETWORKS[case.network].words, "mnist", accuracies=[accuracy], hardware=hardware,
        command=f"python benchmarks/compression/lowrank.py --only {name}", seconds=seconds + time.perf_counter() - start,
    )  # fmt: skip


def main() -> None:
    given = arguments(__doc__, list(CASES))
    torch.set_num_threads(1)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    folder = None if given.quick else cache_dir("compression") / "lowrank"
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in given.only:
        rows.append(made(name, train, test, folder, given.quick))
        print(f"{name}: {rows[-1].lut} LUTs, {rows[-1].fps:,.0f} frames/s, {rows[-1].seconds:.0f} s", file=sys.stderr, flush=True)
        if not given.quick:
            keep(rows[-1:])
    print(table(rows))


if __name__ == "__main__":
    main()
