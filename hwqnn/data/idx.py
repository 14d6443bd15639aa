"""IDX files, the format of MNIST: 0, 0, a type code, the number of axes, their big-endian lengths, then the bytes.

Source of the format: http://yann.lecun.com/exdb/mnist (LeCun, Cortes and Burges).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from hwqnn.errors import InputError

_UBYTE = 8
PREFIX = {"train": "train", "test": "t10k"}
"""How a split's file names begin."""


def read(path: Path, axes: int) -> np.ndarray:
    """The uint8 array in an IDX file, plain or gzip, that must have `axes` axes.

    Raises:
        InputError: the file cannot be read, is no IDX file of bytes with that many axes, or is shorter or longer than its header says.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    header = 4 + 4 * axes
    if raw[:4] != bytes([0, 0, _UBYTE, axes]):
        raise InputError(f"{path}: starts with {raw[:4].hex(' ') or 'nothing'}, not with 00 00 08 {axes:02x}: no IDX file of bytes with {axes} axes")
    if len(raw) < header:
        raise InputError(f"{path}: truncated inside its header")
    shape = struct.unpack(f">{axes}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise InputError(f"{path}: holds {len(raw) - header} bytes of data where its header {shape} says {math.prod(shape)}")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def write(path: Path, array: np.ndarray) -> None:
    """Writes a uint8 array as a plain IDX file."""
    header = bytes([0, 0, _UBYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + np.ascontiguousarray(array, np.uint8).tobytes())


def files(folder: Path, split: str) -> tuple[Path, Path] | None:
    """The image and the label file of a split in `folder`, under their usual names (`t10k-images-idx3-ubyte`, `.idx3`, `.gz`); None if not both."""
    found = [sorted(folder.glob(f"{PREFIX[split]}-{what}[-.]idx{axes}-ubyte*")) for what, axes in (("images", 3), ("labels", 1))]
    return (found[0][0], found[1][0]) if all(found) else None
