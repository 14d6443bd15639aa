"""What a run of a recipe found, as JSON and as one self-contained HTML page."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from hwqnn import compress
from hwqnn.report import words
from hwqnn.train import chart
from hwqnn.train.chart import Chart, Line
from hwqnn.train.loop import Epoch
from hwqnn.train.settings import Settings


@dataclass(frozen=True)
class Phase:
    """A training or a fine-tuning: its settings, its epochs, and percent of the test set behind the last."""

    settings: Settings
    history: tuple[Epoch, ...]
    accuracy: float

    @property
    def charts(self) -> tuple[Chart, Chart]:
        h = self.history
        return (
            Chart("Loss", (Line("training", "blue", [e.loss for e in h]),)),
            Chart(
                "Accuracy",
                (Line("training", "blue", [e.train_accuracy for e in h]), Line("test", "amber", [e.test_accuracy for e in h])),
                " %",
            ),
        )


@dataclass(frozen=True)
class Compression:
    """A step of compression: what it did to the weights; percent of the test set right behind it, and after fine-tuning where there is some.

    Attributes:
        learn: the training that the method was learned in, if it is.
    """

    report: compress.Report
    accuracy: float
    learn: Phase | None
    finetune: Phase | None


@dataclass(frozen=True)
class Report:
    """A run.

    Attributes:
        data, test_data: what the recipe names for training and for testing. train_images, test_images: how many of each.
        start_accuracy: percent of the test set before any step of compression: behind the training, or of the weights that were there.
        training: None where trained weights were there.
    """

    name: str
    recipe: str
    seed: int
    data: str
    test_data: str
    train_images: int
    test_images: int
    start_accuracy: float
    training: Phase | None
    steps: tuple[Compression, ...] = ()
    versions: dict[str, str] = field(default_factory=lambda: versions())

    @property
    def accuracy(self) -> float:
        """Percent of the test set, at the end."""
        if not self.steps:
            return self.start_accuracy
        last = self.steps[-1]
        return last.finetune.accuracy if last.finetune else last.accuracy

    @property
    def phases(self) -> list[tuple[str, Phase]]:
        """Every training, with what to call it."""
        found = [("Training", self.training)]
        for number, step in enumerate(self.steps, 1):
            found += [(f"Learning compression {number}", step.learn), (f"Fine-tuning behind compression {number}", step.finetune)]
        return [(name, phase) for name, phase in found if phase is not None]

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(epoch.seconds for _, phase in self.phases for epoch in phase.history)


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("hwqnn", "torch", "brevitas", "numpy")}}


def write(report: Report, directory: Path) -> None:
    """Writes `report.json` and `report.html` into a folder, which exists."""
    (directory / "report.json").write_text(json.dumps(to_json(report), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (directory / "report.html").write_text(render(report), encoding="utf-8")


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values."""
    steps = [
        {"report": step.report.json(), "accuracy": step.accuracy, "learn": _plain(step.learn), "finetune": _plain(step.finetune)}
        for step in report.steps
    ]
    plain = {name: value for name, value in vars(report).items() if name not in ("steps", "training")}
    return plain | {
        "accuracy": report.accuracy,
        "seconds": report.seconds,
        "training": _plain(report.training),
        "steps": steps,
    }


def _plain(phase: Phase | None) -> dict[str, Any] | None:
    return None if phase is None else asdict(phase)


def render(report: Report) -> str:
    """The report as one HTML page: no script, nothing from outside, every name escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=words.number, seconds=words.seconds)
    return environment.get_template("report.html").render(report=report, chart=chart)
