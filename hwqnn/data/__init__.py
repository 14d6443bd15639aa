"""Data sets: `load("mnist")`, a folder of IDX files, or an `.npz` with `x` and `y`."""

from hwqnn.data.dataset import Dataset
from hwqnn.data.load import load

__all__ = ["Dataset", "load"]
