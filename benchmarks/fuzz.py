"""A campaign of random networks: python benchmarks/fuzz.py --minutes 10 [--rtl]

Each network is checked exactly as in tests/test_random_networks.py. A failure is shrunk and written down; failures like it are then only counted.
Ends with 1 if there was one, or if the frontend refused a tenth of what was drawn.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from campaign import KINDS, Campaign

BATCH = 40
MOST_REFUSED = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rtl", type=int, nargs="?", const=12, default=0, help=f"simulate so many of each {BATCH} networks too (12 if no number)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="what to draw (default: all in turn)")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch")
    parser.add_argument("--unfolded", action="store_true", help="stop at the reference simulator")
    parser.add_argument("--output", type=Path, default=Path("fuzz-failures"), help="folder for failures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)  # torch's exporter talks
    warnings.simplefilter("ignore")
    campaign, number, end = Campaign(folded=not args.unfolded), args.seed, time.monotonic() + 60 * args.minutes
    kinds = args.kind or list(KINDS)
    with tempfile.TemporaryDirectory(prefix="hwqnn-fuzz-") as folder:
        while time.monotonic() < end:
            kind, noted = kinds[number % len(kinds)], len(campaign.failures)
            cases = campaign.batch(kind, number, BATCH)
            if args.rtl and cases:
                campaign.rtl(kind, number, BATCH, cases[-args.rtl :], Path(folder) / "rtl", Path(folder) / "runtime")
            for i, failure in enumerate(campaign.failures[noted:], noted):
                path = failure.write(args.output, f"{kind}-{number}-{i}")
                print(f"seed {number} of {kind} fails, see {path}: {type(failure.error).__name__}: {str(failure.error)[:300]}", flush=True)
            number += 1
            rest = (end - time.monotonic()) / 60
            totals = ("drawn", "refused", "exact = reference", "folded", "exact = reference = RTL, cycles as predicted")
            print(f"{rest:5.1f} min left, seed {number}: " + ", ".join(f"{campaign.counts[t]} {t}" for t in totals), flush=True)
    for what, n in sorted(campaign.counts.items()):
        print(f"{n:8d} {what}")
    for what, n in campaign.known.items():
        print(f"{n:8d} FAILED: {what}")
    share = campaign.counts["refused"] / max(1, campaign.counts["drawn"])
    print(f"{share:8.1%} refused; {len(campaign.failures)} kinds of failure")
    sys.exit(1 if campaign.failures or share > MOST_REFUSED else 0)


if __name__ == "__main__":
    main()
