"""What the hardware costs and how fast it is, beside the best published peers: python benchmarks/hardware.py [--row NAME ...]

Prints peer, ours, ratio and goal for every row, keeps what it found in docs/hardware.json, and writes docs/hardware.md from that; rows that are there
are not measured again unless named. Every network goes through `hwqnn build`: folded by the solver, compared in RTL bit by bit, synthesized by yosys,
timed before placement. Peers' figures are their authors'; "implemented" ones are placed and routed with a DMA, ours are the network alone.
Ends with 1 when a goal is missed or a check fails.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas

from hwqnn import synth, zoo
from hwqnn.accelerator import Port
from hwqnn.build import Options, build
from hwqnn.errors import HwqnnError
from hwqnn.gates.products import Lanes, variable
from hwqnn.ir import Bipolar
from hwqnn.report import Folding

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "hardware.json", ROOT / "docs" / "hardware.md"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found. Of a lone unit, only cells.

    Attributes:
        estimated_mhz: the central estimate of the clock, and its range; clock_mhz is the target.
        tops: 10**12 one-bit operations a second, a multiply-accumulate being two, at the target clock or the estimated one, whichever is lower.
        wrong: RTL bits that differ from the reference, of `compared`.
    """

    lut: float
    ff: float = 0
    carry4: float = 0
    bram36: float = 0
    dsp: float = 0
    clock_mhz: float = 0
    estimated_mhz: float = 0
    range_mhz: tuple[float, float] = (0, 0)
    fps: float = 0
    cycles: int = 0
    latency: int = 0
    tops: float = 0
    utilization: float = 0
    compared: int = 0
    wrong: int = 0
    images: int = 0
    accuracy: float | None = None
    folding: str = ""
    failed_checks: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def sustained_fps(self) -> float:
        """Frames a second at a clock that is not above the estimated one."""
        return self.fps * min(1.0, self.estimated_mhz / self.clock_mhz)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        peer: the published figure in words; peer_value: in numbers, None where there is none.
        goal: in words; met: whether a result reaches it. ours: a result in words.
        value: what the ratio compares; ratio is how many times better we are.
    """

    what: str
    peer: str
    goal: str
    measure: Callable[[], Result]
    ours: Callable[[Result], str]
    met: Callable[[Result], bool]
    peer_value: float | None = None
    value: Callable[[Result], float] = lambda r: r.lut
    more_is_better: bool = False

    def ratio(self, result: Result) -> str:
        if self.peer_value is None:
            return "-"
        better = self.value(result) / self.peer_value if self.more_is_better else self.peer_value / self.value(result)
        return f"{better:.1f} x"


def popcount(size: int) -> Result:
    """One dot product of bipolar vectors, combinational but for its output register."""
    lanes = Lanes(1, size, Bipolar(), Bipolar(), True, size.bit_length())
    path = variable(lanes, math.inf)
    with tempfile.TemporaryDirectory(prefix="hwqnn-hardware-") as work:
        files = []
        for name, text in path.texts:
            files.append(Path(work) / f"{name}.sv")
            files[-1].write_text("`define HWQNN_XC7\n" + text)
        unit = synth.Unit(f"popcount {size}", path.module, tuple(files), Path(work))
        cells = synth.synthesize([unit], jobs=1, timeout_s=600)[unit.name]
    return Result(lut=cells.lut, ff=cells.ff, carry4=cells.carry4)


def network(**options: Any) -> Callable[[], Result]:
    """A build with these options."""

    def measure() -> Result:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="hwqnn-hardware-") as work:
            report = build(Options(output=Path(work) / "out", **options), Progress(options["model"])).report
        p, c, e, clock = report.performance, report.resources, report.exact, report.clock
        assert clock is not None, "synthesized designs have an estimated clock"
        share = min(1.0, clock.mhz / report.clock_mhz)
        return Result(
            lut=c.lut, ff=c.ff, carry4=c.carry4, bram36=c.bram36, dsp=c.dsp,
            clock_mhz=report.clock_mhz, estimated_mhz=clock.mhz, range_mhz=(clock.low_mhz, clock.high_mhz),
            fps=p.fps, cycles=p.interval_cycles, latency=p.latency_cycles, tops=p.binary_tops * share,
            utilization=max(report.utilization.values()), compared=e.rtl_bits_compared, wrong=e.rtl_mismatches, images=report.accuracy.rtl_images,
            accuracy=report.accuracy.reference if zoo.MODELS[options["model"]].weights else None, folding=folding_words(report.folding),
            failed_checks=[f"{check.name}: {check.detail}" for check in report.checks if not check.passed],
            seconds=round(time.perf_counter() - start, 1),
        )  # fmt: skip

    return measure


def folding_words(folding: Folding) -> str:
    return "proved optimal" if folding.optimal else f"within {max(folding.gap, 0.001):.1%}"


def cells(r: Result) -> str:
    memory = f" + {r.bram36:g} BRAM36" if r.bram36 else ", no BRAM"
    return f"{r.lut:,.0f} LUT{memory}" + (f" + {r.dsp:g} DSP" if r.dsp else "")


def rate(r: Result) -> str:
    return f"{cells(r)}, {r.fps:,.0f} frames/s at {r.clock_mhz:g} MHz (estimated clock {r.estimated_mhz:.0f} MHz)"


def fastest(r: Result) -> str:
    return f"{r.sustained_fps:,.0f} frames/s in {cells(r)}, {r.utilization:.0%} of the board ({r.clock_mhz:g} MHz, estimated {r.estimated_mhz:.0f})"


def tops(r: Result) -> str:
    return f"{r.tops:.2f} binary TOPS, {fastest(r)}"


NO_BRAM = {"bram36": 0.0}
ROWS = {
    **{
        f"popcount-{n}": Row(
            f"XNOR-popcount of {n} bits",
            f"{plain} LUT (plain)",
            f"{goal} LUT",
            lambda n=n: popcount(n),
            lambda r: f"{r.lut:.0f} LUT, {r.carry4:.0f} CARRY4",
            lambda r, goal=goal: r.lut <= goal,
            plain,
        )
        for n, plain, goal in ((64, 138, 68), (256, 588, 263))
    },
    "tfc-1m": Row(
        "TFC-W1A1, 1 M frames/s",
        "7,423 LUT + 27 BRAM18 (estimate)",
        "3,500 LUT, no BRAM",
        network(model="tfc-w1a1", fps=1e6, limits=NO_BRAM),
        rate,
        lambda r: r.lut <= 3500 and r.bram36 == 0 and r.fps >= 1e6,
        7423,
    ),
    "tfc-every-cycle": Row(
        "TFC-W1A1, one frame a cycle",
        "none",
        "24,000 LUT",
        network(model="tfc-w1a1", fps=100e6, port=Port.CODES),
        rate,
        lambda r: r.lut <= 24_000 and r.fps >= 100e6,
    ),
    "sfc-1m": Row(
        "SFC-W1A1, 1 M frames/s",
        "35,856 LUT (estimate)",
        "16,000 LUT",
        network(model="sfc-w1a1", fps=1e6),
        rate,
        lambda r: r.lut <= 16_000 and r.fps >= 1e6,
        35_856,
    ),
    "lfc-195k": Row(
        "LFC-W1A1, 195 k frames/s",
        "28,360 LUT, 110 BRAM36 (implemented)",
        "14,000 LUT, 110 BRAM36",
        network(model="lfc-w1a1", fps=195_000),
        rate,
        lambda r: r.lut <= 14_000 and r.bram36 <= 110 and r.fps >= 195_000,
        28_360,
    ),
    "cnv-3k": Row(
        "CNV-W1A1, 3,050 frames/s",
        "26,072 LUT, 124 BRAM36 (implemented)",
        "14,000 LUT, 124 BRAM36",
        network(model="cnv-w1a1", fps=3050, images=20),
        rate,
        lambda r: r.lut <= 14_000 and r.bram36 <= 124 and r.fps >= 3050,
        26_072,
    ),
    "cnv-100mhz": Row(
        "CNV-W1A1, most frames/s at 100 MHz",
        "10 k do not fit (73,753 LUT estimated)",
        "10,000 frames/s, 85 % of the board",
        network(model="cnv-w1a1", fps="max", max_utilization=0.85, images=20),
        fastest,
        lambda r: r.sustained_fps >= 10_000 and r.utilization <= 0.85,
    ),
    "cnv-fastest": Row(
        "CNV-W1A1, most frames/s at the estimated clock; binary TOPS of a convolutional network",
        "3.2 TOPS",
        "20,000 frames/s, 3.2 TOPS, 85 % of the board",
        network(model="cnv-w1a1", fps="max", clock_mhz=200.0, max_utilization=0.85, images=20),
        tops,
        lambda r: r.sustained_fps >= 20_000 and r.tops >= 3.2 and r.utilization <= 0.85,
        3.2,
        lambda r: r.tops,
        True,
    ),
    "trained-fastest": Row(
        "TFC-W1A1, one frame a cycle at 200 MHz; binary TOPS of a trained network",
        "3.2 TOPS",
        "20 TOPS",
        network(model="tfc-w1a1", fps=200e6, clock_mhz=200.0, port=Port.CODES),
        tops,
        lambda r: r.tops >= 20,
        3.2,
        lambda r: r.tops,
        True,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", choices=ROWS, nargs="*", help="default: those without a result yet")
    args = parser.parse_args()
    broken = []
    for name in args.row if args.row is not None else [name for name in ROWS if name not in read()]:
        try:
            found = ROWS[name].measure()
        except HwqnnError as error:
            broken.append(name)
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        write({**read(), name: found})  # another run may have added rows meanwhile
        print(line(name, found), flush=True)
    results = read()
    print(table(results))
    broken += [name for name, r in results.items() if not ROWS[name].met(r) or r.wrong or r.failed_checks]
    sys.exit(f"missed: {', '.join(dict.fromkeys(broken))}" if broken else 0)


def line(name: str, r: Result) -> str:
    row = ROWS[name]
    verdict = "yes" if row.met(r) and not r.wrong and not r.failed_checks else "NO"
    return f"| {row.what} | {row.peer} | {row.ours(r)} | {row.ratio(r)} | {row.goal} | {verdict} |"


def table(results: dict[str, Result]) -> str:
    head = "| what | peer | ours | ratio | goal | reached |\n| --- | --- | --- | --- | --- | --- |"
    return "\n".join([head, *(line(name, results[name]) for name in ROWS if name in results)])


def details(results: dict[str, Result]) -> str:
    columns = ["row", "LUT", "FF", "CARRY4", "BRAM36", "DSP", "cycles a frame", "latency", "target MHz", "estimated MHz", "folding"]
    columns += ["RTL bits compared (images)", "wrong", "accuracy"]
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    for name, r in results.items():
        if r.fps:
            low, high = r.range_mhz
            values = [name, f"{r.lut:,.0f}", f"{r.ff:,.0f}", f"{r.carry4:,.0f}", f"{r.bram36:g}", f"{r.dsp:g}", f"{r.cycles:,}", f"{r.latency:,}"]
            values += [
                f"{r.clock_mhz:g}",
                f"{r.estimated_mhz:.0f} ({low:.0f} to {high:.0f})",
                r.folding,
                f"{r.compared:,} ({r.images:,})",
                f"{r.wrong:,}",
            ]
            values.append("(random weights)" if r.accuracy is None else f"{r.accuracy:.2%}")
            lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines)


def read() -> dict[str, Result]:
    """The results so far, in the order of the rows."""
    if not RESULTS.exists():
        return {}
    found = json.loads(RESULTS.read_text())
    return {name: Result(**found[name]) for name in ROWS if name in found}


def write(results: dict[str, Result]) -> None:
    page = f"""# The hardware beside its peers

Written by `python benchmarks/hardware.py`, on the xc7z020 (53,200 LUTs, 106,400 FFs, 140 BRAM36, 220 DSP48). Cells are yosys' before placement; the
clock is estimated from static timing and a measured allowance for routing, nothing is placed here. Frames/s and TOPS are at the target clock, or at
the estimated one where that is lower. Every network's RTL was compared with the exact reference bit by bit.

Of some positions of the carry chains the sum and a majority want the same way out of a slice, unless the sum is registered beside it (in the lone
popcounts, nothing is): there a placer may spend a LUT more.

{table(results)}

## In detail

{details(results)}
"""
    for path, text in ((RESULTS, json.dumps({n: asdict(r) for n, r in results.items()}, indent=1) + "\n"), (PAGE, page)):
        new = path.with_suffix(f"{path.suffix}.new")
        new.write_text(text)
        new.replace(path)


class Progress:
    """Says on the standard error what a build is at."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, stage: str) -> None: ...

    def note(self, text: str) -> None: ...

    def finish(self, stage: str, seconds: float, summary: str) -> None:
        print(f"{self.name}: {stage} {seconds:.1f} s, {summary}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
