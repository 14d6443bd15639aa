"""Two workers on MNIST: what they send each other of their gradients, and what accuracy that leaves; one worker with whole batches beside them.

    python benchmarks/compression/workers.py [--only dense dropped ...] [--quick]

784-300-100-10, 8-bit weights, 4-bit activations, 8-bit pixels; Adam, four epochs, 128 images a step, 64 of them each worker's. The bytes are those
that leave a worker in a step, and their part of what plain floats take; gloo, two processes of this machine.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import torch
from common import Row, Size, arguments, keep, row, table
from torch import nn

from hwqnn import data
from hwqnn.frontend import import_brevitas
from hwqnn.train import Fitted, Mlp, Quantizer, Settings, fit, workers
from hwqnn.train.workers import Workers

SHAPE = (1, 28, 28)
NETWORK = "784-300-100-10, W8 A4, 8-bit pixels"
COMMAND = "python benchmarks/compression/workers.py"


@dataclass(frozen=True)
class Case:
    """A row: who trains; None for one process alone."""

    words: str
    workers: Workers | None


CASES = {
    "alone": Case("one worker", None),
    "dense": Case("two workers, dense", Workers(2, "dense")),
    "dropped": Case("two workers, 99 % dropped, residuals kept", Workers(2, "dropped", {"drop": 0.99})),
    "terngrad": Case("two workers, TernGrad", Workers(2, "terngrad")),
    "dorefa-4": Case("two workers, DoReFa gradients of 4 bits", Workers(2, "dorefa", {"bits": 4})),
    "dorefa-2": Case("two workers, DoReFa gradients of 2 bits", Workers(2, "dorefa", {"bits": 2})),
}


def network() -> nn.Module:
    """The same first weights in every process."""
    torch.manual_seed(0)
    return Mlp((784, 300, 100, 10), Quantizer("integer", 8), Quantizer("relu", 4))


def made(case: Case, quick: bool) -> Row:
    settings = Settings(epochs=1 if quick else 4, batch=128, lr=2e-3, images=3000 if quick else None)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    start, words = time.perf_counter(), case.words
    fitted: Fitted
    if case.workers is None:
        fitted = fit(network(), train, test, settings)
    else:
        shared = workers.fit(network, train, test, settings, case.workers)
        fitted, words = shared.fitted, f"{words}: {shared.sent / shared.steps:,.0f} bytes a step, {shared.share:.2f} %"
    size = Size.of(import_brevitas(fitted.model, torch.zeros(1, *SHAPE), name="workers"))
    seconds = time.perf_counter() - start
    return row("workers", words, NETWORK, "mnist", accuracies=[fitted.accuracy], size=size, command=COMMAND, seconds=seconds)


def main() -> None:
    given = arguments(__doc__, list(CASES))
    torch.set_num_threads(1)
    rows = []
    for name in given.only:
        rows.append(made(CASES[name], given.quick))
        print(f"{rows[-1].method}: {rows[-1].accuracy:.2f} %, {rows[-1].seconds:.0f} s", file=sys.stderr, flush=True)
        if not given.quick:
            keep(rows[-1:])
    print(table(rows))


if __name__ == "__main__":
    main()
