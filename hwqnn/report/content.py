"""The contents of a report. Accuracies and utilizations are fractions, times are seconds, `None` means not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwqnn.boards import Board


@dataclass(frozen=True)
class Check:
    """One thing that had to be true, in plain words, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Accuracy:
    """Fractions of correct labels: `software` and `reference` over `images` images, `rtl` over the first `rtl_images` of them.

    `reference_same` is the reference over those first `rtl_images`: what `rtl` compares with.
    """

    images: int
    software: float | None
    reference: float | None
    rtl: float | None
    rtl_images: int
    reference_same: float | None = None


@dataclass(frozen=True)
class Exact:
    """Agreement bit for bit. `software_disagreements` counts images whose label differs between software and reference;
    None when no software ran."""

    rtl_bits_compared: int
    rtl_mismatches: int
    software_disagreements: int | None


@dataclass(frozen=True)
class Performance:
    """`latency_cycles`: first input beat to last output beat of one frame; `interval_cycles`: between frames, back to back.

    `fps` is frames a second at the report's clock; `binary_tops` is 10**12 operations a second, a multiply-accumulate being two.
    `clock` says what that clock is worth.
    """

    latency_cycles: int
    interval_cycles: int
    fps: float
    binary_tops: float
    clock: str = "target, not placed or routed"


@dataclass(frozen=True)
class Resources:
    """Cells of a 7-series device; `source` says how they were found: `hwqnn.synth.source()`, or "estimate"."""

    lut: float
    ff: float
    carry4: float
    bram36: float
    dsp: float
    source: str


@dataclass(frozen=True)
class Layer:
    """One hardware block. `pe` and `simd` are its folding, None where it has none; `synthesized_lut` is None when it was not synthesized.

    `style` says how it is built, such as "XNOR, weights in BRAM"; it may be empty.
    """

    name: str
    op: str
    pe: int | None
    simd: int | None
    cycles: int
    estimated_lut: float
    synthesized_lut: float | None = None
    style: str = ""

    @property
    def lut(self) -> float:
        """The best figure there is."""
        return self.estimated_lut if self.synthesized_lut is None else self.synthesized_lut

    @property
    def estimate_error(self) -> float | None:
        """(estimate - synthesized) / synthesized; None without synthesis or without a LUT."""
        return (self.estimated_lut - self.synthesized_lut) / self.synthesized_lut if self.synthesized_lut else None


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its label and predictions, all indices into `Report.classes`.

    `image` is uint8 of shape (height, width) or (height, width, 3), or None when the input is no image.
    """

    index: int
    label: int
    software: int | None
    reference: int | None
    rtl: int | None
    image: np.ndarray | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """Everything a build found.

    Attributes:
        input: what the accelerator takes, such as "raw pixels" or "input quantizer codes".
        seconds: wall-clock seconds by stage, in order.
        classes: the names of the classes.
        confusion: int64 (classes, classes), images by label (row) and the reference's prediction (column); None without labels.
        options: the command's options, for the record. versions: by tool.
    """

    model: str
    board: Board
    clock_mhz: float
    input: str
    checks: tuple[Check, ...]
    accuracy: Accuracy
    exact: Exact
    performance: Performance
    resources: Resources
    layers: tuple[Layer, ...]
    seconds: Mapping[str, float]
    classes: tuple[str, ...] = ()
    confusion: np.ndarray | None = None
    samples: tuple[Sample, ...] = ()
    options: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """All checks passed, and there was at least one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def utilization(self) -> dict[str, float]:
        """The fraction of the board that the design takes, by resource; of a resource that the board lacks, as if it had one."""
        return {name: getattr(self.resources, name) / max(total, 1) for name, total in vars(self.board.resources).items()}
