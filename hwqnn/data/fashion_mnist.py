"""Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): 28 x 28 grey images of clothes, ten classes."""

from __future__ import annotations

from pathlib import Path

from hwqnn.data.builtin import BuiltIn
from hwqnn.data.sources import debian_package

SHA256 = {
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}


def _debian(folder: Path) -> None:
    debian_package("dataset-fashion-mnist", [f"usr/share/datasets/fashion-mnist/{name}.gz" for name in SHA256], folder)


FASHION_MNIST = BuiltIn(
    name="fashion-mnist",
    sha256=SHA256,
    excerpt=Path(__file__).parent / "fashion-mnist" / "t10k-first-1000.npz",
    excerpt_size=1000,
    sources={"the Debian package dataset-fashion-mnist": _debian},
)
