"""One child process: yosys on the contents of one unit."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from hwqnn.errors import ToolError
from hwqnn.synth.unit import Contents

WORKER = Path(__file__).with_name("worker.py")


def yosys_folder() -> Path:
    """The folder of the installed pyosys package; importing it here would load all of yosys.

    Raises:
        ToolError: pyosys is not installed.
    """
    spec = importlib.util.find_spec("pyosys")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError("yosys is missing: install it with `pip install pyosys==0.70`")
    return Path(next(iter(spec.submodule_search_locations)))


def yosys_version() -> str:
    """The version of the installed yosys, such as "0.70".

    Raises:
        ToolError: pyosys is not installed.
    """
    yosys_folder()
    return importlib.metadata.version("pyosys")


def source() -> str:
    """Where measured resources come from, for reports: "yosys 0.70 synth_xilinx"."""
    return f"yosys {yosys_version()} synth_xilinx"


@dataclass(frozen=True)
class Netlist:
    """A synthesized unit: how many cells of each type it has, and itself as one flat Verilog module of 7-series primitives, called like its top."""

    cells: dict[str, int]
    verilog: str


class Yosys:
    """Starts yosys children, and can end them all."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def netlist(self, name: str, contents: Contents) -> Netlist:
        """Synthesizes the block `name`. Waits for the child.

        Raises:
            ToolError: yosys reported an error, died, or ran past the time limit.
        """
        # A folder of its own: only the unit's own files are visible, by bare name, so what is hashed is what is read.
        with tempfile.TemporaryDirectory(prefix="hwqnn-synth-") as folder:
            for file, content in contents.files.items():
                (Path(folder) / file).write_bytes(content)
            log = Path(folder) / "yosys:log"
            with log.open("wb") as output:
                child = self._start([contents.top, *contents.sources], Path(folder), output.fileno())
            try:
                child.wait(self._timeout_s)
            except subprocess.TimeoutExpired as error:
                raise ToolError(
                    f"block {name!r}: yosys ran past {self._timeout_s:g} s; fold the block further (fewer PE or SIMD), or allow more time"
                ) from error
            finally:
                _kill(child)
                with self._lock:
                    self._running.discard(child)
            if child.returncode != 0:
                raise ToolError(f"block {name!r}: {_reason(log, child.returncode)}")
            return Netlist(json.loads((Path(folder) / "yosys:cells.json").read_text()), (Path(folder) / "yosys:netlist.v").read_text())

    def stop(self) -> None:
        """Ends every running child and lets no other start."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                _kill(child)

    def _start(self, arguments: list[str], folder: Path, output: int) -> subprocess.Popen[bytes]:
        # -P: the worker's own folder is not a place to import from. A session of its own: yosys starts abc, and both must end together.
        command = [sys.executable, "-P", str(WORKER), str(math.ceil(self._timeout_s) + 1), *arguments]
        with self._lock:
            if self._stopped:
                raise ToolError("synthesis was stopped")
            child = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "TMPDIR": str(folder)},  # where abc's files go, so that they end with the folder
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(child)
        return child


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # another thread may have seen it end meanwhile
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _reason(log: Path, returncode: int) -> str:
    """The line that says why yosys stopped."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for line in lines:
        if "ERROR:" in line:
            return f"yosys: {line.strip()}"
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"status {returncode}"
    return f"yosys ended with {how}: {lines[-1].strip() if lines else 'no output'}"
