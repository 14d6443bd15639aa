"""Pruning LeNet-300-100 on MNIST: by magnitude, by optimal brain damage, by optimal brain surgeon, at 90, 95 and 98 % sparsity.

    python benchmarks/compression/pruning.py [--only one-shot iterated] [--quick]

784-300-100-10 with batch norm, 8-bit weights, 4-bit activations, 8-bit pixels. One shot: all weights at once, by 5,000 training images, and no training
behind it; at 98 % also with training. Iterated: 90 %, 95 %, 98 % one after another, each fine-tuned. Three trainings, whose checkpoints stay in the
cache folder. The literature at 98 %: dynamic network surgery (Guo et al. 2016), 2.0 % error with 1.8 % of the weights left.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
TUNED = {0.9: Settings(epochs=5), 0.95: Settings(epochs=5), 0.98: Settings(epochs=10)}
"""Behind a step to this sparsity."""
METHODS: dict[str, Callable[[float], compress.Method[Any]]] = {
    "brain surgeon": lambda sparsity: BrainSurgeon(sparsity, rounds=4),
    "magnitude": Magnitude,
    "brain damage": BrainDamage,
    "magnitude, each layer alike": lambda sparsity: Magnitude(sparsity, "layer"),
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
        return fit(model, self.train, self.test, replace(settings, seed=self.seed)).model


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


def entry(method: str, models: Sequence[nn.Module], accuracies: Sequence[float], start: float, part: str) -> Row:
    left = [sum(int(layer.kept.sum()) for layer in model.modules() if hasattr(layer, "kept")) for model in models]
    name = f"{method}, {left[0]:,} left" if left[0] else method
    seconds = time.perf_counter() - start
    made = row(GROUP, name, NETWORK, "mnist", accuracies=accuracies, size=size(models[0]), command=f"{COMMAND} --only {part}", seconds=seconds)
    print(f"{name}: {made.accuracy:.2f} % in {seconds:.0f} s", file=sys.stderr, flush=True)
    return made


def one_shot(networks: Sequence[Trained], tuning: dict[float, Settings]) -> Iterator[Row]:
    """No step before it; at the greatest sparsity also fine-tuned."""
    yield entry(
        "8-bit weights, as trained", [net.model for net in networks], [net.accuracy(net.model) for net in networks], time.perf_counter(), "one-shot"
    )
    for name, method in METHODS.items():
        for sparsity in SPARSITIES:
            start = time.perf_counter()
            made = [net.pruned(net.model, method(sparsity)) for net in networks]
            found = [net.accuracy(model) for net, model in zip(networks, made, strict=True)]
            yield entry(f"{name}, {sparsity:.0%} at once, not trained again", made, found, start, "one-shot")
            if sparsity == SPARSITIES[-1]:
                tuned = [net.tuned(model, tuning[sparsity]) for net, model in zip(networks, made, strict=True)]
                found = [net.accuracy(model) for net, model in zip(networks, tuned, strict=True)]
                yield entry(f"{name}, {sparsity:.0%} at once, fine-tuned", tuned, found, start, "one-shot")


def iterated(networks: Sequence[Trained], tuning: dict[float, Settings]) -> Iterator[Row]:
    """Each sparsity from the one before it."""
    for name, method in METHODS.items():
        models, start = [net.model for net in networks], time.perf_counter()
        for sparsity in SPARSITIES:
            models = [net.tuned(net.pruned(model, method(sparsity)), tuning[sparsity]) for net, model in zip(networks, models, strict=True)]
            found = [net.accuracy(model) for net, model in zip(networks, models, strict=True)]
            yield entry(f"{name}, {sparsity:.0%} iterated, fine-tuned", models, found, start, "iterated")


PARTS = {"one-shot": one_shot, "iterated": iterated}


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
