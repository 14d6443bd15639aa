"""A campaign of random networks: python benchmarks/fuzz.py --minutes 10 [--rtl]

Each network is checked exactly as in tests/test_random_networks.py. A failure is shrunk, printed with how to run it again, and ends the campaign.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from network_checks import accelerator, check_folding, check_reference, check_rtl
from networks import networks

from hwqnn.errors import UnsupportedError


def campaign(minutes: float, rtl: bool, first_seed: int, batch: int) -> Counter[str]:
    """Runs batches of networks until the time is over; the counts of what was done.

    Raises:
        AssertionError (or whatever went wrong): with the smallest network found that shows it.
    """
    counts: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes

    def check(network) -> None:  # type: ignore[no-untyped-def]
        try:
            graph = check_reference(network)
        except UnsupportedError as error:
            assert "keep their exact order" in str(error), error
            counts["refused (classes of incommensurable scales)"] += 1
            return
        counts["exact = reference"] += 1
        counts["images"] += len(network.images)
        made = accelerator(network, graph)
        check_folding(network, made)
        counts["folded"] += 1
        if rtl:
            check_rtl(network, made)
            counts["exact = reference = RTL, cycles as predicted"] += 1

    number = first_seed
    options = settings(
        max_examples=batch,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    while time.monotonic() < end:
        try:
            seed(number)(options(given(networks())(check)))()
        except BaseException:
            print(f"seed {number} fails: --seed {number} shows it again", flush=True)
            raise
        number += 1
        print(f"{(end - time.monotonic()) / 60:5.1f} min left, seed {number}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rtl", action="store_true", help="simulate each network's RTL too (seconds each)")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hwqnn-fuzz-") as cache:
        os.environ["HWQNN_CACHE"] = cache
        counts = campaign(args.minutes, args.rtl, args.seed, 4 if args.rtl else 50)
    for what, n in counts.items():
        print(f"{n:8d} {what}")


if __name__ == "__main__":
    main()
