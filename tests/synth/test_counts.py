"""Tiny designs whose cells a person can count."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hwqnn.errors import ToolError
from hwqnn.resources import Resources
from hwqnn.synth import Unit, count, synthesize

DESIGNS = {
    "adder32": (
        "module adder32(input logic [31:0] a, b, output logic [31:0] y); assign y = a + b; endmodule",
        Resources(lut=32, carry4=8),
    ),
    "register8": (
        "module register8(input logic clk, rst, en, input logic [7:0] d, output logic [7:0] q);"
        " always_ff @(posedge clk) if (rst) q <= '0; else if (en) q <= d; endmodule",
        Resources(ff=8),
    ),
    "and6": ("module and6(input logic [5:0] a, output logic y); assign y = &a; endmodule", Resources(lut=1)),
    "mux4": ("module mux4(input logic [3:0] a, input logic [1:0] s, output logic y); assign y = a[s]; endmodule", Resources(lut=1)),
    "inverter": ("module inverter(input logic a, output logic y); assign y = ~a; endmodule", Resources(lut=1)),
    "wires": ("module wires(input logic [3:0] a, output logic [3:0] y); assign y = {a[0], a[3:1]}; endmodule", Resources()),
    "delay16": (  # 16 stages without reset: 15 in a shift-register LUT whose output register is the last, or all 16 in it
        "module delay16(input logic clk, d, output logic q); logic [15:0] r;"
        " always_ff @(posedge clk) r <= {r[14:0], d}; assign q = r[15]; endmodule",
        Resources(lut=1),
    ),
    "kept": (  # 2 * (2 * 1 + 1) ANDs of six inputs, in modules that flattening keeps
        "(* keep_hierarchy *) module leaf(input logic [5:0] a, output logic y); assign y = &a; endmodule\n"
        "(* keep_hierarchy *) module branch #(parameter N = 1) (input logic [5:0] a, input logic [5:0] b, output logic [2:0] y);"
        " leaf l0 (.a(a), .y(y[0])); leaf l1 (.a(b), .y(y[1])); assign y[2] = |(a ^ {6{1'b1}}); endmodule\n"
        "module kept(input logic [23:0] a, output logic [5:0] y);"
        " branch #(2) b0 (.a(a[5:0]), .b(a[11:6]), .y(y[2:0])); branch #(2) b1 (.a(a[17:12]), .b(a[23:18]), .y(y[5:3])); endmodule",
        Resources(lut=6),
    ),
    "lut6_2": (
        "module lut6_2(input logic [5:0] a, output logic [1:0] y); LUT6_2 #(.INIT(64'h8000_0001_dead_beef)) i"
        " (.I0(a[0]), .I1(a[1]), .I2(a[2]), .I3(a[3]), .I4(a[4]), .I5(a[5]), .O6(y[0]), .O5(y[1])); endmodule",
        Resources(lut=1),
    ),
    "lutram32x6": (  # one RAM32M: 32 words of 6 bits, one write and one read port
        "module lutram32x6(input logic clk, we, input logic [4:0] wa, ra, input logic [5:0] d, output logic [5:0] q);"
        " (* ram_style = \"distributed\" *) logic [5:0] m [32]; always_ff @(posedge clk) if (we) m[wa] <= d; assign q = m[ra]; endmodule",
        Resources(lut=4),
    ),
    "bram18": (  # 1024 words of 18 bits are one RAMB18E1
        "module bram18(input logic clk, we, input logic [9:0] wa, ra, input logic [17:0] d, output logic [17:0] q);"
        " logic [17:0] m [1024]; always_ff @(posedge clk) begin if (we) m[wa] <= d; q <= m[ra]; end endmodule",
        Resources(bram36=0.5),
    ),
    "mul18": (
        "module mul18(input logic signed [17:0] a, b, output logic signed [35:0] y); assign y = a * b; endmodule",
        Resources(dsp=1),
    ),
    "rom": (  # one 16-word bit of a ROM is one LUT4; the file comes by bare name
        "module rom(input logic [3:0] a, output logic [2:0] y); logic [2:0] m [16];"
        " initial $readmemh(\"rom.hex\", m); assign y = m[a]; endmodule",
        Resources(lut=3),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    folder = tmp_path_factory.mktemp("designs")
    for name, (text, _) in DESIGNS.items():
        (folder / f"{name}.sv").write_text(text)
    (folder / "rom.hex").write_text("\n".join("0736251470156324"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWQNN_CACHE", str(folder / "cache"))
        units = [Unit(name, name, (Path(f"{name}.sv"),), folder, (Path("rom.hex"),) if name == "rom" else ()) for name in DESIGNS]
        return synthesize(units, jobs=2, timeout_s=120)


@pytest.mark.parametrize("name", DESIGNS)
def test_known_counts(name: str, measured: dict[str, Resources]) -> None:
    assert measured[name] == DESIGNS[name][1]


COMPOSITE = """module composite(input logic clk, rst, we, input logic [9:0] a, ra, input logic [63:0] x, w,
                 output logic [6:0] n, output logic [17:0] q, output logic [23:0] acc, output logic d, output logic [5:0] p);
  logic [17:0] m [1024];
  logic [5:0] lm [32];
  logic [19:0] sr;
  always_ff @(posedge clk) begin
    n <= 7'($countones(x ~^ w));
    if (we) begin m[a] <= x[17:0]; lm[a[4:0]] <= x[5:0]; end
    q <= m[ra];
    sr <= {sr[18:0], x[0]};
    if (rst) acc <= '0; else if (we) acc <= acc + 24'($signed(x[7:0]) * $signed(w[7:0]));
  end
  assign p = lm[ra[4:0]];
  assign d = sr[19];
endmodule
"""
WHOLE_FLOW = """import sys
from pyosys import libyosys
design = libyosys.Design()
libyosys.run_pass("read_verilog -sv composite.sv", design)
libyosys.run_pass("synth_xilinx -top composite -family xc7 -noiopad -noclkbuf -flatten", design)
libyosys.run_pass("write_json composite.json", design)
"""


def test_the_shortened_flow_gives_what_the_whole_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "composite.sv").write_text(COMPOSITE)
    subprocess.run([sys.executable, "-c", WHOLE_FLOW], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL, timeout=120)
    netlist = json.loads((tmp_path / "composite.json").read_text())["modules"]["composite"]["cells"].values()
    whole = count("whole", Counter(cell["type"] for cell in netlist))
    assert whole.bram36 == 0.5
    assert synthesize([Unit("x", "composite", (Path("composite.sv"),), tmp_path)], jobs=1, timeout_s=120)["x"] == whole


def test_an_unknown_cell_is_an_error() -> None:
    with pytest.raises(ToolError, match=r"'dense 1'.*3 cells of type 'ISERDESE2'"):
        count("dense 1", {"LUT6": 2, "ISERDESE2": 3})


def test_a_latch_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path))
    (tmp_path / "latch.sv").write_text("module latch(input wire e, d, output reg q); always @* if (e) q = d; endmodule")
    with pytest.raises(ToolError, match="latches"):
        synthesize([Unit("x", "latch", (Path("latch.sv"),), tmp_path)], jobs=1, timeout_s=60)


def test_counts_by_hand() -> None:
    netlist = {"INV": 1, "LUT3": 2, "LUT6_2": 4, "RAM64M": 1, "RAM128X1D": 1, "MUXF7": 9, "FDCE": 3, "FDRE": 2, "RAMB18E1": 3, "RAMB36E1": 1}
    assert count("x", netlist) == Resources(lut=1 + 2 + 4 + 4 + 4, ff=5, bram36=2.5)


def test_sum() -> None:
    assert Resources(1, 2, 3, 0.5, 5) + Resources(10, 20, 30, 1.0, 50) == Resources(11, 22, 33, 1.5, 55)
