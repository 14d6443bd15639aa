"""Whatever a user can get wrong: one line that names it and says what to do, the right exit code, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from running import MODELS, Ran, contents, leftovers
from small_models import binary

from hwqnn import folder
from hwqnn.build import Built
from hwqnn.errors import InputError
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
        ("wide", ("input of shape (2, 4, 4)", "expects 784 features", "(2, 16)")),
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
    refused(hwqnn, *ask, words=("input of shape (2, 3, 4)", "expects 16 features"))
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
        ("--clock=0", ("a clock of 0 MHz", "at most 388")),
        ("--clock=-5", ("a clock of -5 MHz",)),
        ("--clock=1000", ("a clock of 1000 MHz", "at most 388")),
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
        ("{", ("not readable as JSON",)),
        ("[]", ("the file must be a table {...}, not []",)),
        ('{"layer": {}}', ("the file has an unknown key 'layer'; known here are input, layers",)),
        ('{"input": {"pe": 0}}', ("'input' has an unknown key 'pe'; known here are elements",)),
        ('{"layers": {"hidden.0.0": {"pe": 1, "simd": 1, "stores": "lut"}}}', ("layer 'hidden.0.0' has an unknown key 'stores'", "pe, simd, store")),
        ('{"layers": {"hidden.0.0": {"pe": 1, "simd": 2.5}}}', ("'simd' of layer 'hidden.0.0' must be a whole number, not 2.5",)),
        ('{"layers": {"hidden.0.0": {"pe": true, "simd": 2}}}', ("'pe' of layer 'hidden.0.0' must be a whole number, not true",)),
        ('{"layers": {"hidden.0.0": {"pe": 1, "simd": 2, "store": 1}}}', ("'store' of layer 'hidden.0.0' must be a word, not 1",)),
        ('{"layers": {"fc9": {"pe": 1, "simd": 1}}}', ("no layer 'fc9'", "hidden.0.0")),
        ('{"layers": {"hidden.0.0": {"pe": 3, "simd": 16}}}', ("'hidden.0.0' cannot take pe=3 with simd=16: pe is one of 1, 2, 4, 8",)),
        ('{"layers": {"hidden.0.0": 4}}', ("layer 'hidden.0.0' must be a table {...}, not 4",)),
        ('{"input": {"elements": 5}}', ("input elements 5 do not divide 16",)),
        ('{"input": 5}', ("'input' of the file must be a table {...}, not 5",)),
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
    words = ("10,000,000 frames/s", "does not fit tiny", "it needs at least", "LUT of 6,400", "best reachable rate is about", "--fps")
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


@pytest.mark.parametrize("name", ["notes.txt", ".git", "RTL", "vivado/project.xpr"])
def test_a_build_folder_with_more_in_it_is_left_alone(hwqnn: Run, data: Path, built: Built, name: str) -> None:
    shutil.copytree(built.directory, "mine")
    Path("mine", name).parent.mkdir(exist_ok=True)
    Path("mine", name).write_text("mine")
    entry = Path(name).parts[0]
    refused(hwqnn, BINARY, "--data", data, "-o", "mine", words=(f"mine holds '{entry}', which no build wrote", "move it away", "-o"))


def test_what_a_build_writes_is_known_to_be_its_own(tmp_path: Path) -> None:
    """So that no build refuses to replace another: every option's files."""
    (tmp_path / "out").mkdir()
    for name in ("graph.json", "graph.npz", "graph.txt", "folding.json", "report.json", "report.html", "trace.fst", "rtl", "netlist"):
        (tmp_path / "out" / name).write_text("")
    folder.check(tmp_path / "out")


def test_a_file_that_comes_while_the_build_runs_stays(built: Built, tmp_path: Path) -> None:
    shutil.copytree(built.directory, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds 'late\.txt'"), folder.replacing(tmp_path / "out") as new:
        (new / "graph.json").write_text("new")
        (tmp_path / "out" / "late.txt").write_text("mine")
    assert contents(tmp_path / "out") == {**contents(built.directory), "late.txt": b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_builds_into_one_folder_at_the_same_time(tmp_path: Path) -> None:
    """Four at once, as fast as can be: all end well, one of them stands whole, and nothing of the others is left."""
    names = ("graph.json", "folding.json", "report.json", "report.html")
    target, gate = tmp_path / "out", threading.Barrier(4)

    def write(text: str) -> None:
        gate.wait()
        with folder.replacing(target) as new:
            for name in names:
                (new / name).write_text(text)

    with ThreadPoolExecutor(4) as pool:
        for turn in range(100):
            texts = [f"{turn}.{k}" for k in range(4)]
            list(pool.map(write, texts))
            assert {path.name for path in target.iterdir()} == set(names)
            (standing,) = {path.read_text() for path in target.iterdir()}
            assert standing in texts
            assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("earlier", [False, True])
def test_a_build_that_another_one_overtakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: bool) -> None:
    """The other one takes the place between the two renames of the first, which gives up and leaves nothing of its own."""
    rename, target = Path.rename, tmp_path / "out"
    if earlier:
        target.mkdir()
        for name in ("graph.json", "folding.json", "report.json", "report.html"):
            (target / name).write_text("earlier")

    def overtaken(path: Path, to: Path) -> Path:
        if path.name == "new":
            target.mkdir()
            (target / "graph.json").write_text("other")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", overtaken)
    with (
        pytest.raises(InputError, match=r"cannot put the finished build at .*out \(.*not empty\): does another build write there\?"),
        folder.replacing(target),
    ):
        pass
    assert contents(tmp_path) == {"out": None, "out/graph.json": b"other"}


def test_made_parents_go_with_a_failed_build(hwqnn: Run, models: Path, data: Path) -> None:
    refused(hwqnn, f"{models}:infinite", "--data", data, "-o", "a/b/c", words=("scale",))


@pytest.mark.parametrize("cache", ["file", "/proc/nothing", "file/sub"])
def test_an_unusable_cache(hwqnn: Run, data: Path, monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("HWQNN_CACHE", cache)
    refused(hwqnn, BINARY, "--data", data, words=(f"the cache folder {cache}/", "cannot be used", "set $HWQNN_CACHE to a folder"))


@pytest.mark.parametrize("variable", ["HWQNN_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_commands_that_need_no_cache_run_without(tmp_path: Path, variable: str) -> None:
    """In a process of their own: what is compiled when hwqnn is imported looks for the cache then."""
    (tmp_path / "file").write_text("")
    environment = {key: value for key, value in os.environ.items() if key not in ("HWQNN_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    environment[variable] = str(tmp_path / "file")
    for command, code, words in (("boards", 0, "pynq-z2"), ("doctor", 1, "✗ cache folder")):
        ran = subprocess.run(
            [sys.executable, "-c", "from hwqnn.cli import main; main()", command], env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (code, "")
        assert words in ran.stdout
        if command == "doctor":
            (line,) = (line for line in ran.stdout.splitlines() if line.startswith(words))
            assert str(tmp_path / "file") in line
            assert "set $HWQNN_CACHE" in line


def test_a_kernel_without_a_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"} | {"HWQNN_CACHE": str(tmp_path / "file")}
    program = "from hwqnn.kernel import kernel\n@kernel\ndef double(x): return 2 * x\nprint(double(21))"
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("42\n", "")


@pytest.mark.parametrize("name", ["with blank", "it's", 'a"b', "a$b", "a#b", "a:b", "100%", "a;b"])
def test_a_folder_for_temporary_files_that_make_cannot_use(
    hwqnn: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cold"))
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    refused(hwqnn, BINARY, "--data", data, words=("GNU make cannot build in", name, "set $TMPDIR to a folder without blanks"))
    assert not leftovers(tmp_path / name)


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


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize(("child", "warm"), [("cc1plus", ()), ("worker.py", ("cosim",))], ids=["compiling", "synthesizing"])
def test_interrupts(built: Built, data: Path, tmp_path: Path, child: str, warm: tuple[str, ...], end: signal.Signals, code: int) -> None:
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
    process.send_signal(end)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == code, output
    assert output.strip().splitlines()[-1] == "interrupted; nothing was written"
    assert "Traceback" not in output
    assert not running(marker)
    assert contents(tmp_path / "here") == before
    assert not leftovers(tmp_path / "temp")
