"""Curves over epochs, as coordinates for an inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, BOTTOM = 560, 240, 52, 28
"""Of the drawing, and of its margins for the axes' words."""
_TICKS = 5


def round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, the first that is no less."""
    least = max(least, 1e-6)
    power = 10.0 ** math.floor(math.log10(least))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


@dataclass(frozen=True)
class Line:
    """A curve: its name, its colour (a class of the page's style), and a value for each epoch, finite."""

    name: str
    tone: str
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Curves that share both axes. Epochs count from 1; `unit` stands behind every value."""

    title: str
    lines: Sequence[Line]
    unit: str = ""

    @property
    def epochs(self) -> int:
        return max(len(line.values) for line in self.lines)

    @property
    def step(self) -> float:
        """Between marks of the upright axis."""
        values = [v for line in self.lines for v in line.values]
        return round_step((max(values) - min(values)) / _TICKS)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and greatest value of the upright axis: marks around all values."""
        values = [v for line in self.lines for v in line.values]
        low, high = math.floor(min(values) / self.step), math.ceil(max(values) / self.step)
        return low * self.step, max(high, low + 1) * self.step

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Of the upright axis: where, and the words."""
        low, high = self.bounds
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        values = [low + i * self.step for i in range(round((high - low) / self.step) + 1)]
        return [(self.y(v), f"{v:.{digits}f}{self.unit}") for v in values]

    @property
    def epoch_marks(self) -> list[tuple[float, int]]:
        """Of the epochs: the first, the last, and some between."""
        step = max(1, math.ceil(self.epochs / 8))
        return [(self.x(e), e) for e in sorted({1, *range(step, self.epochs - step // 2, step), self.epochs})]

    def x(self, epoch: int) -> float:
        return LEFT + (WIDTH - LEFT - 12) * ((epoch - 1) / (self.epochs - 1) if self.epochs > 1 else 0.5)

    def y(self, value: float) -> float:
        low, high = self.bounds
        return 10 + (HEIGHT - BOTTOM - 10) * (high - value) / (high - low)

    def points(self, line: Line) -> list[tuple[float, float]]:
        """Of a curve, rounded to a tenth of a pixel."""
        return [(round(self.x(i), 1), round(self.y(v), 1)) for i, v in enumerate(line.values, 1)]
