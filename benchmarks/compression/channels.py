"""Channels that go, on MNIST: LeNet-300-100 with fewer hidden neurons, picked by LASSO regression or trained away by a group lasso.

    python benchmarks/compression/channels.py [--only ROW ...] [--quick]

4-bit weights and activations, 8-bit pixels. A method takes neurons away, then the network is trained again with its zeros held. The hidden neurons
that are left are those of the first seed; the compiler removes the others. All rows are folded for the same rate, without block RAM.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import Row, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.channels import GroupLasso, LassoChannels
from hwqnn.compress.layers import layers
from hwqnn.paths import cache_dir
from hwqnn.train import Images, Mlp, Quantizer, Settings, evaluate, fit

GROUP = "channels"
COMMAND = "python benchmarks/compression/channels.py"
NETWORK = "LeNet-300-100, 4 bits"
WEIGHT, OUTPUT, ACT = Quantizer("integer", 4), Quantizer("integer", 4, {"per_channel": False}), Quantizer("relu", 4)
START = Settings(epochs=6, batch=200, lr=2e-3)
LEARN = Settings(epochs=8, batch=200, lr=1e-3)
FINETUNE = Settings(epochs=6, batch=200, lr=1e-3)
HARDWARE: dict[str, Any] = {"fps": 2e4, "limits": {"bram36": 0}}


@dataclass(frozen=True)
class Case:
    """A row: a method, None for the network as it is, and what it is called."""

    method: compress.Method[Any] | None
    title: str


CASES = {
    "dense": Case(None, "all neurons"),
    "lasso-30": Case(LassoChannels(0.3), "LASSO selection of 70 %"),
    "lasso-50": Case(LassoChannels(0.5), "LASSO selection of 50 %"),
    "lasso-70": Case(LassoChannels(0.7), "LASSO selection of 30 %"),
    "group-lasso-weak": Case(GroupLasso(1e-5), "group lasso, strength 1e-5"),
    "group-lasso-strong": Case(GroupLasso(4e-5), "group lasso, strength 4e-5"),
}
SEEDS = 1


@dataclass(frozen=True, eq=False)
class Made:
    """A network in eval mode, its percent of the test set, and its hidden neurons in words."""

    model: nn.Module
    accuracy: float
    neurons: str


def made(case: Case, seed: int, quick: bool) -> Made:
    train, test = data.load("mnist", "train"), data.load("mnist")

    def trained(model: nn.Module, settings: Settings, *terms: compress.Term, kept: Path | None = None) -> nn.Module:
        settings = replace(settings, seed=seed, **({"epochs": 1, "images": 2000} if quick else {}))
        return fit(model, train, test, settings, terms=terms, checkpoint=None if quick else kept).model

    torch.manual_seed(seed)
    model = trained(Mlp((784, 300, 100, 10), WEIGHT, ACT, last=OUTPUT), START, kept=cache_dir("compression") / GROUP / f"trained-{seed}.pt")
    if case.method is not None:
        images = Images.of(train, 5000)
        learning = compress.Learning(lambda changed, term: trained(changed, LEARN, term), len(train.x))
        finetune: Callable[[nn.Module], nn.Module] = lambda changed: trained(changed, FINETUNE)  # noqa: E731
        done = compress.run(
            model, [case.method], lambda: images.batches(500), finetune, learning if isinstance(case.method, compress.Learned) else None
        )
        print(done.reports[0], file=sys.stderr, flush=True)
        model = done.model
    read = [int((layer.weight != 0).any(0).sum()) for layer in list(layers(model).values())[1:]]
    return Made(model.eval(), evaluate(model, Images.of(test)), "-".join(map(str, read)))


def measured(name: str, case: Case, quick: bool) -> Row:
    """Trains a case on its seeds and measures the hardware of the first."""
    start = time.perf_counter()
    runs = [made(case, seed, quick) for seed in range(1 if quick else SEEDS)]
    print(f"{name}: {', '.join(f'{run.accuracy:.2f} % with {run.neurons}' for run in runs)}", file=sys.stderr, flush=True)
    hardware = measure(runs[0].model, input_shape=(1, 28, 28), images=data.load("mnist").x[:16], **HARDWARE)
    return row(
        GROUP, f"{case.title}: {runs[0].neurons} neurons", NETWORK, "mnist", accuracies=[run.accuracy for run in runs], hardware=hardware,
        command=f"{COMMAND} --only {name}", seconds=time.perf_counter() - start,
    )  # fmt: skip


def main() -> None:
    given = arguments(__doc__, list(CASES))
    torch.set_num_threads(1)
    rows = []
    for name in given.only:
        rows.append(measured(name, CASES[name], given.quick))
        if not given.quick:
            keep(rows[-1:])
        print(f"{name}: {rows[-1].accuracy:.2f} %, {rows[-1].lut} LUTs", file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
