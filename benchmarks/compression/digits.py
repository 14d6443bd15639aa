"""Few signed digits after training: how a small MNIST network loses its 8-bit weights without being trained again, by rounding, budget and format.

    python benchmarks/compression/digits.py [--only roundings budgets formats] [--quick]

2 x 2 max pool, 1-bit pixels, 196-32-32-10 with 2-bit activations; weights are logic (frozen), 100,000 frames/s. H comes from 2,000 training images.
Accuracies are means over three trainings, whose checkpoints stay in the cache folder; LUTs are those of the first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from brevitas import nn as qnn
from common import Row, Size, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data, quant
from hwqnn.compress.budget import DigitBudget
from hwqnn.compress.digits import SignedDigits
from hwqnn.compress.formats import Format
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Store
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Settings, evaluate, fit
from hwqnn.train.images import Images

SHAPE, SIZES = (1, 28, 28), (196, 32, 32, 10)
SEEDS = (0, 1, 2)
SAMPLES = 2000
FPS = 1e5
COMMAND = "python benchmarks/compression/digits.py"
NETWORK = f"{'-'.join(map(str, SIZES))}, 1-bit pooled pixels, 2-bit activations"

ROUNDINGS: dict[str, compress.Method[Any] | None] = {"8-bit weights, as trained": None} | {
    f"{k} digits, {name}": SignedDigits(k, curvature=curvature, rounding=rounding, width=width)
    for k in (2, 3, 4, 1)
    for name, curvature, rounding, width in (
        ("nearest", "none", "nearest", 1),
        ("nearest, p by loss", "kronecker", "nearest", 1),
        ("path, block H", "block", "path", 8),
        ("error feedback, Kronecker H", "kronecker", "path", 1),
        ("path, Kronecker H", "kronecker", "path", 8),
    )
}
BUDGETS: dict[str, compress.Method[Any]] = {
    f"{budget:g} digits a weight, path, Kronecker H": DigitBudget(budget, fewest=1, most=3) for budget in (0.8, 0.5, 0.3)
}
FORMATS: dict[str, compress.Method[Any]] = {
    f"{bits} bits, {name}": Format(kind, bits, fine, curvature="kronecker")
    for bits in (4, 3)
    for name, kind, fine in (
        ("fixed point", "fixed", 0),
        ("minifloat, 2-bit exponent", "minifloat", 2),
        ("posit, es = 0", "posit", 0),
        ("posit, es = 1", "posit", 1),
        ("power of two", "power-of-two", 0),
        ("block floating point, 16 weights", "block-floating", 16),
    )
}
GROUPS: dict[str, Mapping[str, compress.Method[Any] | None]] = {"roundings": ROUNDINGS, "budgets": BUDGETS, "formats": FORMATS}
IN_HARDWARE = (
    *(f"{k} digits, {name}" for k in (3, 2, 4, 1) for name in ("nearest", "path, Kronecker H")),
    *BUDGETS,
    *(
        f"4 bits, {name}"
        for name in ("fixed point", "power of two", "minifloat, 2-bit exponent", "posit, es = 0", "block floating point, 16 weights")
    ),
)
"""The rows that are synthesized, the most telling first."""


def network(seed: int) -> nn.Module:
    """8-bit weights with one learned scale a layer."""
    torch.manual_seed(seed)
    weight = quant.weight("integer", 8, per_channel=False)
    hidden = [nn.Sequential(qnn.QuantLinear(n, m, **weight), nn.BatchNorm1d(m), quant.act("relu", 2)) for n, m in pairwise(SIZES[:-1])]
    return nn.Sequential(nn.MaxPool2d(2), quant.act("dorefa", 1), nn.Flatten(), *hidden, qnn.QuantLinear(SIZES[-2], SIZES[-1], **weight))


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, some of the images that it was trained on, and those that it is tested on."""

    model: nn.Module
    sample: Images
    test: Images


def trained(train: Dataset, test: Dataset, settings: Settings) -> Trained:
    checkpoint = cache_dir("compression") / f"digits-{SIZES[0]}-{settings.epochs}-{settings.images}-{settings.seed}.pt"
    made = fit(network(settings.seed), train, test, settings, checkpoint=checkpoint)
    print(f"seed {settings.seed}: {made.accuracy:.2f} % with 8-bit weights", file=sys.stderr)
    return Trained(made.model, Images.of(train, SAMPLES), Images.of(test))


def compressed(method: compress.Method[Any] | None, net: Trained) -> nn.Module:
    """A network with a method, without any training after it."""
    if method is None:
        return net.model
    done = compress.run(net.model, [method], lambda: net.sample.batches(100))
    print(done.reports[0], file=sys.stderr)
    return done.model


def size(model: nn.Module) -> Size:
    return Size.of(import_brevitas(model, torch.zeros(1, *SHAPE), name="digits"))


def main() -> None:
    options = arguments(__doc__, list(GROUPS))
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    seeds = SEEDS[:1] if options.quick else SEEDS
    settings = [Settings(epochs=2 if options.quick else 10, lr=2e-3, seed=seed, images=6000 if options.quick else None) for seed in seeds]
    networks = [trained(train, test, each) for each in settings]
    rows: dict[str, Row] = {}
    models: dict[str, nn.Module] = {}
    for group in options.only:
        for name, method in list(GROUPS[group].items())[: 2 if options.quick else None]:
            start = time.perf_counter()
            made = [compressed(method, net) for net in networks]
            accuracies = [evaluate(model, net.test) for model, net in zip(made, networks, strict=True)]
            seconds, models[name] = time.perf_counter() - start, made[0]
            rows[name] = row("digits", name, NETWORK, "mnist", accuracies=accuracies, size=size(made[0]), command=COMMAND, seconds=seconds)
            print(f"{name}: {rows[name].accuracy:.2f} % in {seconds:.0f} s", file=sys.stderr, flush=True)
            if not options.quick:
                keep([rows[name]])
    for name in [name for name in IN_HARDWARE if name in models]:
        start = time.perf_counter()
        hardware = measure(models[name], input_shape=SHAPE, images=test.x[:16], store=Store.FROZEN, fps=FPS)
        cells = {key: value for key, value in vars(hardware).items() if key not in ("size", "bits")}
        rows[name] = replace(rows[name], **cells, seconds=round(rows[name].seconds + time.perf_counter() - start, 1))
        print(f"{name}: {hardware}", file=sys.stderr, flush=True)
        if not options.quick:
            keep([rows[name]])
    print(table(list(rows.values())))


if __name__ == "__main__":
    main()
