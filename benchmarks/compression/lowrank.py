"""Low rank and structure: LeNet-300-100 and LeNet-5 with factored layers, error against LUTs; the networks as they were beside them.

    python benchmarks/compression/lowrank.py [--only lenet-300-100 lenet-5] [--quick]

4-bit weights and activations, 4-bit pixels, 6 bits between two factors. A network is trained once, factored, and fine-tuned for three epochs. The
hardware makes 10,000 frames/s at 100 MHz without block RAM and DSP blocks, so that weights and products are LUTs. Checkpoints stay in the cache
folder: a row that is made again measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import Row, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress import make
from hwqnn.data import Dataset
from hwqnn.paths import cache_dir
from hwqnn.train import Cnn, Images, Mlp, Quantizer, Settings, evaluate, fit

SHAPE = (1, 28, 28)
FPS = 10_000
SAMPLES = 1000
WEIGHT, ACT, PIXELS = Quantizer("integer", 4), Quantizer("relu", 4), Quantizer("integer", 4, {"maximum": 1.0})
LAST = Quantizer("integer", 4, {"per_channel": False})
"""One scale for all classes, so that the scores can be compared as they are."""
SEED = 0


@dataclass(frozen=True)
class Network:
    """A network, its words for the table, how long it is trained, and the methods of each row."""

    words: str
    epochs: int
    rows: dict[str, tuple[compress.Method[Any], ...]]

    def make(self) -> nn.Module:
        raise NotImplementedError


class Lenet300(Network):
    def make(self) -> nn.Module:
        return Mlp((784, 300, 100, 10), WEIGHT, ACT, last=LAST, input=PIXELS)


class Lenet5(Network):
    def make(self) -> nn.Module:
        return Cnn(SHAPE, (6, 16), 10, WEIGHT, ACT, kernel=5, padding=0, pool=(1, 2), dense=(120, 84), last=LAST, pixels=PIXELS)


def dense(form: str, *ranks: int, **options: Any) -> dict[str, tuple[compress.Method[Any], ...]]:
    """A form of the dense layers but the last."""
    layers = "dense.*" if options.pop("cnn", False) else "hidden.*"
    words = ", ".join([form, *(f"{value} {name}" for name, value in options.items())])
    return {f"{words}, rank {rank}": (make(form, rank=rank, layers=layers, **options),) for rank in ranks}


def convolutions(form: str, *ranks: int, layers: str = "conv.1.*") -> dict[str, tuple[compress.Method[Any], ...]]:
    """A form of the second convolution, which has nearly all of the convolutions' weights and products."""
    return {f"{form}, rank {rank}": (make(form, rank=rank, layers=layers),) for rank in ranks}


def both(form: str, rank: int, svd: int) -> dict[str, tuple[compress.Method[Any], ...]]:
    return {f"{form}, rank {rank}; svd, rank {svd}": (*convolutions(form, rank).popitem()[1], *dense("svd", svd, cnn=True).popitem()[1])}


NETWORKS: dict[str, Network] = {
    "lenet-300-100": Lenet300(
        "784-300-100-10, W4 A4, 4-bit pixels",
        10,
        {"as trained": ()} | dense("svd", 48, 24, 12, 6) | dense("kronecker", 16, 8, 4, 2) | dense("tensor-train", 16, 8, 4, cores=3),
    ),
    "lenet-5": Lenet5(
        "28x28-6C5-P2-16C5-P2-120-84-10, W4 A4, 4-bit pixels",
        10,
        {"as trained": ()}
        | dense("svd", 32, 16, 8, cnn=True)
        | convolutions("hxw-1x1", 8, 4, 2)
        | convolutions("1x1-hxw", 4, 2)
        | convolutions("horizontal-vertical", 12, 6, 3)
        | convolutions("separable", 3, 2, 1)
        | convolutions("cp", 24, 12, 6)
        | convolutions("tucker", 8, 4, 2)
        | both("tucker", 4, 16)
        | both("separable", 1, 8),
    ),
}


def trained(name: str, train: Dataset, test: Dataset, folder: Path | None, quick: bool) -> nn.Module:
    network = NETWORKS[name]
    torch.manual_seed(SEED)
    model = network.make()
    settings = Settings(epochs=1 if quick else network.epochs, lr=2e-3, seed=SEED, images=2000 if quick else None)
    fitted = fit(model, train, test, settings, checkpoint=folder / f"{name}.pt" if folder else None)
    print(f"{name}: {fitted.accuracy:.2f} %", file=sys.stderr, flush=True)
    return fitted.model


def made(name: str, method: str, model: nn.Module, train: Dataset, test: Dataset, folder: Path | None, quick: bool) -> Row:
    network, start, seconds = NETWORKS[name], time.perf_counter(), 0.0
    methods: Sequence[compress.Method[Any]] = network.rows[method]
    sample = Images.of(train, SAMPLES)
    done = compress.run(model, methods, lambda: sample.batches(250))
    for report in done.reports:
        print(report, file=sys.stderr)
    if methods:
        settings = Settings(epochs=1 if quick else 3, lr=1e-3, seed=SEED, images=2000 if quick else None)
        file = "".join(c if c.isalnum() else "-" for c in f"{name} {method}")
        start = time.perf_counter()
        fitted = fit(done.model, train, test, settings, checkpoint=folder / f"{file}.pt" if folder else None)
        seconds = sum(epoch.seconds for epoch in fitted.history)
        start = time.perf_counter()
    accuracy = evaluate(done.model, Images.of(test))
    print(f"{method}: {accuracy:.2f} %, trained {seconds:.0f} s", file=sys.stderr, flush=True)
    hardware = measure(done.model, input_shape=SHAPE, images=test.x[:16], fps=FPS, limits={"bram36": 0, "dsp": 0})
    return row(
        "lowrank", method, network.words, "mnist", accuracies=[accuracy], hardware=hardware,
        command=f"python benchmarks/compression/lowrank.py --only {name}", seconds=seconds + time.perf_counter() - start,
    )  # fmt: skip


def main() -> None:
    given = arguments(__doc__, list(NETWORKS))
    torch.set_num_threads(1)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    folder = None if given.quick else cache_dir("compression") / "lowrank"
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in given.only:
        model = trained(name, train, test, folder, given.quick)
        for method in list(NETWORKS[name].rows)[: 2 if given.quick else None]:
            rows.append(made(name, method, model, train, test, folder, given.quick))
            print(f"{method}: {rows[-1].lut} LUTs, {rows[-1].fps:,.0f} frames/s, {rows[-1].seconds:.0f} s", file=sys.stderr, flush=True)
            if not given.quick:
                keep(rows[-1:])
    print(table(rows))


if __name__ == "__main__":
    main()
