"""Place and route by Vivado, where it is installed: out of context, so without pins, from the emitted RTL to figures after routing.

This driver has never met a real Vivado: it follows the Tcl commands of Xilinx UG835 and the reports of UG906, and is tested against
reports of that form and an executable that stands in.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwqnn.errors import ToolError
from hwqnn.resources import Resources

_UTILIZATION, _TIMING = "utilization.rpt", "timing.rpt"
_SAFE = re.compile(r"[^\w./,:@%+-]", re.ASCII)
_ROWS = {"lut": r"Slice LUTs\*?", "ff": r"Slice Registers", "bram36": r"Block RAM Tile", "dsp": r"DSPs", "carry4": r"CARRY4"}
"""How `report_utilization` calls each resource; CARRY4 stands in its table of primitives, and only if there are any."""


@dataclass(frozen=True)
class Routed:
    """A design after routing.

    Attributes:
        tool: its name and version.
        mhz: the fastest clock at which no path is late.
        start, end: the pins of the slowest path, or its ports.
    """

    tool: str
    mhz: float
    resources: Resources
    start: str
    end: str


def vivado() -> Path | None:
    """The `vivado` on PATH, if there is one."""
    found = shutil.which("vivado")
    return None if found is None else Path(found)


def place(program: Path, sources: Sequence[Path], directory: Path, top: str, part: str, clock_mhz: float, *, timeout_s: float) -> Routed:
    """Synthesizes, places and routes a design by Vivado.

    Args:
        sources: SystemVerilog files in reading order. directory: where ROM files lie, which they name without a folder.
        part: the full device, package and speed grade. clock_mhz: the target of the port `aclk`.
    Raises:
        ToolError: Vivado failed, took too long, or reported nothing that can be read.
    """
    with tempfile.TemporaryDirectory(prefix="hwqnn-place-") as folder:
        work = Path(folder)
        for memory in directory.glob("*.mem"):
            shutil.copy(memory, work)
        (work / "place.tcl").write_text(script(sources, top, part, clock_mhz), encoding="utf-8")
        command = [str(program), "-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", "place.tcl"]
        with (work / "output").open("wb") as output:
            child = subprocess.Popen(command, cwd=work, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                status = child.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise ToolError(f"vivado ran past {timeout_s:g} s on {top!r}; build with --no-route, or fold the network further") from error
            finally:  # Ctrl-C as well; vivado is a script around the program
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if status != 0:
            raise ToolError(f"vivado: {_reason((work / 'output').read_text(errors='replace'), status)}")
        reports = [work / _UTILIZATION, work / _TIMING]
        for report in reports:
            if not report.exists():
                raise ToolError(f"vivado ended well, but wrote no {report.name}")
        return parse(reports[0].read_text(errors="replace"), reports[1].read_text(errors="replace"), clock_mhz)


def script(sources: Sequence[Path], top: str, part: str, clock_mhz: float) -> str:
    """The Tcl that Vivado runs. Every name is one word of it, whatever characters it is made of."""
    period = f"{1000 / clock_mhz:.3f}"
    lines = [
        *(f"read_verilog -sv {word(str(path))}" for path in sources),
        f"synth_design -mode out_of_context -top {word(top)} -part {word(part)}",
        f"create_clock -name aclk -period {period} [get_ports aclk]",
        "opt_design",
        "place_design",
        "phys_opt_design",
        "route_design",
        f"report_utilization -file {_UTILIZATION}",
        f"report_timing_summary -delay_type max -max_paths 1 -file {_TIMING}",
    ]
    return "".join(f"{line}\n" for line in lines)


def word(text: str) -> str:
    """`text` as one word of Tcl: everything that could mean something to it is escaped by a backslash."""
    escaped = _SAFE.sub(lambda found: {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(found[0], "\\" + found[0]), text)
    return escaped or "{}"


def parse(utilization: str, timing: str, clock_mhz: float) -> Routed:
    """Reads `report_utilization` and `report_timing_summary`.

    Raises:
        ToolError: a figure is missing.
    """
    found: dict[str, float] = {"carry4": 0}
    for name, row in _ROWS.items():
        if match := re.search(rf"^\|\s*{row}\s*\|\s*([\d.]+)\s*\|", utilization, re.M):
            found[name] = float(match[1])
    if missing := _ROWS.keys() - found.keys():
        raise ToolError(f"vivado's utilization report tells nothing of {', '.join(sorted(missing))}")
    summary = re.search(r"^\s*WNS\(ns\).*\n[\s-]*\n\s*(-?[\d.]+|NA|inf)\s", timing, re.M)
    if summary is None or summary[1] in ("NA", "inf"):
        raise ToolError("vivado's timing report tells no slack: it found no path from register to register")
    version = re.search(r"^\|\s*Tool Version\s*:\s*Vivado v\.?([\d.]+)", timing, re.M)
    ends = [re.search(rf"^\s*{name}:\s+(\S+)", timing, re.M) for name in ("Source", "Destination")]
    return Routed(
        tool=f"Vivado {version[1]}" if version else "Vivado",
        mhz=1000 / (1000 / clock_mhz - float(summary[1])),
        resources=Resources(**found),
        start=ends[0][1] if ends[0] else "",
        end=ends[1][1] if ends[1] else "",
    )


def _reason(output: str, status: int) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("ERROR:")), f"ended with status {status}: {lines[-1] if lines else 'no output'}")
