"""From PyTorch to the graph: loads the user's model, runs it once, and records what it computes."""

from hwqnn.frontend.importer import import_brevitas
from hwqnn.frontend.load import load_model

__all__ = ["import_brevitas", "load_model"]
