"""A report's two files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from hwqnn.report import words
from hwqnn.report.content import Layer, Report
from hwqnn.report.png import data_uri

_HERE = Path(__file__).parent
SCHEMA = _HERE / "schema.json"
_MAX_CLASSES_SHOWN = 32


def write(report: Report, directory: Path) -> None:
    """Writes `report.json` and `report.html` into `directory`, which exists.

    Raises:
        OSError: a file cannot be written.
    """
    text = json.dumps(to_json(report), indent=2, ensure_ascii=False, allow_nan=False)
    (directory / "report.json").write_text(text + "\n", encoding="utf-8")
    (directory / "report.html").write_text(render(report), encoding="utf-8")


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values, keys always in the same order, of the form that `schema.json` describes. Pixels stay out."""
    return {
        "model": report.model,
        "board": report.board.name,
        "part": report.board.part,
        "clock_mhz": report.clock_mhz,
        "input": report.input,
        "verdict": {"passed": report.passed, "checks": [asdict(check) for check in report.checks]},
        "accuracy": asdict(report.accuracy),
        "exact": asdict(report.exact),
        "performance": asdict(report.performance) | {"fps_at_expected_clock": report.estimated_fps},
        "expected_clock": None if report.clock is None else asdict(report.clock),
        "power": None if report.power is None else asdict(report.power),
        "folding": asdict(report.folding),
        "resources": {"source": report.source} | _figures(report),
        "capacity": asdict(report.board.resources),
        "utilization": report.utilization,
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "pe": layer.pe,
                "simd": layer.simd,
                "style": layer.style,
                "cycles": layer.cycles,
                "logic_ns": layer.logic_ns,
            }
            | _figures(layer)
            for layer in report.layers
        ],
        "warnings": words.warnings(report),
        "seconds": dict(report.seconds),
        "classes": list(report.classes),
        "confusion": None if report.confusion is None else report.confusion.tolist(),
        "samples": [{name: value for name, value in vars(sample).items() if name != "image"} for sample in report.samples],
        "options": dict(report.options),
        "versions": dict(report.versions),
    }


def _figures(of: Report | Layer) -> dict[str, Any]:
    """The best figures there are, what was estimated, and the estimate's error."""
    return asdict(of.resources) | {"estimate": asdict(of.estimate), "estimate_error": {name: of.error(name) for name in vars(of.estimate)}}


def render(report: Report) -> str:
    """The report as one HTML page: no script, nothing from outside, every name escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        percent=words.percent,
        number=words.number,
        seconds=words.seconds,
        rate=words.rate,
        error=words.error,
        engineering=words.engineering,
        data_uri=data_uri,
    )
    return environment.get_template("template.html").render(
        report=report,
        headline=words.headline(report),
        sentences=words.sentences(report),
        warnings=words.warnings(report),
        show_confusion=report.confusion is not None and len(report.classes) <= _MAX_CLASSES_SHOWN,
        off_diagonal=~np.eye(len(report.classes), dtype=bool),
    )
