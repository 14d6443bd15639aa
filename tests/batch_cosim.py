"""Several accelerators compiled into one simulator: for small designs and short runs, what takes time is the C++ compiler on Verilator's headers.

Each design is verilated under a class name of its own; one C++ file includes all of them, and the harness (`sim/harness.cpp`, its very text) once
for each, in a namespace of its own, without the table of nets: nobody asks for their activity. The one executable looks at the name that it is
called by.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hwqnn import synth
from hwqnn.cosim import Simulator
from hwqnn.cosim.build import probe_header
from hwqnn.emit import Emitted
from hwqnn.paths import SIM
from hwqnn.tools import cxx_compiler, verilator_binary, verilator_environment, verilator_root

INCLUDE = re.compile(r"^ *#include .*\n", re.MULTILINE)
VERILATE = ("--cc", "-O3", "--x-assign", "unique", "--x-initial", "unique", "--no-timing", "--assert", "-Wall", "-Wno-fatal", "-Werror-USERFATAL")
COMPILE = ("-std=c++17", "-O0", "-w", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0", "-DVM_TRACE_FST=0")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


def build(designs: Sequence[Emitted], folder: Path, runtime: Path) -> list[Simulator]:
    """One simulator for each design, all of them the same program.

    Args:
        folder: empty or missing; the designs' own are elsewhere.
        runtime: a folder that keeps Verilator's compiled runtime for the next batch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [verilate(emitted, f"V{k}", folder / f"V{k}") for k, emitted in enumerate(designs)]
    source = folder / "batch.cpp"
    source.write_text(program(designs, parts))
    objects = [compiled(name, runtime) for name in RUNTIME]
    binary = folder / "batch"
    run([cxx_compiler(), *COMPILE, *includes(), f"-I{folder}", str(source), *map(str, objects), "-o", str(binary), "-pthread"])
    simulators = []
    for k in range(len(designs)):
        link = folder / f"run_V{k}"
        link.symlink_to(binary)
        simulators.append(Simulator(link, cached=False))
    return simulators


def verilate(emitted: Emitted, prefix: str, folder: Path) -> Path:
    """Verilator's C++ for one design, in `folder`."""
    folder.mkdir()
    primitives = folder / "primitives.v"
    primitives.write_text(synth.models(synth.primitives([p.read_text() for p in emitted.sources])))
    sources = [str(primitives), *(str(p.resolve()) for p in emitted.sources)]
    run([str(verilator_binary()), *VERILATE, "--prefix", prefix, "--top-module", emitted.top, "--Mdir", str(folder), *sources])
    return folder


def program(designs: Sequence[Emitted], folders: Sequence[Path]) -> str:
    harness = (SIM / "harness.cpp").read_text()
    body = INCLUDE.sub("", harness).replace("int main(", "int run(")
    assert "int run(" in body
    standard = [line for line in INCLUDE.findall(harness) if "<" in line]
    lines = [*standard, '#include "verilated.h"\n']
    for folder in folders:
        lines += ["#undef VL_PCH_INCLUDED\n", *(f'#include "{folder.name}/{path.name}"\n' for path in sorted(folder.glob("*.cpp")))]
    for emitted, folder in zip(designs, folders, strict=True):
        text = (INCLUDE.sub("", probe_header(emitted)) + body).replace("Vtop", folder.name)
        macros = re.findall(r"#define (\w+)", probe_header(emitted))
        lines += [f"namespace run_{folder.name} {{\n{text}\n}}\n", *(f"#undef {name}\n" for name in macros)]
    calls = [f'    if (name == "run_{folder.name}") return run_{folder.name}::run(argc, argv);\n' for folder in folders]
    name = "    std::string name = argv[0];\n    name = name.substr(name.rfind('/') + 1);\n"
    lines += ["int main(int argc, char** argv) {\n", name, *calls, "    return 2;\n}\n"]
    return "".join(lines)


def compiled(name: str, runtime: Path) -> Path:
    target = runtime / f"{name}.o"
    if not target.exists():
        runtime.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        run([cxx_compiler(), *COMPILE, *includes(), "-c", str(verilator_root() / "include" / name), "-o", str(partial)])
        partial.replace(target)
    return target


def includes() -> tuple[str, ...]:
    include = verilator_root() / "include"
    return f"-I{include}", f"-I{include / 'vltstd'}"


def run(command: list[str]) -> None:
    done = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, errors="replace", check=False)
    errors = [line for line in (done.stderr + done.stdout).splitlines() if "rror" in line]
    assert done.returncode == 0, f"{command[0]}: {' / '.join(errors[:5])}"
