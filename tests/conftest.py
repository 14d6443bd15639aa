"""What the tests of whole builds share: small data, one finished build, and the command line run in this process."""

from __future__ import annotations

import os

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from running import IMAGES, MODELS, Ran, leftovers

from hwqnn import cli
from hwqnn.build import Built, Options, build

torch.set_num_threads(1)
os.environ["PATH"] += os.pathsep + str(Path(sys.executable).parent)  # cocotb's and Verilator's makefiles call `python`


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """uint8 (100, 4, 4). Many pixels are 127 or 128, between which the input's threshold lies."""
    rng = np.random.default_rng(0)
    return np.where(rng.random((IMAGES, 4, 4)) < 0.2, rng.integers(127, 129, (IMAGES, 4, 4)), rng.integers(0, 256, (IMAGES, 4, 4))).astype(np.uint8)


@pytest.fixture(scope="session")
def data(images: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images as an .npz, with labels 0 to 2."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(path, x=images, y=np.arange(IMAGES) % 3)
    return path


@pytest.fixture(scope="session")
def built(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build of the binary model, without synthesis. Not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "out"
    return build(Options(model=f"{MODELS}:binary", data=str(data), synth=False, output=folder, jobs=2))


@pytest.fixture
def hwqnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """Runs the command in this process, in an empty folder that is also the current one; temporary files must all be gone afterwards."""
    (tmp_path / "temp").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["hwqnn", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        assert not leftovers(tmp_path / "temp")
        return Ran(int(end.value.code or 0), printed.out, printed.err)

    return run
