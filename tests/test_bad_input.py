"""Whatever a user can get wrong: one line that names it and says what to do, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MODELS, Ran, contents, leftovers
from small_models import binary

from hwqnn.build import Built
from hwqnn.paths import BOARDS, cache_dir

Run = Callable[..., Ran]
BINARY = f"{MODELS}:binary"

USER_MODELS = """
import brevitas.nn as qnn
import torch
from torch import nn
from small_models import BinaryMlp

def number(): return 3
def infinite():
    return nn.Sequential(nn.Flatten(), qnn.QuantIdentity(bit_width=4), qnn.QuantLinear(16, 4, bias=False, weight_bit_width=1))
def float_layer():
    net = BinaryMlp(16, 8, 4)
    net.hidden[0][0] = nn.Linear(16, 8)
    return net
def wide(): return BinaryMlp(784, 8, 4)
def big():
    torch.manual_seed(0)
    return BinaryMlp(16, 256, 256, 4)
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "user.py"
    path.write_text(USER_MODELS)
    return path


def refused(hwqnn: Run, *arguments: object, words: tuple[str, ...], code: int = 2) -> None:
    """The command ends with `code` and one line that holds the words, and leaves no file or folder behind."""
    before = contents(Path.cwd())
    ran = hwqnn("build", *arguments, "--no-synth")
    assert ran.code == code, ran
    (line,) = ran.err.strip().splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line, line
    assert contents(Path.cwd()) == before


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("number", ("number", "returns a int, not a torch.nn.Module")),
        ("nomber", ("no factory 'nomber'", "it has number")),
        ("infinite", ("layer '2' (QuantLinear)", "scale")),
        ("float_layer", ("layer 'hidden.0.0' (Linear)", "QuantLinear")),
        ("wide", ("input of shape (1, 4, 4)", "expects 784 features", "(1, 16)")),
    ],
)
def test_models(hwqnn: Run, models: Path, data: Path, factory: str, words: tuple[str, ...]) -> None:
    refused(hwqnn, f"{models}:{factory}", "--data", data, words=words)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("tfc-w1a2", ("no built-in model 'tfc-w1a2'", "did you mean 'tfc-w1a1'?")),
        ("none.py:make", ("none.py does not exist",)),
        ("../../x", ("no built-in model '../../x'", "tfc-w1a1")),
    ],
)
def test_unknown_models(hwqnn: Run, data: Path, model: str, words: tuple[str, ...]) -> None:
    refused(hwqnn, model, "--data", data, words=words)


def test_a_built_in_model_takes_no_weights(hwqnn: Run, tmp_path: Path) -> None:
    refused(hwqnn, "tfc-w1a1", "--weights", tmp_path / "w.pt", words=("'tfc-w1a1' carries its own weights", "path/to/model.py:factory"))


def test_weights(hwqnn: Run, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    ask = (BINARY, "--data", data, "--weights", path)
    refused(hwqnn, *ask, words=("w.pt does not exist",))
    path.write_bytes(b"not weights")
    refused(hwqnn, *ask, words=("w.pt cannot be loaded", "torch.save"))
    state = binary().state_dict()
    torch.save({**state, "output.weight": torch.zeros(5, 8)}, path)
    refused(hwqnn, *ask, words=("do not fit the model", "output.weight is (5, 8), the model has (4, 8)"))
    torch.save({key: value for key, value in state.items() if key != "output.weight"}, path)
    refused(hwqnn, *ask, words=("do not fit the model", "missing output.weight"))
    for bad in ("nan", "inf", "-inf"):
        weight = state["output.weight"].clone()
        weight[1, 2] = float(bad)
        torch.save({**state, "output.weight": weight}, path)
        refused(hwqnn, *ask, words=("'output.weight' has 1 of 32 values that are NaN or infinite", "load sound weights"))


def test_data(hwqnn: Run, images: np.ndarray, tmp_path: Path) -> None:
    refused(hwqnn, BINARY, words=("which data to run", "--data"))
    refused(hwqnn, BINARY, "--data", "mnits", words=("data 'mnits'", "did you mean 'mnist'?"))
    refused(hwqnn, BINARY, "--data", tmp_path / "none.npz", words=("none.npz", "no such file"))
    path = tmp_path / "bad.npz"
    ask = (BINARY, "--data", path)
    path.write_bytes(b"PK not really")
    refused(hwqnn, *ask, words=("bad.npz", "cannot be read"))
    np.savez(path, x=images[:0], y=np.arange(0))
    refused(hwqnn, *ask, words=("data 'bad' is empty",))
    np.savez(path, x=images, y=np.arange(99))
    refused(hwqnn, *ask, words=("100 items but 99 labels",))
    np.savez(path, x=images[:, :3], y=np.zeros(100, dtype=np.int64))
    refused(hwqnn, *ask, words=("input of shape (1, 3, 4)", "expects 16 features"))
    np.savez(path, x=images, y=np.full(100, 10**12))
    refused(hwqnn, *ask, words=("label 1000000000000", "only 4 classes"))
    np.savez(path, x=images.astype(np.int16), y=np.zeros(100, dtype=np.int64))
    refused(hwqnn, *ask, words=("x is int16", "input scale"))


@pytest.mark.parametrize("scale", ["0", "-1/255", "one", "1/0", "nan", "inf", "1e400", "1e-400"])
def test_input_scales(hwqnn: Run, data: Path, scale: str) -> None:
    refused(hwqnn, BINARY, "--data", data, f"--input-scale={scale}", words=("--input-scale", scale))


def test_an_input_scale_that_the_data_does_not_have(hwqnn: Run, images: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", x=images / np.float32(255), y=np.zeros(100, dtype=np.int64))
    refused(hwqnn, BINARY, "--data", tmp_path / "real.npz", "--input-scale=1/100", words=("no whole multiple of the input scale 1/100",))


@pytest.mark.parametrize(
    "option", ["--images=0", "--images=x", "--jobs=0", "--seed=-1", f"--seed={2**64}", "--head=both", "--input=dma", "--fps=many"]
)
def test_options_out_of_range(hwqnn: Run, option: str) -> None:
    ran = hwqnn("build", option)
    assert ran.code == 2
    assert option.partition("=")[0] in ran.err
    assert "Traceback" not in ran.err
    assert not contents(Path.cwd())


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--clock=0", ("a clock of 0 MHz", "at most 250")),
        ("--clock=-5", ("a clock of -5 MHz",)),
        ("--clock=1000", ("a clock of 1000 MHz", "at most 250")),
        ("--clock=nan", ("a clock of nan MHz",)),
        ("--fps=0", ("a rate of 0 frames/s", "above 0")),
        ("--fps=nan", ("a rate of nan frames/s",)),
        ("--fps=inf", ("a rate of inf frames/s",)),
    ],
)
def test_clocks_and_rates(hwqnn: Run, data: Path, option: str, words: tuple[str, ...]) -> None:
    refused(hwqnn, BINARY, "--data", data, option, words=words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ("not readable", "'layers'")),
        ("[]", ("not readable",)),
        ('{"layers": {"fc9": {"pe": 1, "simd": 1}}}', ("no layer 'fc9'", "hidden.0.0")),
        ('{"layers": {"hidden.0.0": {"pe": 3, "simd": 16}}}', ("'hidden.0.0' cannot take pe=3, simd=16", "[1, 2, 4, 8]")),
        ('{"layers": {"hidden.0.0": {"pe": 1}}}', ("not readable", "simd")),
        ('{"layers": {"hidden.0.0": 4}}', ("not readable",)),
        ('{"input": {"elements": 5}}', ("input elements 5 do not divide 16",)),
        ('{"input": 5}', ("not readable",)),
    ],
)
def test_fold_files(hwqnn: Run, data: Path, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "fold.json"
    path.write_text(text)
    refused(hwqnn, BINARY, "--data", data, "--fold", path, words=("fold.json", *words))


def test_a_missing_fold_file(hwqnn: Run, data: Path, tmp_path: Path) -> None:
    refused(hwqnn, BINARY, "--data", data, "--fold", tmp_path / "none.json", words=("none.json", "No such file"))


def test_an_unknown_board(hwqnn: Run) -> None:
    refused(hwqnn, "--board", "zynq7021", words=("unknown board 'zynq7021'", "did you mean 'zynq7020'?"))
    refused(hwqnn, "--board", "none.toml", words=("cannot read board file none.toml",))


def small_board(folder: Path, lut: int) -> Path:
    path = folder / "tiny.toml"
    path.write_text((BOARDS / "zynq7020.toml").read_text().replace("lut = 53200", f"lut = {lut}").replace('"zynq7020"', '"tiny"'))
    return path


def test_a_board_too_small(hwqnn: Run, data: Path, models: Path, tmp_path: Path) -> None:
    ask = (f"{models}:big", "--data", data, "--board", small_board(tmp_path, 50))
    refused(hwqnn, *ask, words=("does not fit tiny", "LUT", "choose a larger board"), code=1)


def test_a_rate_too_high_for_the_board(hwqnn: Run, data: Path, models: Path, tmp_path: Path) -> None:
    ask = (f"{models}:big", "--data", data, "--board", small_board(tmp_path, 8000))
    words = ("10,000,000 frames/s", "does not fit tiny", "LUT (estimate) of 8,000", "too many", "best reachable rate is about", "--fps")
    refused(hwqnn, *ask, "--fps=1e7", words=words, code=1)


def test_a_rate_that_no_accelerator_reaches(hwqnn: Run, data: Path) -> None:
    refused(hwqnn, BINARY, "--data", data, "--fps=2e8", words=("200,000,000 frames/s", "more than one frame a clock cycle"), code=1)


def test_a_rate_that_the_fold_file_forbids(hwqnn: Run, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "fold.json"
    path.write_text('{"layers": {"hidden.0.0": {"pe": 1, "simd": 1}}}')
    words = ("faster than any folding", "fold file allows", "best reachable rate is about 781,250")
    refused(hwqnn, BINARY, "--data", data, "--fps=1e6", "--fold", path, words=words, code=1)


def test_an_unwritable_output_folder(hwqnn: Run, data: Path) -> None:
    Path("file").write_text("")
    for output in ("file/sub", "file/sub/deeper", "x" * 300):
        refused(hwqnn, BINARY, "--data", data, "-o", output, words=("cannot write to", "choose another folder with -o"))


@pytest.mark.parametrize("name", ["notes.txt", "report.json"])
def test_a_foreign_output_folder_is_left_alone(hwqnn: Run, data: Path, name: str) -> None:
    Path("mine").mkdir()
    Path("mine", name).write_text("mine")
    for output in ("mine", f"mine/{name}", "."):
        refused(hwqnn, BINARY, "--data", data, "-o", output, words=(f"{Path(output)} exists and is not the folder of an earlier build", "-o"))


def test_made_parents_go_with_a_failed_build(hwqnn: Run, models: Path, data: Path) -> None:
    refused(hwqnn, f"{models}:infinite", "--data", data, "-o", "a/b/c", words=("scale",))


def test_a_missing_compiler(hwqnn: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cold"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    refused(hwqnn, BINARY, "--data", data, words=("$CXX names 'no-such-compiler'", "unset it"))
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(hwqnn, BINARY, "--data", data, words=("no C++ compiler found", "apt-get install g++"))
    (tmp_path / "g++").symlink_to("/bin/false")
    refused(hwqnn, BINARY, "--data", data, words=("make is missing", "hwqnn doctor"))


def test_a_compiler_that_fails(hwqnn: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cold"))
    (tmp_path / "g++").write_text("#!/bin/sh\necho 'x.cpp:1: fatal error: out of patience' >&2; exit 1\n")
    (tmp_path / "g++").chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "g++"))
    refused(hwqnn, BINARY, "--data", data, words=("the C++ compiler failed", "out of patience"))
    assert not list((tmp_path / "cold" / "cosim").iterdir())


def running(marker: str) -> dict[int, str]:
    """Processes that have `marker` in their environment: process number and command line."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it is gone, or not ours
            continue
    return found


@pytest.mark.parametrize(("child", "warm"), [("cc1plus", ()), ("worker.py", ("cosim",))], ids=["compiling", "synthesizing"])
def test_ctrl_c(built: Built, data: Path, tmp_path: Path, child: str, warm: tuple[str, ...]) -> None:
    """While the compiler runs, or yosys: the earlier build stays, nothing else does, and no process goes on."""
    shutil.copytree(built.directory, tmp_path / "here" / "out")
    (tmp_path / "temp").mkdir()
    (tmp_path / "cache").mkdir()
    for kind in warm:
        (tmp_path / "cache" / kind).symlink_to(cache_dir(kind))
    before = contents(tmp_path / "here")
    marker = f"HWQNN_CACHE={tmp_path / 'cache'}"
    environment = {**os.environ, "HWQNN_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "temp")}
    command = [sys.executable, "-c", "from hwqnn.cli import main; main()", "build", BINARY, "--data", str(data), "-o", "out"]
    process = subprocess.Popen(command, cwd=tmp_path / "here", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not any(child in line for line in running(marker).values()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130, output
    assert output.strip().splitlines()[-1] == "interrupted; nothing was written"
    assert "Traceback" not in output
    assert not running(marker)
    assert contents(tmp_path / "here") == before
    assert not leftovers(tmp_path / "temp")
