"""The reference simulator against Brevitas eager on the same images, one thread each: python benchmarks/reference.py

Both sides run in turn, so that a busy machine slows both; medians, and the ratio of the medians. Labels must agree.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from hwqnn import data, zoo
from hwqnn.frontend import import_brevitas
from hwqnn.ir import MatMul
from hwqnn.passes import lower
from hwqnn.reference import Executor

GOALS = {"tfc-w1a1": 3.0, "sfc-w1a1": None, "lfc-w1a1": 10.0}
"""Model -> how many times faster the reference has to be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=GOALS, nargs="*", default=list(GOALS))
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = data.load("mnist")
    print(f"batch {args.batch}, 1 thread, median of {args.rounds} rounds, {images.name}")
    met = [compare(name, images, args.batch, args.rounds) for name in args.model]
    sys.exit(0 if all(met) else 1)


def compare(name: str, images: data.Dataset, batch: int, rounds: int) -> bool:
    """Prints both times for one model, and whether the goal is met."""
    model = zoo.load(name)
    pick = np.arange(batch) % len(images)
    x = images.x[pick].reshape(batch, -1)
    real = torch.from_numpy(images.real()[pick]).reshape(batch, -1)
    graph = lower(import_brevitas(model, real[:1], name=name))
    executor = Executor(graph, threads=1)

    def eager() -> np.ndarray:
        with torch.inference_mode():
            return model(real).argmax(1).numpy()

    def reference() -> np.ndarray:
        return executor.run(x)[:, 0]

    disagree = int((eager() != reference()).sum())  # and so both are warm
    times: dict[Callable[[], np.ndarray], list[float]] = {eager: [], reference: []}
    for _ in range(rounds):
        for side, taken in times.items():
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    slow, quick = statistics.median(times[eager]), statistics.median(times[reference])
    goal = GOALS[name]
    macs = sum(op.weight.size for op in graph.ops if isinstance(op, MatMul)) * batch
    print(
        f"{name}: Brevitas {slow * 1e3:.2f} ms, reference {quick * 1e3:.3f} ms ({macs / quick / 1e9:.0f} G MAC/s), {slow / quick:.1f} x"
        f" (goal {goal or '-'}), {disagree} labels differ"
    )
    return not disagree and (goal is None or slow / quick >= goal)


if __name__ == "__main__":
    main()
