"""What a build found, as `report.json` for programs and one self-contained `report.html` for people."""

from hwqnn.report.content import Accuracy, Check, Exact, Layer, Performance, Report, Resources, Sample
from hwqnn.report.write import SCHEMA, render, to_json, write

__all__ = ["Accuracy", "Check", "Exact", "Layer", "Performance", "Report", "Resources", "SCHEMA", "Sample", "render", "to_json", "write"]
