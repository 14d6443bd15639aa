"""Synthesis runs of hardware blocks: what yosys made of parameters, as the cost model is fitted on them. They live in `data/estimate.json`."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from estimate_cases import KINDS, Parameters

from hwqnn import synth
from hwqnn.dataflow import Block, Design, Node, Resources, Source
from hwqnn.emit import emit
from hwqnn.emit.verilog import library_texts
from hwqnn.errors import ToolError
from hwqnn.synth.gates import gates
from hwqnn.synth.sta import Netlists

DATA = Path(__file__).parent / "data" / "estimate.json"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\s+", re.S)


@dataclass(frozen=True)
class Case:
    """A block to synthesize: the kind and what makes it. `held_out`: no fit sees it."""

    kind: str
    parameters: Parameters
    held_out: bool = False

    @cached_property
    def block(self) -> Block:
        return KINDS[self.kind].block(**self.parameters)

    @property
    def key(self) -> str:
        return json.dumps([self.kind, self.parameters], sort_keys=True)

    @property
    def datapath(self) -> Resources:
        """What stands beside the block's module."""
        return self.block.datapath.cells if self.block.datapath is not None else Resources()

    @property
    def rtl(self) -> str:
        """A hash of the library files that it is made of, less comments. What is generated is counted, so that it may change."""
        generated = {name for name, _ in self.block.datapath.texts} if self.block.datapath is not None else set()
        text = "".join(_COMMENT.sub("", text) for name, text in library_texts(self.block).items() if name not in generated)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Run:
    """A case and what yosys made of it.

    Attributes:
        delay_ns: the longest logic path, from registers and inputs to registers and outputs (`hwqnn/synth/sta.py`).
        datapath_lut, datapath_ff, datapath_carry4: those that are the datapath's. rtl: `Case.rtl`. Both as they were then.
    """

    case: Case
    lut: float
    ff: float
    carry4: float
    bram36: float
    dsp: float
    delay_ns: float
    datapath_lut: float = 0.0
    datapath_ff: float = 0.0
    datapath_carry4: float = 0.0
    rtl: str = ""


MEASURED = ("lut", "ff", "carry4", "bram36", "dsp", "delay_ns")
"""What a run measures."""


def load(path: Path = DATA) -> list[Run]:
    rows = json.loads(path.read_text())["runs"] if path.exists() else []
    return [Run(Case(**row.pop("case")), **row) for row in rows]


def store(runs: Iterable[Run], path: Path = DATA) -> None:
    """A run a line, sorted: so that versions of the file can be compared."""
    rows = [json.dumps(asdict(run)) for run in sorted(runs, key=lambda run: run.case.key)]
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{"yosys": "{synth.yosys_version()}", "runs": [\n' + ",\n".join(rows) + "\n]}\n")


def measure(cases: Sequence[Case], jobs: int, timeout_s: float = 60) -> Iterator[Run]:
    """What yosys makes of each case, as they finish; from its cache wherever the same was synthesized before. One that takes longer is left out."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for future in as_completed([pool.submit(_measure, case, timeout_s) for case in cases]):
            if (run := future.result()) is not None:
                yield run


def _measure(case: Case, timeout_s: float) -> Run | None:
    with tempfile.TemporaryDirectory() as work:
        inputs = (Source(None),) * len(case.block.beats_in)
        node = emit(Design("case", (Node("unit", "unit", case.block, "x", inputs),), 100.0), Path(work)).nodes[0]
        unit = synth.Unit(case.key, node.module, node.sources, Path(work), node.memories)
        try:
            netlist = synth.netlists([unit], jobs=1, timeout_s=timeout_s)[case.key]
        except ToolError as error:
            print(error, flush=True)
            return None
    cells = synth.count(case.key, netlist.cells)
    path = Netlists({"unit": gates(netlist.verilog)}).longest()
    measured, beside = (cells.lut, cells.ff, cells.carry4, cells.bram36, cells.dsp, round(path.ps / 1000, 3)), case.datapath
    return Run(case, *measured, datapath_lut=beside.lut, datapath_ff=beside.ff, datapath_carry4=beside.carry4, rtl=case.rtl)
