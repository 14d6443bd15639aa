"""What the scripts of learned methods share: trainings whose checkpoints stay in the cache folder, a compressed network on MNIST, and its row.

A run that stopped goes on from its checkpoints, and a row that is made again measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from common import Row, Size, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Epoch, Images, Settings, evaluate, fit

SHAPE = (1, 28, 28)


@dataclass(frozen=True)
class Network:
    """A network, and how it is trained before and behind its compression."""

    name: str
    make: Callable[[], nn.Module]
    train: Settings
    finetune: Settings


@dataclass(frozen=True)
class Case:
    """A row: a method on a network, None for the network as it is; how it learns, if it does; what its hardware is asked for.

    Attributes:
        hardware: arguments of `common.measure`.
    """

    method: compress.Method[Any] | None
    title: str
    network: Network
    learn: Settings | None
    hardware: Mapping[str, Any]
    seeds: int = 1


@dataclass(frozen=True, eq=False)
class Made:
    """A compressed network in eval mode, its percent of the test set, and the seconds of all its trainings."""

    model: nn.Module
    accuracy: float
    seconds: float


@dataclass(eq=False)
class Trainings:
    """Trainings with one seed; their checkpoints lie in the cache folder of a group of rows, under `NAME-SEED.pt`.

    Attributes:
        seconds: of all their epochs.
    """

    group: str
    seed: int
    quick: bool
    seconds: float = field(default=0.0, init=False)

    def fit(self, name: str, model: nn.Module, settings: Settings, *terms: compress.Term) -> nn.Module:
        folder = cache_dir("compression") / self.group
        folder.mkdir(parents=True, exist_ok=True)
        settings = replace(settings, seed=self.seed, **({"epochs": 1, "images": 2000} if self.quick else {}))
        checkpoint: Path | None = None if self.quick else folder / f"{name}-{self.seed}.pt"
        train, test = data.load("mnist", "train"), data.load("mnist")
        fitted = fit(model, train, test, settings, terms=terms, checkpoint=checkpoint, progress=lambda e, left: _show(name, e, left))
        self.seconds += sum(epoch.seconds for epoch in fitted.history)
        return fitted.model


def made(group: str, name: str, case: Case, seed: int, quick: bool) -> Made:
    """Trains a network, compresses it, and trains it again with its zeros held."""
    train, trainings, network = data.load("mnist", "train"), Trainings(group, seed, quick), case.network
    torch.manual_seed(seed)
    model = trainings.fit("trained-" + "".join(c if c.isalnum() else "-" for c in network.name), network.make(), network.train)
    if case.method is not None:
        images, learning = Images.of(train, 5000), None
        if (learn := case.learn) is not None:
            learning = compress.Learning(lambda prepared, term: trainings.fit(f"{name}-learned", prepared, learn, term), len(train))
        tuned: Callable[[nn.Module], nn.Module] = lambda changed: trainings.fit(f"{name}-tuned", changed, network.finetune)  # noqa: E731
        done = compress.run(model, [case.method], lambda: images.batches(500), tuned, learning)
        print(done.reports[0], file=sys.stderr, flush=True)
        model = done.model
    model.eval()
    return Made(model, evaluate(model, Images.of(data.load("mnist"))), trainings.seconds)


def run(group: str, cases: Mapping[str, Case], only: Sequence[str], quick: bool, left: Callable[[nn.Module], str], command: str) -> None:
    """Prints and keeps the rows of some cases: first without hardware, which may take long, then with that of the first seed.

    Args:
        left: what is left of a network, in words that stand behind its title.
    """
    torch.set_num_threads(1)
    rows = []
    for name in only:
        rows.append(_measured(group, name, cases[name], quick, left, f"{command} --only {name}"))
        print(f"{name}: {rows[-1].accuracy:.2f} %, {rows[-1].lut} LUTs", file=sys.stderr, flush=True)
    print(table(rows))


def _measured(group: str, name: str, case: Case, quick: bool, left: Callable[[nn.Module], str], command: str) -> Row:
    runs = [made(group, name, case, seed, quick) for seed in range(1 if quick else case.seeds)]
    start, seconds = time.perf_counter(), sum(each.seconds for each in runs)
    for each in runs:
        print(f"{name}: {100 - each.accuracy:.2f} % error, {left(each.model)}", file=sys.stderr, flush=True)
    model = runs[0].model
    entry: dict[str, Any] = {
        "method": f"{case.title}, {left(model)}", "network": case.network.name, "dataset": "mnist",
        "accuracies": [each.accuracy for each in runs], "command": command,
    }  # fmt: skip
    if not quick:
        keep([row(group, size=Size.of(import_brevitas(model, torch.zeros(1, *SHAPE), name="network")), seconds=seconds, **entry)])
    hardware = measure(model, input_shape=SHAPE, images=data.load("mnist").x[:16], **case.hardware)
    done = row(group, hardware=hardware, seconds=seconds + time.perf_counter() - start, **entry)
    if not quick:
        keep([done])
    return done


def _show(what: str, epoch: Epoch, left: float) -> None:
    text = f"{what} {epoch.epoch}: loss {epoch.loss:.4f}, train {epoch.train_accuracy:.2f} %, test {epoch.test_accuracy:.2f} %"
    print(f"{text}, {epoch.seconds:.0f} s, {left / 60:.0f} min left", file=sys.stderr, flush=True)
