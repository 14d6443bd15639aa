"""Yosys in a child process: an error there would end the tests' own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hwqnn.paths import RTL
from hwqnn.synth import models, primitives

SCRIPT = "import sys; from pyosys import libyosys; design = libyosys.Design(); [libyosys.run_pass(p, design) for p in sys.argv[1:]]"
LIBRARY = "read_verilog -defer -sv -DHWQNN_XC7 " + " ".join(str(path) for path in sorted(RTL.glob("*.sv")))

SPLIT_LUT6_2 = """\
module \\LUT6_2 (output O6, output O5, input I0, I1, I2, I3, I4, I5);
  parameter [63:0] INIT = 0;
  parameter _TECHMAP_CONSTMSK_I5_ = 0;
  generate
    if (_TECHMAP_CONSTMSK_I5_) LUT5 #(.INIT(INIT[63:32])) o6 (.O(O6), .I0(I0), .I1(I1), .I2(I2), .I3(I3), .I4(I4));
    else LUT6 #(.INIT(INIT)) o6 (.O(O6), .I0(I0), .I1(I1), .I2(I2), .I3(I3), .I4(I4), .I5(I5));
  endgenerate
  LUT5 #(.INIT(INIT[31:0])) o5 (.O(O5), .I0(I0), .I1(I1), .I2(I2), .I3(I3), .I4(I4));
endmodule
"""
"""A library for `techmap`: two LUTs for a LUT6_2, of which `sta` knows no timing."""


def run_yosys(folder: Path, passes: list[str]) -> str:
    """The log of these passes, run in `folder`. Fails on a yosys error."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *passes], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def prove_equal(folder: Path, structural: str, golden: str) -> None:
    """Proves two modules, named `structural` and `golden` in these sources, equal for every input (combinational ones only)."""
    (folder / "structural.sv").write_text(structural)
    (folder / "golden.sv").write_text(golden)
    log = run_yosys(
        folder,
        [
            "read_verilog +/xilinx/cells_sim.v",
            LIBRARY,
            "read_verilog -sv structural.sv",
            "hierarchy -top structural",
            "setattr -mod -unset keep_hierarchy *",
            "proc",
            "flatten",  # throws away what the top does not reach: the golden module comes after
            "read_verilog -sv golden.sv",
            "proc",
            "miter -equiv -flatten -make_assert structural golden both",
            "hierarchy -top both",
            "memory",
            "opt -full",
            "sat -verify -prove-asserts -timeout 200 both",
        ],
    )
    assert "no model found: SUCCESS" in log


def synthesize(sources: list[Path]) -> list[Path]:
    """The 7-series netlist of module `top` in the last of these files, and the models of its cells. A top alone instantiates the library itself."""
    netlist = sources[-1].with_name("netlist.v")
    files = sources if len(sources) > 1 else [*sorted(RTL.glob("*.sv")), *sources]
    read = "read_verilog -defer -sv -DHWQNN_XC7 " + " ".join(str(path) for path in files)
    run_yosys(sources[-1].parent, [read, "synth_xilinx -family xc7 -noiopad -noclkbuf -flatten -top top", f"write_verilog -noattr {netlist}"])
    cells = sources[-1].with_name("cells.v")
    cells.write_text(models(primitives([netlist.read_text()])))
    return [netlist, cells]
