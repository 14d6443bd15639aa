"""All MNIST test images through the default RTL in Verilator: python benchmarks/cosim.py [--model tfc-w1a1] [--rounds 3]

Prints the time of the simulation alone (two processes; the compiled model is built before), the bits compared and the wrong ones. Exits 1
above 60 s or with any wrong bit. The full set must be there: `python -m hwqnn.data mnist`, or $HWQNN_DATA.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time

import torch

import hwqnn
from hwqnn import data, zoo

GOAL_S = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tfc-w1a1", choices=zoo.MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    images = data.load("mnist")
    acc = hwqnn.compile(zoo.load(args.model), torch.zeros(1, 784), name=args.model)
    seconds, wrong = [], 0
    with tempfile.TemporaryDirectory() as directory:
        emitted = acc.write(directory)
        acc.simulate(images.x[:1], emitted=emitted)  # compiles
        for _ in range(args.rounds):
            start = time.perf_counter()
            simulation = acc.simulate(images.x, emitted=emitted, jobs=2)
            seconds.append(time.perf_counter() - start)
            wrong += simulation.comparison.mismatches + (not simulation.as_predicted)
    median = statistics.median(seconds)
    cycles = acc.timing.interval * len(images)
    print(f"{args.model}: {len(images):,} images of {images.name}, {simulation.comparison.bits:,} bits compared a round, {wrong} wrong")
    print(
        f"  {median:.2f} s (median of {args.rounds}; goal {GOAL_S:g} s), {cycles / median / 1e3:,.0f} k cycles/s, reference and comparison included"
    )
    sys.exit(0 if median <= GOAL_S and not wrong and len(images) == 10_000 else 1)


if __name__ == "__main__":
    main()
