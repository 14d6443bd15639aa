"""Built-in models, for comparison: python benchmarks/compression/zoo_rows.py [--only MODEL ...] [--quick]

Their weights are in the package. The hardware has neither block RAM nor DSP blocks, so that everything in it is LUTs and registers.
"""

from __future__ import annotations

import sys
import time

from common import Row, arguments, keep, measure, row, table

from hwqnn import data, zoo
from hwqnn.train import Images, evaluate

FPS = {"tfc-w1a1": 1e6, "sfc-w1a1": 1e6, "mnist-cnn-w1a1": 10_000, "fashion-cnn-w2a2": 10_000}
"""Frames a second that each is built for."""


def main() -> None:
    given = arguments(__doc__, list(FPS))
    rows = []
    for name in given.only[:1] if given.quick else given.only:
        rows.append(measured(name))
        if not given.quick:
            keep(rows[-1:])
        print(f"{name}: {rows[-1].accuracy:.2f} %, {rows[-1].lut:,} LUT", file=sys.stderr, flush=True)
    print(table(rows))


def measured(name: str) -> Row:
    """A model's row."""
    start, entry = time.perf_counter(), zoo.MODELS[name]
    model, test = zoo.load(name), data.load(entry.dataset)
    hardware = measure(model, input_shape=entry.input_shape, images=test.x[:16], fps=FPS[name], limits={"bram36": 0, "dsp": 0})
    accuracy, seconds = evaluate(model, Images.of(test)), time.perf_counter() - start
    command = f"python benchmarks/compression/zoo_rows.py --only {name}"
    return row("zoo", "as trained", name, entry.dataset, accuracies=[accuracy], hardware=hardware, command=command, seconds=seconds)


if __name__ == "__main__":
    main()
