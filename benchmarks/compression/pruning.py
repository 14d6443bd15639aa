"""Pruning LeNet-300-100 on MNIST: by magnitude, by optimal brain damage, by optimal brain surgeon, at 90, 95 and 98 % sparsity.

    python benchmarks/compression/pruning.py [--only at-once iterated] [--quick]

784-300-100-10 with batch norm, 8-bit weights, 4-bit activations, 8-bit pixels. At once: from the trained network, by 5,000 training images, and no
training behind it. Iterated: 90 %, 95 %, 98 % one after another, each fine-tuned. Three trainings, whose checkpoints stay in the
cache folder. The literature at 98 %: dynamic network surgery (Guo et al. 2016), 2.0 % error with 1.8 % of the weights left.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from common import Row, Size, arguments, keep, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.damage import BrainDamage
from hwqnn.compress.magnitude import Magnitude
from hwqnn.compress.surgeon import BrainSurgeon
from hwqnn.data import Dataset
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Settings, evaluate, fit
from hwqnn.train.images import Images
from hwqnn.train.network import Mlp, Quantizer

GROUP = "pruning"
SIZES = (784, 300, 100, 10)
NETWORK = "LeNet-300-100"
SPARSITIES = (0.9, 0.95, 0.98)
SEEDS = (0, 1, 2)
SAMPLES = 5000
COMMAND = "python benchmarks/compression/pruning.py"
BASE = Settings(epochs=15, lr=2e-3)
TUNED = {sparsity: Settings(epochs=epochs, batch=250, lr=2e-3) for sparsity, epochs in ((0.9, 2), (0.95, 2), (0.98, 6))}
"""Behind a step to this sparsity."""
METHODS: dict[str, Callable[[float], compress.Method[Any]]] = {
    "brain surgeon": lambda sparsity: BrainSurgeon(sparsity, rounds=4),
    "magnitude": Magnitude,
    "brain damage": BrainDamage,
}


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, and all that methods and trainings need of its data."""

    model: nn.Module
    train: Dataset
    test: Dataset
    seed: int

    def accuracy(self, model: nn.Module) -> float:
        return evaluate(model, Images.of(self.test))

    def pruned(self, model: nn.Module, method: compress.Method[Any]) -> nn.Module:
        sample = Images.of(self.train, SAMPLES)
        done = compress.run(model, [method], lambda: sample.batches(100))
        print(done.reports[0], file=sys.stderr, flush=True)
        return done.model

    def tuned(self, model: nn.Module, settings: Settings) -> nn.Module:
        return fit(copy.deepcopy(model), self.train, self.test, replace(settings, seed=self.seed)).model


@cache
def first(net: Trained, method: compress.Method[Any]) -> nn.Module:
    """The trained network with a method; several rows begin with it."""
    return net.pruned(net.model, method)


def lenet(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Mlp(SIZES, Quantizer("integer", 8, {"per_channel": False}), Quantizer("relu", 4))


def trained(train: Dataset, test: Dataset, settings: Settings) -> Trained:
    checkpoint = cache_dir("compression") / f"pruning-{settings.epochs}-{settings.images}-{settings.seed}.pt"
    made = fit(lenet(settings.seed), train, test, settings, checkpoint=checkpoint)
    print(f"seed {settings.seed}: {made.accuracy:.2f} % before pruning", file=sys.stderr, flush=True)
    return Trained(made.model, train, test, settings.seed)


def size(model: nn.Module) -> Size:
    return Size.of(import_brevitas(model, torch.zeros(1, 1, 28, 28), name="lenet"))


def entry(method: str, models: Sequence[nn.Module], networks: Sequence[Trained], start: float, part: str) -> Row:
    left = sum(int(layer.kept.sum()) for layer in models[0].modules() if hasattr(layer, "kept"))
    name = f"{method}, {left:,} left" if left else method
    found = [net.accuracy(model) for net, model in zip(networks, models, strict=True)]
    seconds = time.perf_counter() - start
    made = row(GROUP, name, NETWORK, "mnist", accuracies=found, size=size(models[0]), command=f"{COMMAND} --only {part}", seconds=seconds)
    print(f"{name}: {made.accuracy:.2f} % in {seconds:.0f} s", file=sys.stderr, flush=True)
    return made


def at_once(networks: Sequence[Trained], _tuning: dict[float, Settings]) -> Iterator[Row]:
    """From the trained network, and no training behind it."""
    yield entry("8-bit weights, as trained", [net.model for net in networks], networks, time.perf_counter(), "at-once")
    for name, method in METHODS.items():
        for sparsity in SPARSITIES:
            start = time.perf_counter()
            made = [first(net, method(sparsity)) for net in networks]
            yield entry(f"{name}, {sparsity:.0%} at once, not trained again", made, networks, start, "at-once")


def iterated(networks: Sequence[Trained], tuning: dict[float, Settings]) -> Iterator[Row]:
    """Each sparsity from the one before it."""
    for name, method in METHODS.items():
        start, made = time.perf_counter(), [first(net, method(SPARSITIES[0])) for net in networks]
        for sparsity in SPARSITIES:
            if sparsity != SPARSITIES[0]:
                made = [net.pruned(model, method(sparsity)) for net, model in zip(networks, made, strict=True)]
            made = [net.tuned(model, tuning[sparsity]) for net, model in zip(networks, made, strict=True)]
            yield entry(f"{name}, {sparsity:.0%} iterated, fine-tuned", made, networks, start, "iterated")


PARTS = {"at-once": at_once, "iterated": iterated}


def main() -> None:
    options = arguments(__doc__, list(PARTS))
    torch.set_num_threads(1)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    base = replace(BASE, epochs=2, images=6000) if options.quick else BASE
    tuning = {sparsity: replace(each, epochs=1, images=6000) for sparsity, each in TUNED.items()} if options.quick else TUNED
    networks = [trained(train, test, replace(base, seed=seed)) for seed in (SEEDS[:1] if options.quick else SEEDS)]
    rows = []
    for part in options.only:
        for made in PARTS[part](networks, tuning):
            rows.append(made)
            if not options.quick:
                keep([made])
    print(table(rows))


if __name__ == "__main__":
    main()
