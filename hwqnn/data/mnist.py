"""MNIST (LeCun, Cortes and Burges 1998): where the full set is looked for, and the excerpt that the package carries."""

from __future__ import annotations

import os
from pathlib import Path

from hwqnn.data import idx
from hwqnn.errors import InputError
from hwqnn.paths import cache_dir

EXCERPT = Path(__file__).parent / "mnist" / "t10k-first-1000.npz"
"""The first 1,000 test images and their labels."""


def cached() -> Path:
    """Where `python -m hwqnn.data mnist` puts the full set."""
    return cache_dir("data") / "mnist"


def full(split: str) -> Path | None:
    """The folder with the full set's files of this split: `$HWQNN_DATA`, its `mnist` subfolder, or the cache; None if it is in none of them.

    Raises:
        InputError: `$HWQNN_DATA` is set, but no folder.
    """
    places = [cached()]
    if root := os.environ.get("HWQNN_DATA"):
        if not Path(root).is_dir():
            raise InputError(f"$HWQNN_DATA is '{root}', which is not a folder: unset it, or point it at a folder with the MNIST IDX files")
        places = [Path(root), Path(root) / "mnist", *places]
    return next((place for place in places if idx.files(place, split)), None)
