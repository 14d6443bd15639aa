"""Builds every built-in model and writes docs/models.md: python benchmarks/models.py [--model NAME ...]

Each model is imported, lowered, folded for the rate in PLANS, simulated in RTL and synthesized; torch is compared with the exact meaning over
the whole test set, label by label and activation by activation. What was found goes into docs/models.json as soon as a model is done, and the
page is made from that file: models that are in it are not built again unless named. Ends with 1 when a model fails a check.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas

import torch

from hwqnn import data, layout, zoo
from hwqnn.build import Options, build
from hwqnn.disagreements import Disagreement, activations
from hwqnn.errors import HwqnnError
from hwqnn.frontend import import_brevitas
from hwqnn.report import Report

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "docs" / "models.json", ROOT / "docs" / "models.md"


@dataclass(frozen=True)
class Plan:
    """What a model is built for: frames a second (None: as the build chooses), the board, and images in RTL (None: as many as it chooses)."""

    fps: float | None = None
    board: str = "zynq7020"
    images: int | None = None


PLANS = {
    "tfc-w1a1": Plan(),
    "sfc-w1a1": Plan(),
    "lfc-w1a1": Plan(),
    "lenet-300-100": Plan(fps=50_000, images=1000),
    "lenet-5": Plan(fps=10_000, images=500),
    "mnist-cnn-w1a1": Plan(),
    "fashion-cnn-w2a2": Plan(fps=20_000, images=2000),
    "fcn-w2a2": Plan(fps=3_000, images=200),
    "cnv-w1a1": Plan(fps=3_000, images=100),
    "cnv-w1a2": Plan(fps=1_000, images=20),
    "cnv-w2a2": Plan(fps=1_000, images=20),
    "bnn-cifar10": Plan(fps=60, board=str(Path(__file__).with_name("vc709.toml")), images=2),
    "dorefa-svhn": Plan(fps=500, images=20),
    "resnet-w4a4": Plan(fps=1_000, images=100),
    "mobilenet-w4a4": Plan(fps=1_000, images=100),
}


@dataclass(frozen=True)
class Result:
    """One model's row. Accuracies are fractions; `software`, `reference` and the disagreements are over `test_images`, `rtl` over `rtl_images`.

    `revision` is the commit that was built.
    """

    model: str
    revision: str
    trained: bool
    data: str
    test_images: int
    software: float
    reference: float
    rtl: float
    reference_same: float
    rtl_images: int
    board: str
    clock_mhz: float
    fps: float
    interval_cycles: int
    latency_cycles: int
    estimated_lut: float
    lut: float
    bram36: float
    dsp: float
    bits_compared: int
    mismatches: int
    label_disagreements: int
    activations: list[dict[str, str | int]]
    failed_checks: list[str]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=zoo.MODELS, nargs="*", help="default: those without a result yet")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--test-images", type=int, help="compare torch over so many test images only")
    args = parser.parse_args()
    results = read()
    broken = []
    for name in args.model if args.model is not None else [name for name in zoo.MODELS if name not in results]:
        try:
            found = measure(name, args.jobs, args.test_images)
        except HwqnnError as error:
            broken.append(name)
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        results = {**read(), name: found}  # another run may have added models meanwhile
        write(results)
        print(row(found), flush=True)
    write(results)
    broken += [name for name, result in results.items() if result.failed_checks]
    sys.exit(f"failed: {', '.join(broken)}" if broken else 0)


def measure(name: str, jobs: int, test_images: int | None) -> Result:
    """Builds one model. Raises `HwqnnError` as the build does."""
    start = time.perf_counter()
    plan, entry = PLANS[name], zoo.MODELS[name]
    with tempfile.TemporaryDirectory(prefix="hwqnn-models-") as work:
        options = Options(model=name, fps=plan.fps, board=plan.board, images=plan.images, jobs=jobs, output=Path(work) / "out")
        report = build(options, Progress(name)).report
    print(f"{name}: torch's activations", file=sys.stderr, flush=True)
    found = torch_activations(name, test_images)
    return result_of(report, entry, found, time.perf_counter() - start)


def result_of(report: Report, entry: zoo.ZooModel, found: list[Disagreement], seconds: float) -> Result:
    accuracy, exact, performance, resources = report.accuracy, report.exact, report.performance, report.resources
    assert accuracy.software is not None
    assert accuracy.reference is not None
    assert accuracy.rtl is not None
    assert accuracy.reference_same is not None
    assert exact.software_disagreements is not None
    return Result(
        model=entry.name,
        revision=subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip(),
        trained=entry.weights is not None,
        data=entry.dataset,
        test_images=accuracy.images,
        software=accuracy.software,
        reference=accuracy.reference,
        rtl=accuracy.rtl,
        reference_same=accuracy.reference_same,
        rtl_images=accuracy.rtl_images,
        board=report.board.name,
        clock_mhz=report.clock_mhz,
        fps=performance.fps,
        interval_cycles=performance.interval_cycles,
        latency_cycles=performance.latency_cycles,
        estimated_lut=report.estimate.lut,
        lut=resources.lut,
        bram36=resources.bram36,
        dsp=resources.dsp,
        bits_compared=exact.rtl_bits_compared,
        mismatches=exact.rtl_mismatches,
        label_disagreements=exact.software_disagreements,
        activations=[asdict(layer) for layer in found],
        failed_checks=[f"{check.name}: {check.detail}" for check in report.checks if not check.passed],
        seconds=round(seconds, 1),
    )


def torch_activations(name: str, images: int | None) -> list[Disagreement]:
    """Every activation of the test set in float32 against the exact one."""
    torch.set_num_threads(1)
    entry, model, test = zoo.MODELS[name], zoo.load(name), data.load(zoo.MODELS[name].dataset)
    real = test.real()[:images].reshape(-1, *entry.input_shape)
    imported = import_brevitas(model, torch.from_numpy(real[:1]), name=name, input_scale=entry.input_scale)
    return activations(model, imported, layout.to_hardware(test.x[:images], imported.input.shape), real)


class Progress:
    """Says on the standard error what a build is at."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, stage: str) -> None: ...

    def note(self, text: str) -> None: ...

    def finish(self, stage: str, seconds: float, summary: str) -> None:
        print(f"{self.name}: {stage} {seconds:.1f} s, {summary}", file=sys.stderr, flush=True)


def read() -> dict[str, Result]:
    """The results so far, of models that there still are."""
    if not RESULTS.exists():
        return {}
    return {name: Result(**fields) for name, fields in json.loads(RESULTS.read_text()).items() if name in zoo.MODELS}


def write(results: dict[str, Result]) -> None:
    """The file of results and the page, each replaced in one step."""
    ordered = {name: results[name] for name in zoo.MODELS if name in results}
    for path, text in ((RESULTS, json.dumps({n: asdict(r) for n, r in ordered.items()}, indent=1)), (PAGE, page(list(ordered.values())).rstrip())):
        new = path.with_suffix(f"{path.suffix}.new")
        new.write_text(text + "\n")
        new.replace(path)


COLUMNS = (
    "model", "weights", "data (images)", "software", "reference", "RTL (images)", "frames/s", "cycles a frame", "latency, cycles",
    "LUT estimated", "LUT synthesized", "BRAM36", "DSP", "RTL bits compared", "wrong", "torch: labels", "torch: activations", "revision",
)  # fmt: skip


def row(r: Result) -> str:
    codes, differing = (sum(int(layer[key]) for layer in r.activations) for key in ("codes", "differing"))
    cells = (
        r.model, "trained" if r.trained else "random", f"{r.data} ({r.test_images:,})", f"{r.software:.2%}", f"{r.reference:.2%}",
        f"{r.rtl:.2%} ({r.rtl_images:,})", f"{r.fps:,.0f}", f"{r.interval_cycles:,}", f"{r.latency_cycles:,}",
        f"{r.estimated_lut:,.0f}", f"{r.lut:,.0f}", f"{r.bram36:g}", f"{r.dsp:g}", f"{r.bits_compared:,}", f"{r.mismatches:,}",
        f"{r.label_disagreements:,}", f"{differing:,} of {codes:,}", r.revision,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def page(results: list[Result]) -> str:
    lines = [
        "# The built-in models",
        "",
        "Written by `python benchmarks/models.py`. Every model goes from Brevitas to RTL at its full size; nothing is scaled down. *Software* is",
        "Brevitas in float32, *reference* the exact integers, *RTL* the SystemVerilog in Verilator over the first images, each of whose blocks'",
        "outputs is compared with the reference bit by bit: *wrong* counts those that differ. Accuracy is over all test images (for",
        "`mnist-pixels`, over all their pixels). A model with random weights has no accuracy to speak of: its row shows that it is carried",
        "through exactly. The clock is a target, not placed or routed; LUT, BRAM and DSP are yosys' for the part named below.",
        "",
        "Two columns count where torch's float32 gives another label or another code of an activation than exact arithmetic does. The last is the",
        "commit that was built: a row from before another's says nothing of what the hardware costs today.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "| --- " * len(COLUMNS) + "|",
        *(row(r) for r in results),
        "",
    ]
    boards = dict.fromkeys(r.board for r in results)
    lines += [f"- {board}: {', '.join(r.model for r in results if r.board == board)}." for board in boards]
    lines += ["", *(f"- {r.model} fails: {'; '.join(r.failed_checks)}" for r in results if r.failed_checks)]
    rounded = [(r.model, layer) for r in results for layer in r.activations if layer["differing"]]
    if rounded:
        lines += ["", "## Activations that torch rounds otherwise", "", "| model | layer | codes | differ |", "| --- | --- | --- | --- |"]
        lines += [f"| {model} | {layer['layer']} | {layer['codes']:,} | {layer['differing']:,} |" for model, layer in rounded]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
