"""From what the user names as data to a `Dataset`."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from hwqnn.data import idx
from hwqnn.data.builtin import BuiltIn
from hwqnn.data.cifar10 import CIFAR10
from hwqnn.data.dataset import PIXEL, Dataset
from hwqnn.data.fashion_mnist import FASHION_MNIST
from hwqnn.data.mnist import MNIST, per_pixel
from hwqnn.errors import InputError
from hwqnn.words import nearest

SETS: dict[str, BuiltIn] = {entry.name: entry for entry in (MNIST, FASHION_MNIST, CIFAR10)}
"""The built-in sets by their names."""
DERIVED: dict[str, tuple[str, Callable[[Dataset], Dataset]]] = {"mnist-pixels": ("mnist", per_pixel)}
"""Name -> the built-in set that it is made from, and how."""
BUILT_IN = (*SETS, *DERIVED)


def load(spec: str, split: str = "test", scale: Fraction | None = None) -> Dataset:
    """The data set that `spec` names.

    Args:
        spec: a built-in name (`mnist`, `fashion-mnist`, `cifar10`, or `mnist-pixels` for segmentation), a folder of IDX files under their
            MNIST names (plain or .gz), or an `.npz` file with `x` and `y`.
        split: "test" or "train"; an `.npz` has only itself.
        scale: the real value of an integer step; None means 1/255 for uint8 and float x. Float x must be whole multiples of it.

    Returns:
        uint8 x of shape (N, 28, 28) for the grey sets, (N, 3, 32, 32) for CIFAR-10; from an `.npz`, integers of x's own shape. The full set where it
        is found; else, of the test images, the package's excerpt.

    Raises:
        InputError: no such data, or it is unusable: corrupt, empty, lengths that differ, labels or inputs that are no integers.
    """
    if split not in idx.PREFIX:
        raise InputError(f"split '{split}': expected {' or '.join(idx.PREFIX)}")
    if scale is not None and scale <= 0:
        raise InputError(f"input scale {scale}: it must be greater than 0")
    if spec in DERIVED:
        source, derive = DERIVED[spec]
        return derive(load(source, split, scale))
    if spec in SETS:
        return _built_in(SETS[spec], split, scale)
    path = Path(spec)
    if path.is_dir():
        return _folder(path, path.name or spec, split, scale)
    if path.suffix == ".npz" and path.is_file():
        return _npz(path, path.stem, scale)
    if path.exists():
        raise InputError(f"data '{spec}': expected a folder of IDX files or an .npz file")
    hint = f"{nearest(spec, BUILT_IN)} Or give a folder of IDX files, or an .npz file with x and y"
    raise InputError(f"data '{spec}': no such file or folder, and no built-in name; {hint}")


def excerpt(name: str, scale: Fraction | None = None) -> Dataset:
    """The first test images of a built-in set, the same on every machine: those that the package carries.

    Raises:
        InputError: no built-in set has that name.
    """
    if name in DERIVED:
        source, derive = DERIVED[name]
        return derive(excerpt(source, scale))
    if name not in SETS:
        raise InputError(f"data '{name}': no built-in set; there are {', '.join(BUILT_IN)}")
    entry = SETS[name]
    return _npz(entry.excerpt, f"{name} (first {entry.excerpt_size:,} test images)", scale)


def _built_in(entry: BuiltIn, split: str, scale: Fraction | None) -> Dataset:
    if place := entry.full(split):
        return _folder(place, entry.name, split, scale)
    if split != "test":
        raise InputError(f"the training images of {entry.name} are not here: fetch them with `python -m hwqnn.data {entry.name}`, or set $HWQNN_DATA")
    return excerpt(entry.name, scale)


def _folder(path: Path, name: str, split: str, scale: Fraction | None) -> Dataset:
    found = idx.files(path, split)
    if not found:
        prefix = idx.PREFIX[split]
        raise InputError(f"folder '{path}': needs {prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte (idx4 for colour; or the same with .gz)")
    return Dataset(name, idx.read(found.images, found.axes), idx.read(found.labels, 1).astype(np.int64), scale or PIXEL)


def _npz(path: Path, name: str, scale: Fraction | None) -> Dataset:
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as archive:
            if missing := {"x", "y"} - set(archive.files):
                raise InputError(f"{path}: has no array {' or '.join(sorted(missing))} (found: {', '.join(archive.files) or 'none'})")
            x, y = archive["x"], archive["y"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as an .npz of plain arrays ({error})") from error
    if y.dtype.kind not in "iu":
        raise InputError(f"{path}: labels y are {y.dtype}, expected integers")
    return Dataset(name, _integers(x, path, scale), y.astype(np.int64), scale or PIXEL)


def _integers(x: np.ndarray, path: Path, scale: Fraction | None) -> np.ndarray:
    """x as the integers it stands for: itself, or x / scale where x is float and every value is exactly such a multiple, rounded to x's type."""
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind in "iu":
        if scale is None:
            raise InputError(f"{path}: x is {x.dtype}; say what an integer step means with an input scale (only uint8 means pixel / 255 by itself)")
        return x.astype(np.int64)
    if x.dtype.kind != "f":
        raise InputError(f"{path}: x is {x.dtype}, expected uint8, other integers or floats")
    step = scale or PIXEL
    wide = x.astype(np.float64)
    finite = np.isfinite(wide)
    codes = np.rint(np.where(finite, wide, 0) * step.denominator / step.numerator)
    exact = finite & (np.abs(codes) < 2**31) & ((codes * step.numerator / step.denominator).astype(x.dtype) == x)
    if not exact.all():
        raise InputError(f"{path}: x holds {x[~exact][0]}, no whole multiple of the input scale {step}: pass the scale the data was made with")
    return codes.astype(np.int64)
