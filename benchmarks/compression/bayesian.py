"""Groups of weights under sparsity priors, on MNIST: Bayesian compression of LeNet-300-100 and LeNet-5-Caffe, normal-Jeffreys and horseshoe.

    python benchmarks/compression/bayesian.py [--only ROW ...] [--quick]

Each network is trained, then learns under its prior, loses the groups and the weights that say nothing and the bits that are only noise, and is
trained again with its zeros held. Activations have 4 bits, so all figures are of what hardware computes. The method's column tells the weights that
are left, and how many times smaller they are than all of them as 32-bit floats: by pruning; by the bits of each layer, without a word on where they
are; and stored as Deep Compression does, with Huffman codes of values and relative indices, and all tables. The literature (Louizos et al. 2017,
table 2: error, weights left, greatest rate): LeNet-300-100 1.8 %, 10.8 %, 58 x (normal-Jeffreys) and 2.0 %, 10.6 %, 59 x (horseshoe); LeNet-5-Caffe
1.0 %, 573 x and 1.0 %, 771 x.

Checkpoints stay in the cache folder, so that a run that stopped goes on, and a row that is made again measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from common import Row, Size, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.bayesian import GroupHorseshoe, GroupNormalJeffreys
from hwqnn.compress.report import count
from hwqnn.compress.storage import Huffman
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Cnn, Epoch, Images, Mlp, Quantizer, Settings, evaluate, fit

GROUP = "bayesian"
COMMAND = "python benchmarks/compression/bayesian.py"
SHAPE = (1, 28, 28)
WEIGHT, OUTPUT = Quantizer("integer", 8), Quantizer("integer", 8, {"per_channel": False})
"""Of all layers, a scale for each channel; and of the last, one scale, so that classes compare without products."""
ACT = Quantizer("relu", 4)


@dataclass(frozen=True)
class Network:
    """A network, and how it is trained before and behind its compression."""

    name: str
    make: Callable[[], nn.Module]
    train: Settings
    finetune: Settings


DENSE = Network(
    "LeNet-300-100",
    lambda: Mlp((784, 300, 100, 10), WEIGHT, ACT, last=OUTPUT),
    Settings(epochs=5, batch=200, lr=2e-3),
    Settings(epochs=10, batch=200, lr=2e-3),
)
CONV = Network(
    "LeNet-5-Caffe",
    lambda: Cnn(SHAPE, (20, 50), 10, WEIGHT, ACT, last=OUTPUT, kernel=5, padding=0, pool=(1, 2), dense=(500,)),
    Settings(epochs=1, batch=100, lr=2e-3),
    Settings(epochs=3, batch=200, lr=2e-3),
)


@dataclass(frozen=True)
class Case:
    """A row: a prior on a network, how it learns, and what its hardware is asked for."""

    method: compress.Learned[Any]
    title: str
    network: Network
    learn: Settings
    hardware: Mapping[str, Any]
    seeds: int = 1


FOLDED: dict[str, Any] = {"fps": 5e3, "limits": {"bram36": 0}}
JEFFREYS, HORSESHOE = "group normal-Jeffreys", "group horseshoe"
LONG = Settings(epochs=24, batch=256, lr=1e-2, schedule="linear")
SHORT = replace(LONG, epochs=3, batch=64)
CASES = {
    "gnj-lenet-300-100": Case(GroupNormalJeffreys(threshold=5.0), JEFFREYS, DENSE, LONG, FOLDED),
    "ghs-lenet-300-100": Case(GroupHorseshoe(), HORSESHOE, DENSE, LONG, FOLDED),
    "gnj-lenet-300-100-strong": Case(GroupNormalJeffreys(), JEFFREYS, DENSE, LONG, FOLDED),
    "gnj-lenet-5": Case(GroupNormalJeffreys(warm_up=0.0, weight=2.0), JEFFREYS, CONV, SHORT, FOLDED),
    "ghs-lenet-5": Case(GroupHorseshoe(warm_up=0.0, weight=2.0), HORSESHOE, CONV, SHORT, FOLDED),
}


@dataclass(frozen=True, eq=False)
class Made:
    """A compressed network in eval mode, its percent of the test set, what is left of it in words, and the seconds of all its trainings."""

    model: nn.Module
    accuracy: float
    left: str
    seconds: float


def made(name: str, case: Case, seed: int, quick: bool) -> Made:
    train, test = data.load("mnist", "train"), data.load("mnist")
    folder = cache_dir("compression") / GROUP
    folder.mkdir(parents=True, exist_ok=True)
    network, seconds = case.network, 0.0

    def trained(what: str, model: nn.Module, settings: Settings, *terms: compress.Term) -> nn.Module:
        nonlocal seconds
        settings = replace(settings, seed=seed, **({"epochs": 1, "images": 2000} if quick else {}))
        checkpoint = None if quick else folder / f"{what}-{seed}.pt"
        fitted = fit(model, train, test, settings, terms=terms, checkpoint=checkpoint, progress=lambda e, left: show(what, e, left))
        seconds += sum(epoch.seconds for epoch in fitted.history)
        return fitted.model

    torch.manual_seed(seed)
    start = trained(f"trained-{network.name}", network.make(), network.train)
    images = Images.of(train, 1000)
    learning = compress.Learning(lambda model, term: trained(f"{name}-learned", model, case.learn, term), len(train.x))
    done = compress.run(start, [case.method], lambda: images.batches(200), lambda model: trained(f"{name}-tuned", model, network.finetune), learning)
    print(done.reports[0], file=sys.stderr, flush=True)
    return Made(done.model, evaluate(done.model, Images.of(test)), rates(done.model), seconds)


def rates(model: nn.Module) -> str:
    """What is left of the weights, and how many times smaller that is than all of them as floats of 32 bits."""
    layers = count(model).values()
    weights, left = sum(each.weights for each in layers), sum(each.nonzero for each in layers)
    bits = sum(each.nonzero * each.bits // each.weights for each in layers)
    stored = Huffman().plan(model, None).ratio
    return f"{left / weights:.1%} left: {weights / left:.0f} x pruned, {32 * weights / bits:.0f} x with bits, {stored:.0f} x stored"


def show(what: str, epoch: Epoch, left: float) -> None:
    text = f"{what} {epoch.epoch}: loss {epoch.loss:.4f}, train {epoch.train_accuracy:.2f} %, test {epoch.test_accuracy:.2f} %"
    print(f"{text}, {epoch.seconds:.0f} s, {left / 60:.0f} min left", file=sys.stderr, flush=True)


def measured(name: str, case: Case, quick: bool) -> Row:
    """Trains a case on its seeds and measures the hardware of the first."""
    runs = [made(name, case, seed, quick) for seed in range(1 if quick else case.seeds)]
    start = time.perf_counter()
    entry: dict[str, Any] = {
        "method": f"{case.title}, {runs[0].left}", "network": case.network.name, "dataset": "mnist",
        "accuracies": [run.accuracy for run in runs], "command": f"{COMMAND} --only {name}",
    }  # fmt: skip
    for run in runs:
        print(f"{name}: {100 - run.accuracy:.2f} % error, {run.left}", file=sys.stderr, flush=True)
    size = Size.of(import_brevitas(runs[0].model, torch.zeros(1, *SHAPE), name="lenet"))
    plain = row(GROUP, size=size, seconds=sum(run.seconds for run in runs), **entry)
    if not quick:
        keep([plain])
    hardware = measure(runs[0].model, input_shape=SHAPE, images=data.load("mnist").x[:16], **case.hardware)
    return row(GROUP, hardware=hardware, seconds=plain.seconds + time.perf_counter() - start, **entry)


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
