"""Data sets: a built-in one by its name, such as `load("mnist")`, a folder of IDX files, or an `.npz` with `x` and `y`."""

from hwqnn.data.dataset import Dataset
from hwqnn.data.load import excerpt, load

__all__ = ["Dataset", "excerpt", "load"]
