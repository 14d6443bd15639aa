"""How long `hwqnn build` takes: from empty caches, and again when nothing changed. python benchmarks/build.py [MODEL] [--rounds 3] [--cores 2]

Runs the command itself, pinned to some cores, each round with a fresh cache folder. Prints medians, and exits 1 when a goal is missed:
tfc-w1a1: 60 s for a first build with at least 1,000 images in RTL, 10 s when nothing changed;
cnv-w1a1 at 3,000 frames/s: 600 s with at least 20 images in RTL, 10 s of them for import, lower, fold and emit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Goal:
    """What a model's build should keep to.

    Attributes:
        options: of the command.
        first_s, again_s, front_s: seconds for the first build, for an unchanged one, and for import, lower, fold and emit of the first.
        images: how many go through the RTL at the least.
    """

    options: tuple[str, ...] = ()
    first_s: float = float("inf")
    again_s: float = float("inf")
    front_s: float = float("inf")
    images: int = 1


GOALS = {
    "tfc-w1a1": Goal(first_s=60, again_s=10, images=1000),
    "cnv-w1a1": Goal(("--fps", "3000", "--images", "20"), first_s=600, front_s=10, images=20),
}


def timed(model: str, options: tuple[str, ...], work: str, cores: set[int]) -> tuple[float, dict[str, Any]]:
    """Wall-clock seconds of one build, and its report."""
    command = [str(Path(sys.executable).with_name("hwqnn")), "build", model, "--board", "zynq7020", "-o", f"{work}/out", "--json", *options]
    environment = {**os.environ, "HWQNN_CACHE": f"{work}/cache"}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    return time.perf_counter() - start, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="tfc-w1a1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[: args.cores])
    goal = GOALS.get(args.model, Goal())
    first, again, front = [], [], []
    images = 0
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as work:
            seconds, report = timed(args.model, goal.options, work, cores)
            images = report["accuracy"]["rtl_images"]
            first.append(seconds)
            front.append(sum(report["seconds"][stage] for stage in ("import", "lower", "fold", "emit")))
            print(f"first {seconds:.1f} s {report['seconds']}", flush=True)
            seconds, report = timed(args.model, goal.options, work, cores)
            again.append(seconds)
            print(f"again {seconds:.1f} s {report['seconds']}", flush=True)
    print(f"{' '.join([args.model, *goal.options])}, {len(cores)} cores, {images:,} images in RTL, median of {args.rounds}:")
    rows = (("first build", first, goal.first_s), ("unchanged", again, goal.again_s), ("import to emit", front, goal.front_s))
    for what, found, limit in rows:
        print(f"  {what:14s} {statistics.median(found):6.1f} s  (goal {limit:g} s)")
    sys.exit(0 if all(statistics.median(found) <= limit for _, found, limit in rows) and images >= goal.images else 1)


if __name__ == "__main__":
    main()
