"""Reads the plain kind of PNG file that data sets come in (ISO/IEC 15948): 8-bit RGB, not interlaced."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hwqnn.errors import InputError
from hwqnn.kernel import kernel

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BPP = 3


def read_rgb(path: Path) -> np.ndarray:
    """The pixels of a PNG file, uint8 (height, width, 3).

    Raises:
        InputError: it is no such file, or damaged.
    """
    try:
        raw = path.read_bytes()
        if raw[:8] != _SIGNATURE:
            raise InputError(f"{path}: no PNG file")
        chunks = list(_chunks(raw))
        width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", next(data for kind, data in chunks if kind == b"IHDR"))
        if (depth, colour, interlace) != (8, 2, 0):
            raise InputError(f"{path}: a PNG file of depth {depth}, colour type {colour}, interlacing {interlace}; only plain 8-bit RGB is read")
        rows = np.frombuffer(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), np.uint8)
        rows = rows.reshape(height, 1 + width * _BPP)
    except (OSError, zlib.error, struct.error, StopIteration, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a PNG file ({error})") from error
    if rows[:, 0].max() > 4:
        raise InputError(f"{path}: row filter {rows[:, 0].max()} is none of PNG's")
    return _unfilter(rows).reshape(height, width, _BPP)


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position < len(raw):
        (length,) = struct.unpack_from(">I", raw, position)
        kind, data = raw[position + 4 : position + 8], raw[position + 8 : position + 8 + length]
        (check,) = struct.unpack_from(">I", raw, position + 8 + length)
        if zlib.crc32(kind + data) != check:
            raise ValueError(f"chunk {kind!r} is damaged")
        yield kind, data
        position += 12 + length


@kernel
def _unfilter(rows):  # type: ignore[no-untyped-def]
    """Undoes each row's filter (clause 9): its first byte says which prediction from left, up and upper left was taken away."""
    height, width = rows.shape[0], rows.shape[1] - 1
    out = np.zeros((height + 1, width + _BPP), np.uint8)  # zeros above and to the left
    for y in range(height):
        for x in range(width):
            left, up, corner = np.int64(out[y + 1, x]), np.int64(out[y, x + _BPP]), np.int64(out[y, x])
            prediction = np.int64(0)
            if rows[y, 0] == 1:
                prediction = left
            elif rows[y, 0] == 2:
                prediction = up
            elif rows[y, 0] == 3:
                prediction = (left + up) // 2
            elif rows[y, 0] == 4:  # Paeth: the nearest of the three to left + up - corner
                to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                prediction = left if to_left <= to_up and to_left <= to_corner else (up if to_up <= to_corner else corner)
            out[y + 1, x + _BPP] = (rows[y, x + 1] + prediction) & 255
    return np.ascontiguousarray(out[1:, _BPP:])
