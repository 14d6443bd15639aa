"""The contents of a report. Accuracies and utilizations are fractions, times are seconds, `None` means not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwqnn.boards import Board
from hwqnn.resources import Resources

ESTIMATE = "estimate"
"""The `source` of resources that nobody counted."""


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

    `fps` is frames a second at the report's clock, the target; `binary_tops` is 10**12 operations a second, a multiply-accumulate being two.
    """

    latency_cycles: int
    interval_cycles: int
    fps: float
    binary_tops: float


@dataclass(frozen=True)
class Hop:
    """A part of the critical path: `ns` through `cells` of one block of a layer, the last of which drives `net`."""

    layer: str
    block: str
    cells: tuple[str, ...]
    net: str
    ns: float


@dataclass(frozen=True)
class Clock:
    """The fastest clock that the design is known or expected to reach, between `low_mhz` and `high_mhz`.

    `source` says who knows: static timing and an allowance for routing, or a place and route. `logic_ns` is the critical path without
    its wires, hop by hop in `path`; None and empty where the source does not tell.
    """

    mhz: float
    low_mhz: float
    high_mhz: float
    routed: bool
    source: str
    logic_ns: float | None = None
    path: tuple[Hop, ...] = ()

    def __str__(self) -> str:
        if self.routed:
            return f"{self.mhz:.0f} MHz ({self.source})"
        return f"{self.mhz:.0f} MHz ({self.low_mhz:.0f} to {self.high_mhz:.0f}, not placed or routed)"


@dataclass(frozen=True)
class Power:
    """Watts at the target clock, as estimated: `dynamic_w` by kind of cell, `layers_w` (dynamic, less the trunk of the clock tree) by layer.

    `energy_j` is a frame's, static power included; `toggle_rate` the average changes of a net in a clock cycle, counted in `cycles` cycles of
    simulation; `coefficients_j` the joules that were taken for each event.
    """

    total_w: float
    static_w: float
    dynamic_w: Mapping[str, float]
    layers_w: Mapping[str, float]
    energy_j: float
    toggle_rate: float
    cycles: int
    coefficients_j: Mapping[str, float]


@dataclass(frozen=True)
class Folding:
    """How good the folding is: its price is at most `gap` above the least, or its rate below the best (0: proved optimal)."""

    optimal: bool
    gap: float


@dataclass(frozen=True)
class Layer:
    """One hardware block. `pe` and `simd` are its folding, None where it has none; `synthesized` is None when it was not synthesized.

    `label` tells it from the other blocks of its layer; `style` says how it is built, such as "XNOR, weights in BRAM"; it may be empty.
    `logic_ns` is the longest path that ends in it; None without synthesis.
    """

    name: str
    label: str
    op: str
    pe: int | None
    simd: int | None
    cycles: int
    estimate: Resources
    synthesized: Resources | None = None
    style: str = ""
    logic_ns: float | None = None

    @property
    def resources(self) -> Resources:
        """The best figures there are."""
        return self.estimate if self.synthesized is None else self.synthesized

    def error(self, resource: str) -> float | None:
        """(estimate - synthesized) / synthesized of "lut", "ff" and so on; None without synthesis or without a cell."""
        return _error(self.estimate, self.synthesized, resource)


def _error(estimate: Resources, synthesized: Resources | None, resource: str) -> float | None:
    found = getattr(synthesized, resource, 0)
    return (getattr(estimate, resource) - found) / found if found else None


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
        clock_mhz: the target. clock: what can be expected; None without synthesis.
        power: None where a single image was simulated.
        resources: of the whole design; `source` says how they were found: `hwqnn.synth.source()`, or `ESTIMATE`. estimate: what was expected.
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
    clock: Clock | None
    power: Power | None
    folding: Folding
    resources: Resources
    estimate: Resources
    source: str
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
    def estimated_fps(self) -> float | None:
        """Frames a second at the clock that can be expected, be that more or less than the target."""
        return None if self.clock is None else self.clock.mhz * 1e6 / self.performance.interval_cycles

    @property
    def meets_target(self) -> bool | None:
        """Whether that clock reaches the target."""
        return None if self.clock is None else self.clock.mhz >= self.clock_mhz

    def error(self, resource: str) -> float | None:
        """As of a layer, of the whole design."""
        return None if self.source == ESTIMATE else _error(self.estimate, self.resources, resource)

    @property
    def utilization(self) -> dict[str, float]:
        """The fraction of the board that the design takes, by resource; of a resource that the board lacks, as if it had one."""
        return {name: getattr(self.resources, name) / max(total, 1) for name, total in vars(self.board.resources).items()}
