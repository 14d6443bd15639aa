"""What a build found, as `report.json` for programs and one self-contained `report.html` for people."""

from hwqnn.report.content import ESTIMATE, Accuracy, Check, Clock, Exact, Folding, Hop, Layer, Performance, Power, Report, Sample
from hwqnn.report.write import SCHEMA, render, to_json, write

__all__ = [
    "ESTIMATE", "SCHEMA", "Accuracy", "Check", "Clock", "Exact", "Folding", "Hop", "Layer", "Performance", "Power", "Report", "Sample",
    "render", "to_json", "write",
]  # fmt: skip
