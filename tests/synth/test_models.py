"""The models of primitives that netlists are simulated with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rtl.yosys import run_yosys

from hwqnn.errors import ToolError
from hwqnn.synth import models
from hwqnn.synth.yosys import yosys_folder

LUTS = [f"LUT{inputs}" for inputs in range(1, 7)]


def test_luts_are_those_of_yosys(tmp_path: Path) -> None:
    """With the truth table of input k in it, a LUT gives input k: for every k, so it looks at the right bit whatever the table."""
    theirs = (yosys_folder() / "share" / "xilinx" / "cells_sim.v").read_text()
    checks = []
    for inputs in range(1, 7):
        pins = ", ".join(f".I{i}(x[{i}])" for i in range(inputs))
        for k in range(inputs):
            table = sum(1 << address for address in range(2**inputs) if address >> k & 1)
            for lut in ("LUT", "THEIRS"):
                name = f"{lut.lower()}_{inputs}_{k}"
                checks.append(
                    f"wire {name}; {lut}{inputs} #(.INIT({2**inputs}'h{table:x})) i_{name} (.O({name}), {pins}); assert property ({name} == x[{k}]);"
                )
    (tmp_path / "ours.v").write_text(models(LUTS))
    (tmp_path / "theirs.v").write_text(
        "\n".join(re.search(rf"^module {lut}\(.*?^endmodule", theirs, re.S | re.M)[0] for lut in LUTS).replace("LUT", "THEIRS")
    )
    (tmp_path / "both.sv").write_text("module both(input [5:0] x);\n" + "\n".join(checks) + "\nendmodule\n")
    log = run_yosys(
        tmp_path,
        [
            "read_verilog ours.v theirs.v",
            "read_verilog -sv -formal both.sv",
            "hierarchy -top both",
            "proc",
            "flatten",
            "async2sync",
            "chformal -lower",
            "select -assert-count 42 t:$assert",
            "sat -verify -prove-asserts both",
        ],
    )
    assert "no model found: SUCCESS" in log


def test_only_what_is_needed_and_without_timing() -> None:
    text = models(["FDRE", "CARRY4"])
    assert re.findall(r"^module (\w+)", text, re.M) == ["CARRY4", "FDRE"]
    assert "specify" not in text


@pytest.mark.parametrize("kind", ["RAMB36E1", "NO_SUCH_CELL"])
def test_what_has_no_model_is_refused(kind: str) -> None:
    with pytest.raises(ToolError, match=kind):
        models(["LUT1", kind])
