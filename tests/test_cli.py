"""The command line: what it prints, its exit codes, its options, and that the same command gives the same files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from running import IMAGES, MODELS, Ran, contents

import hwqnn as package
from hwqnn import doctor
from hwqnn.build import STAGES
from hwqnn.doctor import Finding
from hwqnn.paths import BOARDS

Run = Callable[..., Ran]
SCHEMA = json.loads((Path(package.__file__).parent / "report" / "schema.json").read_text())
BINARY, MIXED = f"{MODELS}:binary", f"{MODELS}:mixed"


@pytest.fixture
def quick(hwqnn: Run, data: Path) -> Run:
    """`hwqnn build` on the small data, without synthesis, into `out`; it passes."""

    def run(model: str, *options: object, output: str = "out") -> Ran:
        ran = hwqnn("build", model, "--data", data, "--no-synth", "--jobs", 2, "-o", output, *options)
        assert ran.code == 0, ran
        return ran

    return run


def report(folder: str = "out") -> dict:
    return json.loads(Path(folder, "report.json").read_text())


def test_help_names_every_option_and_command(hwqnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert hwqnn().code == 2
    top = hwqnn("--help")
    assert top.code == 0
    for command in ("build", "doctor", "boards"):
        assert command in top.out
    text = hwqnn("build", "--help").out
    for option in (
        "--board", "--weights", "--data", "--input-scale", "--images", "--fps", "--clock", "--fold", "--no-synth", "--output", "--seed", "--json",
        "--trace", "--head", "--input", "--jobs",
    ):  # fmt: skip
        assert option in text
    assert hwqnn("biuld").code == 2


def test_stages_checks_and_figures_are_printed(quick: Run) -> None:
    ran = quick(BINARY)
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines[: len(STAGES)]] == list(STAGES)
    assert sum(line.startswith("✓") for line in lines) == len(STAGES) + len(report()["verdict"]["checks"])
    assert lines[-1] == "PASS out/report.html"
    assert f"RTL {report()['accuracy']['rtl']:.2%} ({IMAGES} images)" in ran.out
    assert ran.err == ""


def test_json_is_all_of_stdout(quick: Run) -> None:
    ran = quick(BINARY, "--json")
    assert ran.out == Path("out/report.json").read_text()
    jsonschema.validate(json.loads(ran.out), SCHEMA)
    assert "PASS" in ran.err


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [("--fold=none.json", 2, "none.json"), ("--fps=2e8", 1, "more than one frame a clock cycle"), ("--input-scale=x", 2, "--input-scale 'x'")],
)
def test_json_of_a_build_that_ends_in_an_error(hwqnn: Run, data: Path, option: str, code: int, words: str) -> None:
    ran = hwqnn("build", BINARY, "--data", data, "--no-synth", "--json", option)
    assert ran.code == code
    verdict = json.loads(ran.out)["verdict"]
    assert verdict["passed"] is False
    assert words in verdict["error"]
    assert ran.err.strip().splitlines()[-1] == f"error: {verdict['error']}"


def test_a_tool_that_fails_is_in_the_json(hwqnn: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cold"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    ran = hwqnn("build", BINARY, "--data", data, "--no-synth", "--json")
    assert ran.code == 2
    assert "$CXX names 'no-such-compiler'" in json.loads(ran.out)["verdict"]["error"]


def test_the_clock_is_called_a_target(quick: Run) -> None:
    ran = quick(BINARY, "--fps", 1e6)
    (check,) = (line for line in ran.out.splitlines() if "It reaches the asked rate" in line)
    assert "nothing is placed or routed" in check
    assert "clock      100 MHz is a target, not placed or routed" in ran.out.splitlines()
    assert report()["expected_clock"] is None


def test_a_board_without_block_ram_and_dsps(quick: Run, tmp_path: Path) -> None:
    text = (BOARDS / "zynq7020.toml").read_text().replace("bram36 = 140", "bram36 = 0").replace("dsp = 220", "dsp = 0")
    (tmp_path / "bare.toml").write_text(text)
    quick(BINARY, "--board", tmp_path / "bare.toml")
    found = report()
    assert (found["capacity"]["bram36"], found["capacity"]["dsp"]) == (0, 0)
    assert (found["utilization"]["bram36"], found["utilization"]["dsp"]) == (0, 0)
    jsonschema.validate(found, SCHEMA)


def test_images(quick: Run) -> None:
    quick(BINARY, "--images", 7)
    assert report()["accuracy"]["rtl_images"] == 7
    assert report()["accuracy"]["images"] == IMAGES
    quick(BINARY, "--images", 1)
    assert report()["accuracy"]["rtl_images"] == 1
    quick(BINARY, "--images", 10**6)
    assert report()["accuracy"]["rtl_images"] == IMAGES


def test_rate_and_clock(quick: Run) -> None:
    quick(MIXED, "--fps", 5e6, "--clock", 125)
    found = report()
    assert found["clock_mhz"] == 125
    assert found["performance"]["fps"] >= 5e6
    assert found["performance"]["fps"] == pytest.approx(125e6 / found["performance"]["interval_cycles"])
    assert "It reaches the asked rate" in [check["name"] for check in found["verdict"]["checks"]]
    assert found["options"]["fps"] == 5e6


def test_a_fold_file_reproduces_the_design(quick: Run) -> None:
    quick(MIXED, "--fps", 5e6, output="first")
    quick(MIXED, "--fold", "first/folding.json", output="again")
    assert contents(Path("again/rtl")) == contents(Path("first/rtl"))
    assert Path("again/folding.json").read_text() == Path("first/folding.json").read_text()
    quick(MIXED, output="free")
    assert contents(Path("free/rtl")) != contents(Path("first/rtl"))


def test_a_fold_file_pins_what_it_names(quick: Run) -> None:
    Path("fold.json").write_text('{"layers": {"hidden.0.0": {"pe": 4, "simd": 8}}}')
    quick(BINARY, "--fold", "fold.json")
    layer = next(row for row in report()["layers"] if row["name"] == "hidden.0.0")
    assert (layer["pe"], layer["simd"], layer["cycles"]) == (4, 8, 16 * 8 // 32)


def test_scores_give_the_same_labels(quick: Run) -> None:
    quick(MIXED, output="labels")
    quick(MIXED, "--head", "scores", output="scores")
    assert report("scores")["confusion"] == report("labels")["confusion"]
    assert report("scores")["accuracy"]["rtl"] == report("labels")["accuracy"]["rtl"]
    assert report("scores")["layers"][-1]["op"] == "mvu"


def test_codes_enter_the_accelerator(quick: Run) -> None:
    quick(BINARY, "--input", "codes")
    assert report()["input"] == "codes of the input quantizer"
    assert [row["name"] for row in report()["layers"]] == ["hidden.0.0", "hidden.1.0", "output", "argmax"]
    quick(BINARY, output="raw")
    assert report("raw")["confusion"] == report()["confusion"]
    assert report("raw")["input"] == "raw values"


def unpacked_hierarchy(fst: bytes) -> bytes:
    """The names in an FST file: its block of type 6, which is a 64-bit length and an LZ4 block (of literals only, as ours are)."""
    place = 0
    while fst[place] != 6:
        place += 1 + int.from_bytes(fst[place + 1 : place + 9])  # a block's length counts itself
    end = place + 1 + int.from_bytes(fst[place + 1 : place + 9])
    size = int.from_bytes(fst[place + 9 : place + 17])
    place += 17
    length = fst[place] >> 4
    place += 1
    if length == 15:
        while fst[place] == 255:
            length, place = length + 255, place + 1
        length, place = length + fst[place], place + 1
    assert (length, place + length) == (size, end)
    return fst[place:end]


def test_trace_writes_a_waveform(quick: Run) -> None:
    quick(BINARY, "--trace", "--images", 3)
    hierarchy = unpacked_hierarchy(Path("out/trace.fst").read_bytes())
    for name in (b"binary", b"output_mvu_tdata", b"aclk", b"m_axis_tvalid"):
        assert name in hierarchy


def test_input_scale(quick: Run, images: np.ndarray) -> None:
    """Half the scale and twice the values are the same network and data."""
    np.savez("double.npz", x=images.astype(np.int32) * 2, y=np.arange(IMAGES) % 3)
    quick(BINARY, "--data", "double.npz", "--input-scale", "1/510", output="double")
    quick(BINARY, output="single")
    assert report("double")["confusion"] == report("single")["confusion"]


def test_weights_change_the_network(quick: Run, tmp_path: Path) -> None:
    import torch
    from small_models import binary

    state = binary().state_dict()
    state["output.weight"] = -state["output.weight"]
    torch.save(state, tmp_path / "w.pt")
    fold = tmp_path / "fold.json"  # a ROM of its own, so that the weights are in a file
    fold.write_text(json.dumps({"layers": {"output": {"store": "lut"}}}))
    quick(BINARY, "--weights", tmp_path / "w.pt", "--fold", fold, output="other")
    quick(BINARY, "--fold", fold, output="own")
    own, other = contents(Path("own/rtl")), contents(Path("other/rtl"))
    assert [name for name in own if own[name] != other[name]] == ["binary_output_mvu_weight.mem"]


def test_the_seed_makes_the_random_weights(quick: Run, tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("from hwqnn.zoo.mlp import BinaryMlp\ndef make(): return BinaryMlp(16, 8, 8, 4)\n")
    model = f"{tmp_path}/random.py:make"
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        quick(model, "--seed", seed, output=folder)
    assert contents(Path("a/rtl")) == contents(Path("b/rtl")) != contents(Path("c/rtl"))


def test_the_same_command_gives_the_same_files(data: Path, tmp_path: Path) -> None:
    """In two processes with different hash seeds, at different times, with different numbers of jobs."""
    runs = []
    for name, seed in (("a", "1"), ("b", "424242")):
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", "from hwqnn.cli import main; main()", "build", MIXED, "--data", str(data), "--no-synth", "-o", "out"]
        runs.append(subprocess.Popen(command, cwd=tmp_path / name, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE))
    for run in runs:
        assert run.wait(60) == 0, run.stdout.read()
        run.stdout.close()
    first, second = contents(tmp_path / "a/out"), contents(tmp_path / "b/out")
    reports = [json.loads(files.pop("report.json")) for files in (first, second)]
    for files in (first, second):
        del files["report.html"]  # it shows the seconds
    assert first == second
    assert reports[0].pop("seconds").keys() == reports[1].pop("seconds").keys()
    assert reports[0] == reports[1]


def test_synthesis_replaces_the_estimates(hwqnn: Run, data: Path) -> None:
    ran = hwqnn("build", BINARY, "--data", data, "--jobs", 2)
    assert ran.code == 0, ran
    found = report("build/binary-zynq7020")
    assert found["resources"]["source"].startswith("yosys ")
    assert found["resources"]["lut"] == sum(row["lut"] for row in found["layers"]) > 50
    assert found["resources"]["ff"] > 0
    assert "yosys" in ran.out


def test_a_board_that_synthesis_overflows(hwqnn: Run, data: Path, tmp_path: Path) -> None:
    """The estimate fits, the netlist does not: a failed check with its report, not an error."""
    rate = ("--fps", 2e7, "--clock", 250)  # at which some estimate is too low
    assert hwqnn("build", BINARY, "--data", data, *rate, "--jobs", 2, "-o", "roomy").code == 0
    counted = report("roomy")["resources"]
    kind = next(kind for kind in ("ff", "lut", "carry4") if counted["estimate"][kind] <= counted[kind] - 1)
    text = re.sub(rf"^{kind} = \d+", f"{kind} = {counted[kind] - 1}", (BOARDS / "zynq7020.toml").read_text(), flags=re.MULTILINE)
    (tmp_path / "tiny.toml").write_text(text.replace('"zynq7020"', '"tiny"'))
    options = ("--board", tmp_path / "tiny.toml", "--fold", "roomy/folding.json", "--max-utilization", 1)
    ran = hwqnn("build", BINARY, "--data", data, *rate, *options, "--jobs", 2)
    assert ran.code == 1, ran
    found = report("build/binary-tiny")
    failed = [check for check in found["verdict"]["checks"] if not check["passed"]]
    assert [check["name"] for check in failed] == ["It fits tiny"]
    assert failed[0]["detail"].endswith(f" {counted[kind]} of {counted[kind] - 1} (1 too many)")
    assert "FAIL" in ran.out


def test_boards(hwqnn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    ran = hwqnn("boards")
    assert ran.code == 0
    for name in ("zynq7020", "pynq-z1", "pynq-z2", "zedboard"):
        (line,) = (line for line in ran.out.splitlines() if line.split()[0] == name)
        assert "xc7z020" in line
        assert "53,200" in line


@pytest.mark.parametrize(("required", "code", "mark"), [(True, 1, "✗"), (False, 0, "-")])
def test_doctor_fails_only_for_what_a_build_needs(hwqnn: Run, monkeypatch: pytest.MonkeyPatch, required: bool, code: int, mark: str) -> None:
    findings = [Finding("Python", True, "3.11", "", True), Finding("npm", False, "not on PATH", "install it", required)]
    monkeypatch.setattr(doctor, "check", lambda: findings)
    ran = hwqnn("doctor")
    assert ran.code == code
    good, bad = ran.out.splitlines()
    assert good.split() == ["✓", "Python", "3.11"]
    assert bad.startswith(f"{mark} npm")
    assert bad.endswith("install it")
    assert ("optional" in bad) != required


def test_doctor_on_this_machine(hwqnn: Run) -> None:
    ran = hwqnn("doctor")
    assert ran.code == 0, ran
    for name in ("C++ compiler", "Verilator", "yosys", "cache folder"):
        assert f"✓ {name}" in ran.out
