"""Weights that learn their own noise, on MNIST: sparse variational dropout and variational network quantization of LeNet-300-100 and LeNet-5-Caffe.

    python benchmarks/compression/variational.py [--only ROW ...] [--quick]

Each network is trained, then learns under its prior, then is trained again with the noise off and the zeros held. Behind that it is what hardware
has, integer weights and 4-bit activations, and all figures are of it. `left` are the weights that are not 0, of the first seed. Weights of the
sparse networks are logic, at 100,000 frames/s; those of the ternary one are in memory, at 10,000.
The literature: sparse variational dropout 1.8 % error with 2.2 % of the weights left (LeNet-300-100), 0.7 to 1.0 % with 0.7 % left (LeNet-5-Caffe);
variational network quantization 0.73 % error, ternary weights, 28 % left (LeNet-5). Checkpoints stay in the cache folder, so that a run that stopped
goes on, and a row that is made again measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import Row, Size, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.dropout import SparseVariationalDropout
from hwqnn.compress.spikes import VariationalQuantization
from hwqnn.dataflow.design import Store
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Cnn, Epoch, Images, Mlp, Quantizer, Settings, evaluate, fit

GROUP = "variational"
COMMAND = "python benchmarks/compression/variational.py"
SHAPE = (1, 28, 28)
ACT = Quantizer("relu", 4)


def lenet_300_100(bits: int, pixels: Quantizer | None = None) -> nn.Module:
    return Mlp((784, 300, 100, 10), **weights(bits), act=ACT, input=pixels)


def lenet_5() -> nn.Module:
    return Cnn(SHAPE, (20, 50), 10, **weights(5), act=ACT, kernel=5, padding=0, pool=(1, 2), dense=(500,))


def weights(bits: int) -> dict[str, Quantizer]:
    """A scale for each channel; but one for the last layer, so that classes compare without products."""
    return {"weight": Quantizer("integer", bits), "last": Quantizer("integer", bits, {"per_channel": False})}


@dataclass(frozen=True)
class Network:
    """A network, and how it is trained before and behind its compression."""

    name: str
    make: Callable[[], nn.Module]
    train: Settings
    finetune: Settings


DENSE = Network("LeNet-300-100", lambda: lenet_300_100(8), Settings(epochs=5, batch=200, lr=2e-3), Settings(epochs=6, batch=200, lr=1e-3))
DENSE_BINARY = replace(DENSE, name="LeNet-300-100, 1-bit pixels", make=lambda: lenet_300_100(5, Quantizer("sign")))
CONV = Network("LeNet-5-Caffe", lenet_5, Settings(epochs=3, batch=200, lr=2e-3), Settings(epochs=4, batch=100, lr=1e-3))


@dataclass(frozen=True)
class Case:
    """A row: a method on a network, how it learns, and what its hardware is asked for."""

    method: compress.Learned[Any]
    title: str
    network: Network
    learn: Settings
    seeds: int = 1
    store: Store | None = Store.FROZEN
    fps: float = 1e5


CASES = {
    "dropout-lenet-300-100": Case(
        SparseVariationalDropout(threshold=1.3, start=-8.0), "sparse variational dropout", DENSE,
        Settings(epochs=20, batch=200, lr=1.5e-3, schedule="linear"), seeds=3,
    ),
    "dropout-lenet-300-100-binary": Case(
        SparseVariationalDropout(threshold=1.3, start=-8.0), "sparse variational dropout", DENSE_BINARY,
        Settings(epochs=20, batch=200, lr=1.5e-3, schedule="linear"),
    ),
    "dropout-lenet-5": Case(
        SparseVariationalDropout(threshold=0.8, weight=2.0, start=-8.0), "sparse variational dropout", CONV,
        Settings(epochs=10, batch=50, lr=2e-3, schedule="linear"),
    ),
    "ternary-lenet-5": Case(
        VariationalQuantization(warm_up=0.3, spike=2.5), "variational network quantization", CONV,
        Settings(epochs=3, batch=100, lr=1e-3, schedule="linear"), store=None, fps=1e4,  # too many for logic
    ),
}  # fmt: skip
"""The trainings of sparse variational dropout are short, 10 to 20 epochs instead of hundreds: at their end many weights are on their way out, with
log alpha between 1 and 3. So the threshold is lower than the paper's 3."""


@dataclass(frozen=True, eq=False)
class Made:
    """A compressed network in eval mode, its percent of the test set, the part of its weights that is left, and the seconds of all its trainings."""

    model: nn.Module
    accuracy: float
    left: float
    seconds: float


def made(name: str, case: Case, seed: int, quick: bool) -> Made:
    train, test = data.load("mnist", "train"), data.load("mnist")
    folder = cache_dir("compression") / GROUP
    folder.mkdir(parents=True, exist_ok=True)
    network, seconds = case.network, 0.0

    def trained(what: str, model: nn.Module, settings: Settings, *terms: compress.Term) -> nn.Module:
        nonlocal seconds
        settings = replace(settings, seed=seed, **({"epochs": 1, "images": 2000} if quick else {}))
        checkpoint: Path | None = None if quick else folder / f"{what}-{seed}.pt"
        fitted = fit(model, train, test, settings, terms=terms, checkpoint=checkpoint, progress=lambda e, left: show(what, e, left))
        seconds += sum(epoch.seconds for epoch in fitted.history)
        return fitted.model

    torch.manual_seed(seed)
    start = trained("trained-" + "".join(c if c.isalnum() else "-" for c in network.name), network.make(), network.train)
    learning = compress.Learning(lambda model, term: trained(f"{name}-learned", model, case.learn, term), len(train.x))
    done = compress.run(start, [case.method], None, lambda model: trained(f"{name}-tuned", model, network.finetune), learning)
    print(done.reports[0], file=sys.stderr, flush=True)
    after = done.reports[0].total[1]
    return Made(done.model, evaluate(done.model, Images.of(test)), after.nonzero / after.weights, seconds)


def show(what: str, epoch: Epoch, left: float) -> None:
    text = f"{what} {epoch.epoch}: loss {epoch.loss:.4f}, train {epoch.train_accuracy:.2f} %, test {epoch.test_accuracy:.2f} %"
    print(f"{text}, {epoch.seconds:.0f} s, {left / 60:.0f} min left", file=sys.stderr, flush=True)


def measured(name: str, case: Case, quick: bool) -> Row:
    """Trains a case on its seeds and measures the hardware of the first."""
    runs = [made(name, case, seed, quick) for seed in range(1 if quick else case.seeds)]
    start = time.perf_counter()
    entry: dict[str, Any] = {
        "method": f"{case.title}, {runs[0].left:.2%} left", "network": case.network.name, "dataset": "mnist",
        "accuracies": [run.accuracy for run in runs], "command": f"{COMMAND} --only {name}",
    }  # fmt: skip
    left = ", ".join(f"{100 - run.accuracy:.2f} % error with {run.left:.2%} of the weights" for run in runs)
    print(f"{name}: {left}", file=sys.stderr, flush=True)
    size = Size.of(import_brevitas(runs[0].model, torch.zeros(1, *SHAPE), name="lenet"))
    plain = row(GROUP, size=size, seconds=sum(run.seconds for run in runs), **entry)
    if not quick:
        keep([plain])
    hardware = measure(runs[0].model, input_shape=SHAPE, images=data.load("mnist").x[:16], store=case.store, fps=case.fps)
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
