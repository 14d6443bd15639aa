"""Codebooks: the MNIST network of digits.py with 2 to 16 shared values a layer, before and after they are fine-tuned, beside plain 4-bit weights.

    python benchmarks/compression/codebook.py [--quick]

Values are integers of 5 bits. Fine-tuning trains the shared values (and norms and activations' scales) alone, one epoch of 20,000 images. Weights are
logic (frozen), 100,000 frames/s; accuracies are means over three trainings, LUTs are those of the first.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from common import Row, arguments, keep, measure, row, table
from digits import FPS, NETWORK, SHAPE, Trained, size, trained
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.codebook import Codebook
from hwqnn.compress.formats import Format
from hwqnn.dataflow.design import Store
from hwqnn.train import Settings, evaluate, fit

SEEDS = (0, 1, 2)
VALUES = (16, 8, 4, 3, 2)
COMMAND = "python benchmarks/compression/codebook.py"
IN_HARDWARE = ("plain 4-bit weights", *(f"{values} values, fine-tuned" for values in (4, 16, 2, 8, 3)))


def applied(method: compress.Method, net: Trained) -> nn.Module:
    done = compress.run(net.model, [method], lambda: net.sample.batches(100))
    print(done.reports[0], file=sys.stderr)
    return done.model


def main() -> None:
    options = arguments(__doc__, ["codebook"])
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    seeds = SEEDS[:1] if options.quick else SEEDS
    settings = [Settings(epochs=2 if options.quick else 10, lr=2e-3, seed=seed, images=6000 if options.quick else None) for seed in seeds]
    networks = [trained(train, test, each) for each in settings]
    models: dict[str, list[nn.Module]] = {}
    rows: dict[str, Row] = {}

    def enter(name: str, made: list[nn.Module], seconds: float) -> None:
        accuracies = [evaluate(model, net.test) for model, net in zip(made, networks, strict=True)]
        models[name] = made
        rows[name] = row("codebook", name, NETWORK, "mnist", accuracies=accuracies, size=size(made[0]), command=COMMAND, seconds=seconds)
        print(f"{name}: {rows[name].accuracy:.2f} %", file=sys.stderr, flush=True)
        if not options.quick:
            keep([rows[name]])

    start = time.perf_counter()
    enter("plain 4-bit weights", [applied(Format("fixed", 4), net) for net in networks], time.perf_counter() - start)
    for values in VALUES[:1] if options.quick else VALUES:
        start = time.perf_counter()
        made = [applied(Codebook(values), net) for net in networks]
        enter(f"{values} values", made, time.perf_counter() - start)
        tuned = [fit(model, train, test, Settings(epochs=1, lr=5e-4, seed=seed, images=20000)).model for model, seed in zip(made, seeds, strict=True)]
        enter(f"{values} values, fine-tuned", tuned, time.perf_counter() - start)
    for name in [name for name in IN_HARDWARE if name in models]:
        start = time.perf_counter()
        hardware = measure(models[name][0], input_shape=SHAPE, images=test.x[:16], store=Store.FROZEN, fps=FPS)
        cells = {key: value for key, value in vars(hardware).items() if key not in ("size", "bits")}
        rows[name] = replace(rows[name], **cells, seconds=round(rows[name].seconds + time.perf_counter() - start, 1))
        if not options.quick:
            keep([rows[name]])
    print(table(list(rows.values())))


if __name__ == "__main__":
    main()
