from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from hwqnn.report.png import encode


def decode(data: bytes) -> np.ndarray:
    """A reader of its own: chunk by chunk, checksums checked, unfiltered rows only."""
    assert data[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, color, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8
    assert rest == [0, 0, 0]
    channels = {0: 1, 2: 3}[color]
    raw = zlib.decompress(chunks[1][1])
    size = 1 + width * channels
    rows = [raw[y * size : (y + 1) * size] for y in range(height)]
    assert len(raw) == height * size
    assert all(row[0] == 0 for row in rows)
    pixels = np.array([list(row[1:]) for row in rows], np.uint8)
    return pixels if channels == 1 else pixels.reshape(height, width, 3)


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 7), (32, 32, 3), (2, 5, 3)])
def test_pixels_come_back(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(decode(encode(image)), image)


def test_pixels_in_any_memory_order() -> None:
    image = np.arange(35, dtype=np.uint8).reshape(5, 7).T
    assert np.array_equal(decode(encode(image)), image)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros(4, np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_anything_else_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="an image is uint8"):
        encode(image)
