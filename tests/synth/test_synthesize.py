"""The driver around yosys: cache, failures, limits, and children that end with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hwqnn.errors import ToolError
from hwqnn.resources import Resources
from hwqnn.synth import Unit, netlists, synthesize
from hwqnn.synth.unit import read

# As written its word a is a: two wires, no cell. Other contents take LUTs.
ROM = """module rom(input logic [1:0] a, output logic [1:0] y);
  logic [1:0] m [4];
  initial $readmemh("rom.hex", m);
  assign y = m[a];
endmodule
"""
ENDLESS = "module endless(input logic [8191:0] a, b, output logic [15:0] y); assign y = $countones(a ^ b); endmodule"


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rom.sv").write_text(ROM)
    (tmp_path / "rom.hex").write_text("0\n1\n2\n3\n")
    return Unit('layer "1"; <shell>', "rom", (Path("rom.sv"),), tmp_path, (Path("rom.hex"),))


def run(*units: Unit, timeout_s: float = 60, seen: list[str] | None = None) -> dict[str, Resources]:
    return synthesize(units, jobs=2, timeout_s=timeout_s, progress=None if seen is None else lambda name, _: seen.append(name))


def forbid_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def test_second_call_starts_no_process(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(unit)
    forbid_processes(monkeypatch)
    seen: list[str] = []
    assert run(unit, seen=seen) == first == {unit.name: Resources()}
    assert seen == [unit.name]
    # Same contents under another name and in another place.
    other = tmp_path / "other"
    other.mkdir()
    for file in ("rom.sv", "rom.hex"):
        (other / file).write_bytes((tmp_path / file).read_bytes())
    assert run(Unit("moved", "rom", (other / "rom.sv",), Path("/"), (other / "rom.hex",))) == {"moved": Resources()}


@pytest.mark.parametrize(("file", "old", "new", "cells"), [("rom.hex", "3", "0", Resources(lut=2)), ("rom.sv", "m[a];", "~m[a];", Resources(lut=2))])
def test_changed_contents_are_synthesized_again(unit: Unit, tmp_path: Path, file: str, old: str, new: str, cells: Resources) -> None:
    before = run(unit)[unit.name]
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new))
    after = run(unit)[unit.name]
    assert before == Resources()
    assert after == cells


def test_version_and_flags_are_part_of_the_key(unit: Unit) -> None:
    contents = read(unit)
    assert len({contents.key("0.70", "flags"), contents.key("0.71", "flags"), contents.key("0.70", "other"), contents.key("0.7", "0flags")}) == 4


def test_damaged_cache_entry_is_replaced(unit: Unit, tmp_path: Path) -> None:
    first = run(unit)
    (entry,) = (tmp_path / "cache" / "synth").iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:5], whole[:-9], b"", b"no gzip"):
        entry.write_bytes(damaged)
        assert run(unit) == first
        assert entry.read_bytes() == whole


def test_the_netlist_is_kept_with_the_counts(unit: Unit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rom.hex").write_text("0\n1\n2\n0\n")
    assert run(unit) == {unit.name: Resources(lut=2)}
    forbid_processes(monkeypatch)
    found = netlists([unit], jobs=1, timeout_s=60)[unit.name]
    assert found.cells == {"LUT2": 2}
    assert re.findall(r"^module (\w+)\(", found.verilog, re.M) == ["rom"]
    assert sorted(re.findall(r"LUT2 #\(\s*\.INIT\(4'h(\w)\)", found.verilog)) in (["2", "2"], ["2", "4"], ["4", "4"])  # a AND NOT b, twice


def test_identical_units_are_synthesized_once(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    original = subprocess.Popen

    class Counting(original):  # type: ignore[type-arg, misc]
        def __init__(self, *args: object, **kwargs: object) -> None:
            started.append(args)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Counting)
    seen: list[str] = []
    twin = Unit("twin", unit.top, unit.sources, unit.directory, unit.data)
    result = run(unit, twin, seen=seen)
    assert list(result) == [unit.name, "twin"]
    assert result["twin"] == result[unit.name]
    assert sorted(seen) == sorted([unit.name, "twin"])
    assert len(started) == 1


def test_a_broken_design_names_the_block_and_the_line(unit: Unit, tmp_path: Path) -> None:
    (tmp_path / "rom.sv").write_text(ROM.replace("logic [1:0] m [4];", "logic [1:0] m [4]"))
    with pytest.raises(ToolError, match=r"layer \"1\"; <shell>.*rom\.sv:3: ERROR: syntax error"):
        run(unit)
    assert not any((tmp_path / "cache" / "synth").iterdir())


def test_only_declared_files_are_visible(unit: Unit) -> None:
    with pytest.raises(ToolError, match=r"ERROR.*rom\.hex"):
        run(Unit(unit.name, unit.top, unit.sources, unit.directory, ()))


@pytest.mark.parametrize("top", ["rom; shell", "rom rom", "", "1rom", 'rom"'])
def test_unsafe_module_names_are_refused(unit: Unit, top: str) -> None:
    with pytest.raises(ToolError, match="module name"):
        run(Unit(unit.name, top, unit.sources, unit.directory, unit.data))


def test_unsafe_file_names_are_refused(unit: Unit, tmp_path: Path) -> None:
    (tmp_path / "rom.sv; shell.sv").write_text(ROM)
    with pytest.raises(ToolError, match="file name"):
        run(Unit(unit.name, "rom", (Path("rom.sv; shell.sv"),), tmp_path, unit.data))


def test_a_missing_file_is_named(unit: Unit) -> None:
    with pytest.raises(ToolError, match=r"cannot read absent\.sv"):
        run(Unit(unit.name, "rom", (Path("absent.sv"),), unit.directory, unit.data))


def test_a_time_limit_ends_the_child(unit: Unit, tmp_path: Path) -> None:
    (tmp_path / "endless.sv").write_text(ENDLESS)
    start = time.monotonic()
    with pytest.raises(ToolError, match=r"'slow'.*past 1 s"):
        run(Unit("slow", "endless", (Path("endless.sv"),), tmp_path), timeout_s=1)
    assert time.monotonic() - start < 10


def test_missing_yosys_says_what_to_install(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.delitem(sys.modules, "pyosys", raising=False)  # other tests import it
    with pytest.raises(ToolError, match="pip install pyosys"):
        run(unit)


def test_ctrl_c_ends_the_children(unit: Unit, tmp_path: Path) -> None:
    (tmp_path / "endless.sv").write_text(ENDLESS)
    script = (
        "from pathlib import Path; from hwqnn.synth import Unit, synthesize\n"
        f"synthesize([Unit('slow', 'endless', (Path('endless.sv'),), Path({str(tmp_path)!r}))], jobs=1, timeout_s=300)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # its temporary folder tells us its children
    parent = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: children_in(tmp_path))
        parent.send_signal(signal.SIGINT)
        _, errors = parent.communicate(timeout=20)
    finally:
        parent.kill()
    assert "KeyboardInterrupt" in errors
    assert not children_in(tmp_path)
    assert not list(tmp_path.glob("hwqnn-synth-*"))


def test_ctrl_c_while_the_children_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It comes when the first runs, and the second is not yet asked for."""
    for name in ("endless", "other"):
        (tmp_path / f"{name}.sv").write_text(ENDLESS + f"// {name}\n")

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *args: Any, **options: Any) -> Any:
            if children_in(tmp_path):
                raise KeyboardInterrupt
            started = super().submit(*args, **options)
            wait_for(lambda: children_in(tmp_path))
            return started

    monkeypatch.setattr("hwqnn.synth.run.ThreadPoolExecutor", Interrupted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    slow = [Unit(name, "endless", (Path(f"{name}.sv"),), tmp_path) for name in ("endless", "other")]
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        synthesize(slow, jobs=2, timeout_s=40)
    assert not children_in(tmp_path) and time.monotonic() - start < 20


def children_in(folder: Path) -> list[int]:
    """The processes whose current folder is a synthesis folder inside `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder) and "worker.py" in (process / "cmdline").read_text():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_for(condition: object, seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.05)
