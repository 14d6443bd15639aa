"""The cost model against yosys.

    python benchmarks/estimate.py                error on fresh random blocks, that no fit has seen
    python benchmarks/estimate.py --designs      error on whole networks, folded for several rates
    python benchmarks/estimate.py --run 60       synthesizes up to 60 random blocks of each kind (a fifth of them held out) into data/estimate.json,
                                                 and again those whose RTL has changed since
    python benchmarks/estimate.py --fit          the weights in hwqnn/dataflow/costs.json, anew

An error is (estimate - yosys) / yosys, but relative to at least 20 LUTs or flip-flops, 8 CARRY4, a BRAM36 and a DSP: three LUTs more or less in a
block of ten matter to nobody.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import estimate_fit
import numpy as np
import torch
from estimate_cases import KINDS, draw
from estimate_runs import MEASURED, Case, Run, load, measure, store

import hwqnn
from hwqnn import synth, zoo
from hwqnn.dataflow.design import Resources
from hwqnn.errors import CheckError

MEDIAN, WORST = 0.05, 0.15
"""The goal, for every kind of cell and the delay, over all blocks of a sample."""
FLOORS = {"lut": estimate_fit.FLOOR_LUT, "ff": 20.0, "carry4": 8.0, "bram36": 1.0, "dsp": 1.0, "delay_ns": 0.1}
"""What errors are at least relative to."""
NETWORKS = ("tfc-w1a1", "sfc-w1a1", "cnv-w1a1", "lenet-5", "mnist-cnn-w1a1", "mobilenet-w4a4", "resnet-w4a4")
SHARES = (1.0, 0.1, 0.01)
"""Of a network's default rate."""


def error(what: str, estimate: float, measured: float) -> float:
    return (estimate - measured) / max(measured, FLOORS[what])


def errors(run: Run) -> list[float]:
    """Of all that is measured, in the order of `MEASURED`; with the datapath that there was."""
    block, now = run.case.block, run.case.datapath
    estimate = vars(block.estimate) | {"delay_ns": block.delay_ns}
    for name in ("lut", "ff", "carry4"):
        estimate[name] += getattr(run, f"datapath_{name}") - getattr(now, name)
    return [error(name, estimate[name], getattr(run, name)) for name in MEASURED]


def table(runs: Sequence[Run]) -> str:
    """Median, 90 % and worst error of each kind of block."""
    lines = ["| kind | cases | " + " | ".join(MEASURED) + " |", "| --- " * (len(MEASURED) + 2) + "|"]
    kinds = {kind: [r for r in runs if r.case.kind == kind] for kind in KINDS}
    for kind, members in (kinds | {"all": list(runs)}).items():
        if members:
            found = np.abs([errors(run) for run in members])
            shown = [f"{np.median(e):.1%} {np.quantile(e, 0.9):.1%} {e.max():.1%}" for e in found.T]
            lines.append(f"| {kind} | {len(members)} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def run(count: int, kinds: Sequence[str], seed: int, jobs: int) -> None:
    """Fills the data file, so that an interrupted run goes on where it stopped."""
    have = {r.case.key: r for r in load()}
    drawn: dict[str, list[Case]] = {}
    for kind in kinds:
        rng = np.random.default_rng([seed, *kind.encode()])
        drawn[kind] = [Case(kind, p) for p in KINDS[kind].grid] + [Case(kind, draw(kind, rng), held_out=i % 5 == 4) for i in range(count)]
    turns = [case for row in itertools.zip_longest(*drawn.values()) for case in row if case is not None]
    wanted = [case for case in turns if case.key not in have]
    wanted += [r.case for r in have.values() if r.case.kind in kinds and r.rtl != r.case.rtl]
    print(f"{len(wanted)} cases to synthesize", flush=True)
    for i, found in enumerate(measure(wanted, jobs), 1):
        have[found.case.key] = found
        if i % 20 == 0:
            store(have.values())
            print(f"{i} of {len(wanted)}", flush=True)
    store(have.values())


def designs(jobs: int) -> None:
    """Whole networks, block by block and all together."""
    print("| network | frames/s | blocks | " + " | ".join(f"{name}: estimate, yosys, error" for name in vars(Resources())) + " |")
    print("| --- " * (len(vars(Resources())) + 3) + "|")
    for name in NETWORKS:
        rate, model, example = None, zoo.load(name), torch.zeros(1, *zoo.MODELS[name].input_shape)
        for share in SHARES:
            try:
                accelerator = hwqnn.compile(model, example, fps=None if rate is None else share * rate, name=name)
            except CheckError as failed:
                print(f"{name}: {failed}", file=sys.stderr)
                continue
            rate = rate or accelerator.fps
            with tempfile.TemporaryDirectory() as work:
                cells = accelerator.synthesize(emitted=accelerator.write(Path(work)), jobs=jobs)
            measured, estimate = sum(cells.values(), Resources()), vars(accelerator.design.estimate)
            shown = [f"{estimate[what]:,.0f} {value:,.0f} {error(what, estimate[what], value):+.1%}" for what, value in vars(measured).items()]
            print(f"| {name} | {accelerator.fps:,.0f} | {len(cells)} | " + " | ".join(shown) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=int, metavar="CASES", help="of each kind, into the data file")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--designs", action="store_true")
    parser.add_argument("--cases", type=int, default=8, help="fresh ones of each kind, to measure the error")
    parser.add_argument("--seed", type=int, help="of the fresh ones; from the clock if not given")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only these; all if not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--worst", type=int, default=0, help="also print so many of the worst LUT errors")
    args = parser.parse_args()
    if args.cases < 1:
        parser.error(f"--cases {args.cases}: there must be at least one of each kind")
    kinds = args.kind or list(KINDS)
    if args.run is not None:
        run(args.run, kinds, seed=1, jobs=args.jobs)
    if args.fit:
        estimate_fit.write(estimate_fit.fit(load()))
        print("fitted; on cases held out:")
        print(table([r for r in load() if r.case.held_out]))
    if args.designs:
        designs(args.jobs)
    if args.run is None and not args.fit and not args.designs:
        seed = time.time_ns() if args.seed is None else args.seed
        rng = np.random.default_rng(seed)
        found = list(measure([Case(kind, draw(kind, rng)) for kind in kinds for _ in range(args.cases)], args.jobs))
        print(f"seed {seed}, yosys {synth.yosys_version()}: median, 90 % and worst error\n{table(found)}")
        for r in sorted(found, key=lambda r: -abs(errors(r)[0]))[: args.worst]:
            print(f"{errors(r)[0]:+.1%} {r.lut:g} LUTs, estimate {r.case.block.estimate.lut:.1f}: {r.case.key}")
        off = np.abs([errors(r) for r in found]).T
        if missed := [name for name, e in zip(MEASURED, off, strict=True) if np.median(e) > MEDIAN or e.max() > WORST]:
            sys.exit(f"off by more than {MEDIAN:.0%} (median) or {WORST:.0%} (worst): {', '.join(missed)}")


if __name__ == "__main__":
    main()
