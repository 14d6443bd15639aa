"""Small images as PNG data URIs (RFC 2083), so that the report needs no other file."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

_COLOR_TYPE = {1: 0, 3: 2}


def encode(image: np.ndarray) -> bytes:
    """`image` as a PNG file: uint8 of shape (height, width) is grey, (height, width, 3) is RGB.

    Raises:
        ValueError: any other type or shape.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"an image is uint8 of shape (height, width) or (height, width, 3), not {image.dtype} of shape {image.shape}")
    height, width = image.shape[:2]
    channels = 1 if image.ndim == 2 else 3
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row starts with its filter: 0, none
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPE[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + _chunk(b"IEND", b"")


def data_uri(image: np.ndarray) -> str:
    """`image` (see `encode`) as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(encode(image)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
