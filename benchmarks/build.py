"""How long `hwqnn build` takes: from empty caches, and again when nothing changed. python benchmarks/build.py [--rounds 3] [--cores 2]

Runs the command itself, pinned to some cores, each round with a fresh cache folder. Prints medians, and exits 1 when a goal is missed:
60 s for a first build with at least 1,000 images in RTL, 10 s when nothing changed.
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
from pathlib import Path

FIRST_S, AGAIN_S = 60.0, 10.0


def timed(model: str, work: str, cores: set[int]) -> tuple[float, dict[str, object]]:
    """Wall-clock seconds of one build, and its report."""
    command = [str(Path(sys.executable).with_name("hwqnn")), "build", model, "--board", "zynq7020", "-o", f"{work}/out", "--json"]
    environment = {**os.environ, "HWQNN_CACHE": f"{work}/cache"}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    return time.perf_counter() - start, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tfc-w1a1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[: args.cores])
    first, again = [], []
    images = 0
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as work:
            seconds, report = timed(args.model, work, cores)
            images = report["accuracy"]["rtl_images"]  # type: ignore[index]
            first.append(seconds)
            print(f"first {seconds:.1f} s {report['seconds']}", flush=True)
            seconds, report = timed(args.model, work, cores)
            again.append(seconds)
            print(f"again {seconds:.1f} s {report['seconds']}", flush=True)
    print(f"{args.model}, {len(cores)} cores, {images:,} images in RTL, median of {args.rounds}:")
    print(f"  first build  {statistics.median(first):5.1f} s  (goal {FIRST_S:g} s)")
    print(f"  unchanged    {statistics.median(again):5.1f} s  (goal {AGAIN_S:g} s)")
    sys.exit(0 if statistics.median(first) <= FIRST_S and statistics.median(again) <= AGAIN_S and images >= 1000 else 1)


if __name__ == "__main__":
    main()
