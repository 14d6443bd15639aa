"""IDX files, the format of MNIST: 0, 0, a type code, the number of axes, their big-endian lengths, then the bytes.

Source of the format: http://yann.lecun.com/exdb/mnist (LeCun, Cortes and Burges).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Split:
    """The two files of a split; an image file has `axes` axes: (N, H, W) or (N, C, H, W)."""

    images: Path
    labels: Path
    axes: int


def files(folder: Path, split: str) -> Split | None:
    """The files of a split in `folder`, under their usual names (`t10k-images-idx3-ubyte`, `.idx3`, `.gz`; idx4 with channels); None if not both."""
    prefix = PREFIX[split]
    labels = sorted(folder.glob(f"{prefix}-labels[-.]idx1-ubyte*"))
    for axes in (3, 4):
        images = sorted(folder.glob(f"{prefix}-images[-.]idx{axes}-ubyte*"))
        if images and labels:
            return Split(images[0], labels[0], axes)
    return None
