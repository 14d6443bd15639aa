"""What the scripts of this folder share: the row of the table, how hardware is measured, where rows are kept.

A script prints its rows with `table` and keeps them with `keep`, in docs/compression/GROUP.json; `page.py` makes docs/compression.md from all groups.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from statistics import fmean, stdev

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas

import numpy as np
import torch

import hwqnn
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import NO_PINS, Pin, Pins, Rate
from hwqnn.errors import CheckError
from hwqnn.frontend import import_brevitas
from hwqnn.ir import Conv, Graph, MatMul

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "compression"
MIN_IMAGES = 16
"""The fewest images that the RTL is compared on."""


@dataclass(frozen=True)
class Size:
    """A network in software's terms.

    Attributes:
        weights: elements of all weights.
        weight_bits: each times the bits of its layer's narrowest integer type (1 for signs, 2 for ternary).
        bit_operations: multiply-accumulates of one frame, each times the bits of its weight and of its input.
    """

    weights: int
    weight_bits: int
    bit_operations: int

    @classmethod
    def of(cls, graph: Graph) -> Size:
        """Of an imported graph. Average pools are products too, but have no weights that anybody stores: they count operations alone."""

        def pixels(op: MatMul | Conv) -> int:
            return math.prod(graph.edges[op.name].shape[:-1])

        matrices = [op for op in graph.ops if isinstance(op, MatMul | Conv)]
        stored = [op for op in matrices if not (isinstance(op, Conv) and (op.weight == 1).all())]
        return cls(
            sum(op.weight.size for op in stored),
            sum(op.weight.size * op.weight_type.bits for op in stored),
            sum(op.weight.size * pixels(op) * op.weight_type.bits * graph.edges[op.inputs[0]].type.bits for op in matrices),
        )


@dataclass(frozen=True)
class Hardware:
    """What was measured of a network: yosys' cells, frames a second at `clock_mhz`, and how many `bits` of RTL were equal to the reference, all."""

    lut: int
    ff: int
    carry4: int
    bram36: float
    dsp: int
    fps: float
    clock_mhz: float
    bits: int
    size: Size


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table. Its key is (group, method, network, dataset).

    Attributes:
        accuracy: percent of the whole test set, the mean over `seeds` trainings; spread: their sample standard deviation, 0 for one.
        lut, ff, carry4, bram36, dsp, fps, clock_mhz: of the network of the first seed; None where no hardware was made.
        command: what prints and keeps this row again. revision: the commit it was measured on. seconds: what the row took, training and all.
    """

    group: str
    method: str
    network: str
    dataset: str
    accuracy: float
    spread: float = 0.0
    seeds: int = 1
    weights: int
    weight_bits: int
    bit_operations: int
    lut: int | None = None
    ff: int | None = None
    carry4: int | None = None
    bram36: float | None = None
    dsp: int | None = None
    fps: float | None = None
    clock_mhz: float | None = None
    command: str
    revision: str
    seconds: float

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.group, self.method, self.network, self.dataset


def row(
    group: str,
    method: str,
    network: str,
    dataset: str,
    *,
    accuracies: Sequence[float],
    size: Size | None = None,
    hardware: Hardware | None = None,
    command: str,
    seconds: float,
) -> Row:
    """A row of this revision.

    Args:
        accuracies: percent, one for each seed.
        size: that of `hardware` when None.
    """
    size = size or (hardware.size if hardware else None)
    assert size is not None, "a row without hardware needs its size"
    cells = {} if hardware is None else {k: v for k, v in vars(hardware).items() if k not in ("size", "bits")}
    return Row(
        group=group, method=method, network=network, dataset=dataset,
        accuracy=fmean(accuracies), spread=stdev(accuracies) if len(accuracies) > 1 else 0.0, seeds=len(accuracies),
        **asdict(size), **cells, command=command, revision=revision(), seconds=round(seconds, 1),
    )  # fmt: skip


def measure(
    model: torch.nn.Module,
    *,
    input_shape: tuple[int, ...],
    images: np.ndarray,
    input_scale: Fraction = Fraction(1, 255),
    fps: Rate = None,
    store: Store | None = None,
    pins: Pins = NO_PINS,
    limits: dict[str, float] | None = None,
    clock_mhz: float = 100.0,
    head: str = "label",
    board: str = "zynq7020",
    jobs: int = 1,
) -> Hardware:
    """Compiles a model, compares its RTL with the reference bit for bit, and synthesizes it.

    Args:
        input_shape: of one input, as the model takes it.
        images: uint8 or int64 (N, ...), at least 16, in raw integers; each stands for input_scale times itself.
        fps: as in `hwqnn.compile`; None for a million or the best rate that fits.
        store: where the weights of every layer go, such as `Store.FROZEN`; `pins` goes before it for the layers that it names.
        jobs: processes at a time.
    Raises:
        CheckError: a bit of the RTL differs, or a cycle stamp.
        ValueError: there are too few images.
    """
    if len(images) < MIN_IMAGES:
        raise ValueError(f"{len(images)} images: compare the RTL on {MIN_IMAGES} or more")
    model.eval()
    x = np.asarray(images).reshape(-1, *input_shape)
    real = torch.from_numpy((x[:2].astype(np.float64) * float(input_scale)).astype(np.float32))
    if store is not None:
        imported = import_brevitas(model, real, name="measured", input_scale=input_scale)
        layers = {op.name: Pin(store=store) for op in imported.ops if isinstance(op, MatMul | Conv)}
        pins = Pins({**layers, **pins.layers}, pins.input_elements, pins.windows)
    acc = hwqnn.compile(
        model, real, board=board, fps=fps, clock_mhz=clock_mhz, limits=limits, input_scale=input_scale, pins=pins, head=head, threads=jobs
    )
    ran = acc.simulate(x, jobs=jobs)
    if ran.comparison.mismatches or not ran.as_predicted:
        raise CheckError(f"the RTL differs from the reference: {ran.comparison.mismatches} bits of {ran.comparison.bits}")
    cells = list(acc.synthesize(jobs=jobs).values())
    total = {name: sum(getattr(c, name) for c in cells) for name in ("lut", "ff", "carry4", "bram36", "dsp")}
    return Hardware(**total, fps=acc.fps, clock_mhz=acc.design.clock_mhz, bits=ran.comparison.bits, size=Size.of(acc.imported))


@cache
def revision() -> str:
    """The commit that this process runs, with a plus where tracked files of the package have changed since."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", "hwqnn", "rtl") else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def load(group: str) -> list[Row]:
    """The rows kept of a group; none where there is no file."""
    path = KEPT / f"{group}.json"
    return [Row(**fields) for fields in json.loads(path.read_text())] if path.exists() else []


def keep(rows: Sequence[Row]) -> None:
    """Puts rows into their groups' files, each in place of the row of the same key, or behind the others."""
    for group in dict.fromkeys(r.group for r in rows):
        kept = {r.key: r for r in [*load(group), *(r for r in rows if r.group == group)]}
        path = KEPT / f"{group}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".json.new")
        new.write_text(json.dumps([asdict(r) for r in kept.values()], indent=1) + "\n")
        new.replace(path)


COLUMNS = ("method", "network", "data", "accuracy", "weights", "weight bits", "bit operations", "LUT", "FF", "CARRY4", "BRAM36", "DSP", "frames/s")


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    return markdown(COLUMNS, [cells(r) for r in rows])


def markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, ["---"] * len(columns), *lines))


def cells(r: Row) -> list[str]:
    """A row's entries under the columns of `table`."""
    spread = f" ± {r.spread:.2f} ({r.seeds})" if r.seeds > 1 else ""
    counts = [f"{n:,}" for n in (r.weights, r.weight_bits, r.bit_operations)]
    hardware = ["-" if n is None else f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}" for n in (r.lut, r.ff, r.carry4, r.bram36, r.dsp)]
    return [r.method, r.network, r.dataset, f"{r.accuracy:.2f} %{spread}", *counts, *hardware, "-" if r.fps is None else f"{r.fps:,.0f}"]


def arguments(doc: str | None, names: Sequence[str]) -> argparse.Namespace:
    """The command line that the scripts share: `quick` (bool: a small trial, whose rows are printed and not kept) and `only` (names of rows)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small trial: few images and epochs; nothing is kept")
    parser.add_argument("--only", nargs="+", choices=names, metavar="ROW", default=list(names), help=f"of {', '.join(names)}")
    return parser.parse_args()
