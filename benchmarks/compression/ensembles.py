"""Ensembles of binary networks (BENN: Zhu et al. 2019): 1, 3, 5 and 8 members by bagging and boosting, their accuracy and what they cost in LUTs,
beside single networks that are wider. Weights, activations and pixels are binary; 100,000 frames/s and no block RAM, so that LUTs tell all.

    python benchmarks/compression/ensembles.py [--only mnist-single mnist-bagging mnist-boosting fashion-mnist-single ...] [--quick]
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from common import Hardware, arguments, keep, measure, row, table
from torch import nn

from hwqnn import data
from hwqnn.compress.ensemble import Ensemble, Plan, bag, boost, labels
from hwqnn.data import Dataset
from hwqnn.train import Settings, fit
from hwqnn.train.network import Mlp, Quantizer

MEMBER, WIDER = (784, 32, 32, 10), ((784, 64, 64, 10), (784, 128, 128, 10))
COUNTS = (3, 5, 8)
SETTINGS = Settings(epochs=6, batch=500, lr=1e-2)
FPS = 1e5
SEEDS = (0, 1, 2)
SIGN = Quantizer("sign")
MOST_MEMBERS = 1000
"""Seed number `seed` trains its members with the seeds from seed * MOST_MEMBERS on."""


def network(sizes: Sequence[int], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Mlp(sizes, SIGN, SIGN, input=SIGN)


@dataclass(frozen=True)
class Task:
    """A data set, and what to train on it."""

    train: Dataset
    test: Dataset
    settings: Settings
    seed: int

    def trained(self, model: nn.Module, sample: Dataset, member: int) -> nn.Module:
        return fit(model, sample, self.test, replace(self.settings, seed=self.seed * MOST_MEMBERS + member)).model

    def member(self, number: int) -> nn.Module:
        return network(MEMBER, self.seed * MOST_MEMBERS + number)


Models = Iterator[tuple[str, str, nn.Module]]
"""(method, network, model) one after another, each trained when it is asked for."""


def members(count: int, sizes: Sequence[int] = MEMBER) -> str:
    return f"{count} x {'-'.join(map(str, sizes))}"


def single(task: Task) -> Models:
    for sizes in (MEMBER, *WIDER):
        yield "one network", members(1, sizes), task.trained(network(sizes, task.seed * MOST_MEMBERS), task.train, 0)


def bagging(task: Task) -> Models:
    ensemble = bag(task.member, task.trained, task.train, Plan(max(COUNTS), seed=task.seed))
    yield from (("bagging", members(count), ensemble.first(count)) for count in COUNTS)
    yield "bagging, soft vote", members(max(COUNTS)), bare(ensemble)


def boosting(task: Task) -> Models:
    ensemble = boost(task.member, task.trained, task.train, Plan(max(COUNTS), seed=task.seed))
    print(f"weights of the boosted members: {ensemble.vote.weights.tolist()}", file=sys.stderr)
    yield from (("boosting", members(count), ensemble.first(count)) for count in COUNTS)


def bare(ensemble: Ensemble) -> Ensemble:
    """A soft vote of the members' integer scores: without the factor, of each member's own, that only its training needs."""
    copies = [copy.deepcopy(member) for member in ensemble.members]
    for member in copies:
        member.logits = nn.Identity()
    return Ensemble(copies, vote="soft")


RUNS: dict[str, tuple[str, Callable[[Task], Models]]] = {
    f"{dataset}-{make.__name__}": (dataset, make) for dataset in ("mnist", "fashion-mnist") for make in (single, bagging, boosting)
}


@dataclass
class Found:
    """What a row needs."""

    accuracies: list[float]
    hardware: Hardware
    seconds: float


def main() -> None:
    args = arguments(__doc__, list(RUNS))
    seeds, settings = ((0,), replace(SETTINGS, epochs=1, images=2000)) if args.quick else (SEEDS, SETTINGS)
    rows = {}
    for name in args.only:
        dataset, make = RUNS[name]
        entry = partial(row, "ensembles", dataset=dataset, command=f"python benchmarks/compression/ensembles.py --only {name}")
        train, test = data.load(dataset, "train"), data.load(dataset)
        found: dict[tuple[str, str], Found] = {}
        for seed in seeds:
            start = time.perf_counter()
            for method, what, model in make(Task(train, test, settings, seed)):
                accuracy = 100 * float(np.mean(labels(model, test) == test.y))
                if seed == seeds[0]:  # the hardware is that of the first one
                    hardware = measure(model, input_shape=(784,), images=test.x[:16], fps=FPS, limits={"bram36": 0})
                    found[method, what] = Found([], hardware, 0.0)
                of = found[method, what]
                of.accuracies.append(accuracy)
                of.seconds += time.perf_counter() - start
                start = time.perf_counter()
                rows[name, method, what] = entry(method, what, **vars(of))
                print(f"{dataset}, seed {seed}: {method}, {what}: {accuracy:.2f} %, {of.hardware.lut:,} LUT", file=sys.stderr, flush=True)
                if not args.quick:
                    keep([rows[name, method, what]])  # as soon as it is there: the next seed makes it better
    print(table(list(rows.values())))


if __name__ == "__main__":
    main()
