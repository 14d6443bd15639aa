"""What the built-in networks cost and do on the Zynq-7020: python benchmarks/resources.py [MODEL ...]

Builds each with its default folding (1 M frames/s at 100 MHz, or the best rate that fits), simulates the data in RTL, synthesizes, and
prints one table row a model. Exits 1 when a build fails a check, or the default network takes more than 7,400 LUTs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from hwqnn import zoo
from hwqnn.build import Options, build

COLUMNS = ["model", "frames/s at 100 MHz", "latency, cycles", "LUT", "FF", "CARRY4", "BRAM36", "DSP"]
COLUMNS += ["software", "reference", "RTL (images)", "RTL bits compared", "wrong"]
GOAL_MODEL, GOAL_LUT = "tfc-w1a1", 7400


def main() -> None:
    failed = False
    print("| " + " | ".join(COLUMNS) + " |")
    print("| --- " * len(COLUMNS) + "|")
    for model in sys.argv[1:] or list(zoo.MODELS):
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as work:
            r = build(Options(model=model, output=Path(work) / "out")).report
        p, c, a, e = r.performance, r.resources, r.accuracy, r.exact
        print(
            f"| {model} | {p.fps:,.0f} | {p.latency_cycles} | {c.lut:,} | {c.ff:,} | {c.carry4:,} | {c.bram36:g} | {c.dsp} "
            f"| {a.software:.2%} | {a.reference:.2%} | {a.rtl:.2%} ({a.rtl_images:,}) | {e.rtl_bits_compared:,} | {e.rtl_mismatches} |",
            flush=True,
        )
        print(f"{model}: {time.perf_counter() - start:.1f} s, {c.source}", file=sys.stderr)
        failed |= not r.passed
        if model == GOAL_MODEL:
            failed |= c.lut > GOAL_LUT or p.fps < 1e6
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
