"""Static timing against yosys' own `sta`, which knows no block RAM without its output register and no LUT6_2: those by hand."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from yosys import SPLIT_LUT6_2, run_yosys

from hwqnn.errors import CheckError, ToolError
from hwqnn.paths import RTL
from hwqnn.synth import Netlist, Unit, netlists
from hwqnn.synth.arcs import arcs
from hwqnn.synth.gates import gates
from hwqnn.synth.sta import Hop, Netlists

SOURCES = {
    "popcount": """
        module popcount(input logic clk_i, input logic [63:0] a_i, w_i, output logic [6:0] n_o);
          logic [63:0] a, w;
          always_ff @(posedge clk_i) begin a <= a_i; w <= w_i; n_o <= 7'($countones(a ~^ w)); end
        endmodule""",
    "adder": """
        module adder(input logic clk_i, rst_ni, enable_i, input logic [39:0] a_i, b_i, output logic [39:0] n_o);
          logic [39:0] a, b;
          always_ff @(posedge clk_i) if (!rst_ni) n_o <= '1; else if (enable_i) begin a <= a_i; b <= b_i; n_o <= a + b; end
        endmodule""",
    "memories": """
        module memories(input logic clk_i, write_i, input logic [5:0] address_i, input logic [7:0] data_i, output logic [15:0] q_o);
          logic [7:0] words[64], pairs[32], late[20];
          logic [5:0] address;
          always_ff @(posedge clk_i) begin
            address <= address_i;
            if (write_i) begin words[address] <= data_i; pairs[address[4:0]] <= ~data_i; end
            late[0] <= words[address] ^ pairs[address_i[4:0]];
            for (int i = 1; i < 20; i++) late[i] <= late[i-1];
            q_o <= {late[19], pairs[address[4:0]]};
          end
        endmodule""",
    "choice": """
        module choice(input logic clk_i, input logic [255:0] x_i, input logic [7:0] which_i, output logic y_o);
          logic [255:0] x;
          logic [7:0] which;
          logic [15:0] q;
          logic [127:0] old;
          always_ff @(posedge clk_i) begin
            x <= x_i; which <= which_i; q <= {q[14:0], old[{which[6:0]}]}; old <= {old[126:0], x[which]}; y_o <= q[15];
          end
        endmodule""",
    "product": """
        module product(input logic clk_i, input logic signed [15:0] a_i, b_i, output logic signed [31:0] p_o);
          logic signed [15:0] a, b;
          logic signed [31:0] p;
          always_ff @(posedge clk_i) begin a <= a_i; b <= b_i; p <= a * b; p_o <= p ^ {p[0], p[31:1]}; end
        endmodule""",
    "pairs": """
        module pairs(input logic clk_i, input logic [5:0] x_i, output logic [3:0] y_o);
          logic [5:0] x;
          logic [3:0] y;
          LUT6_2 #(.INIT(64'h6996966996696996)) i_whole(.O6(y[0]), .O5(y[1]), .I0(x[0]), .I1(x[1]), .I2(x[2]), .I3(x[3]), .I4(x[4]), .I5(x[5]));
          LUT6_2 #(.INIT(64'h6996966996696996)) i_half(.O6(y[2]), .O5(y[3]), .I0(y[0]), .I1(x[1]), .I2(x[2]), .I3(x[3]), .I4(x[4]), .I5(1'b1));
          always_ff @(posedge clk_i) begin x <= x_i; y_o <= y; end
        endmodule""",
    "window_step": """
        module window_step(
          input logic clk_i, rst_ni, s_tvalid_i, m_tready_i,
          output logic s_tready_o, m_tvalid_o, m_tlast_o, output logic [9:0] at_o);
          logic advance, step, last;
          assign last = at_o == 10'd899;
          always_ff @(posedge clk_i) if (!rst_ni) at_o <= '0; else if (step) at_o <= last ? '0 : at_o + 10'd1;
          step_control #(.DEPTH(3), .VECTORS(5)) i_control(
            .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i, .s_tready_o,
            .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step));
        endmodule""",
}  # fmt: skip


def latest(folder: Path, passes: list[str]) -> int:
    """What yosys' sta says of the module that these passes leave, in ps."""
    (folder / "split.v").write_text(SPLIT_LUT6_2)
    library = "read_verilog -overwrite -lib -specify +/xilinx/cells_sim.v"
    log = run_yosys(folder, [library, *passes, "techmap -map split.v t:LUT6_2", "sta"])
    found = re.search(r"Latest arrival time in '.*' is (\d+):", log)
    assert found, log[-1000:]
    return int(found[1])


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Netlist]:
    """The netlists of `SOURCES`."""
    folder = tmp_path_factory.mktemp("sources")
    units = []
    library = tuple(path for path in sorted(RTL.glob("*.sv")) if path.stem in ("boundary", "counter", "step_control", "stream_rules"))
    for name, text in SOURCES.items():
        (folder / f"{name}.sv").write_text(text)
        units.append(Unit(name, name, (*library, folder / f"{name}.sv"), folder))
    return netlists(units, jobs=2, timeout_s=100)


@pytest.mark.parametrize("name", SOURCES)
def test_as_yosys(name: str, synthesized: dict[str, Netlist], tmp_path: Path) -> None:
    (tmp_path / "netlist.v").write_text(synthesized[name].verilog)
    joined = Netlists({name: gates(synthesized[name].verilog)}, outside_ps=0)
    # yosys counts nets that nothing reads, too: an idle carry for one
    assert max(joined.longest().ps, int(joined.arrival.max())) == latest(tmp_path, ["read_verilog netlist.v", f"hierarchy -top {name}"])


@pytest.mark.parametrize("name", SOURCES)
def test_every_cell_is_read(name: str, synthesized: dict[str, Netlist]) -> None:
    """As many of each type as yosys' `stat` counts."""
    assert Counter(kind for kind, _ in gates(synthesized[name].verilog).cells) == synthesized[name].cells


def test_the_primitives_are_there(synthesized: dict[str, Netlist]) -> None:
    """So that the comparison with yosys covers them all."""
    found = {kind for netlist in synthesized.values() for kind, _ in gates(netlist.verilog).cells}
    assert found >= {"FDRE", "FDSE", "CARRY4", "LUT6", "LUT6_2", "MUXF7", "MUXF8", "INV", "DSP48E1", "RAM64M", "RAM32M"}
    assert found & {"SRL16E", "SRLC32E"}


def cell(text: str, ports: str = "input clk_i; wire clk_i; input x_i; wire x_i; output y_o; wire y_o;") -> str:
    """A netlist of these cells, in yosys' words."""
    declared = "".join(f"  {line};\n" for line in ports.rstrip(";").split("; "))
    return f"module net(clk_i, x_i, y_o);\n{declared}{text}endmodule\n"


def instance(kind: str, name: str, **pins: str) -> str:
    return f"  {kind} {name} (\n" + ",\n".join(f"    .{pin}({net})" for pin, net in pins.items()) + "\n  );\n"


BUFFER = gates(cell(instance("LUT1", "slow", I0="x_i", O="y_o")))
REGISTER = gates(cell(instance("FDRE", "kept", C="clk_i", CE="1'h1", D="x_i", Q="y_o", R="1'h0")))


def test_a_path_through_blocks_is_named() -> None:
    """A register, three blocks without one, a register: 303 + 3 * 127 ps; a register alone beside it."""
    names = ["first", "one", "two", "three", "last"]
    instances = {name: REGISTER if name in ("first", "last") else BUFFER for name in names} | {"aside": REGISTER}
    joins = [((a, "y_o", 0), (b, "x_i", 0)) for a, b in pairwise(names)]
    joined = Netlists(instances, joins)
    path = joined.longest()
    assert path.ps == 303 + 3 * 127
    assert path.hops == (
        Hop("first", "FDRE", "y_o", 303), Hop("one", "LUT1", "y_o", 127), Hop("two", "LUT1", "y_o", 127), Hop("three", "LUT1", "y_o", 127),
        Hop("last", "FDRE", "y_o", 0),
    )  # fmt: skip
    ends = joined.longest_into()
    assert {name: path.ps for name, path in ends.items()} == {"first": 303, "last": 684, "aside": 303}
    assert ends["last"] == path
    assert ends["aside"].hops[0] == Hop("aside", "port", "x_i", 303)  # from a register outside


def test_a_ring_of_gates_is_no_path() -> None:
    joins = [(("one", "y_o", 0), ("two", "x_i", 0)), (("two", "y_o", 0), ("one", "x_i", 0))]
    quiet = Netlists({"one": BUFFER, "two": BUFFER}, joins)
    assert quiet.arrival.tolist() == [303, -1, -1, 303, -1, -1]  # nothing in it ever changes but its clock
    fed = gates(cell(instance("LUT2", "either", I0="x_i", I1="clk_i", O="y_o")))
    with pytest.raises(CheckError, match="combinational loop"):
        Netlists({"one": fed, "two": BUFFER}, joins).longest()


def test_wires_lengthen_logic_but_not_a_memorys_own_time() -> None:
    """A LUT1 behind a shift register (1472 ps until its output is there) and behind a flip-flop (303 ps)."""
    for kind, pins, launch in (("SRL16E", {"A0": "1'h0", "A1": "1'h0", "A2": "1'h0", "A3": "1'h0"}, 1472), ("FDRE", {"R": "1'h0"}, 303)):
        clock = "CLK" if kind == "SRL16E" else "C"
        text = instance(kind, "kept", **pins, CE="1'h1", **{clock: "clk_i"}, D="x_i", Q="q") + instance("LUT1", "slow", I0="q", O="y_o")
        first = gates(cell(text, "input clk_i; wire clk_i; input x_i; wire x_i; output y_o; wire y_o; wire q;"))
        joined = Netlists({"first": first, "last": REGISTER}, [(("first", "y_o", 0), ("last", "x_i", 0))], wires=1.0)
        path = joined.longest_into()["last"]
        assert path.ps == launch + 127
        assert path.routed_ps(1.0) == launch + 303 + 2 * 127
        assert joined.arrival.max() == launch + 303 + 2 * 127


def test_what_yosys_does_not_say() -> None:
    """DS187, -1: a block RAM's clock to output is 2.46 ns, 0.89 ns from its output register; 0.6 ns from address to clock."""
    slow, fast = (dict(arcs("RAMB36E1", {"DOA_REG": register, "DOB_REG": register}).launch) for register in (0, 1))
    assert slow["DOADO", None] == pytest.approx(2460, abs=10)
    assert fast["DOBDO", None] == pytest.approx(890, abs=10)
    assert dict(arcs("RAM64M", {}).setup)["ADDRD", 5] == 66
    assert {pin for pin, _, _ in arcs("RAM64M", {}).through} >= {("ADDRA", bit) for bit in range(6)}
    for words, pins in ((32, 5), (64, 6), (128, 7), (256, 8)):
        single = arcs(f"RAM{words}X1S", {})
        addresses = {("A", bit) if words == 256 else (f"A{bit}", None) for bit in range(pins)}
        assert {pin for pin, _, _ in single.through} == addresses
        assert {pin for pin, _ in single.setup} == addresses | {("D", None), ("WE", None)}
        assert [pin for pin, _ in single.launch] == [("O", None)]
    with pytest.raises(ToolError, match="no timing is known of cells of type 'PLLE2_ADV'"):
        arcs("PLLE2_ADV", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  wire [0:3] up;\n", "runs upwards"),
        ("  assign y_o = { x_i, x_i };\n", "joins 2 bits to 1"),
        ("  assign y_o = nobody;\n", "nobody is no wire"),
        ("endmodule\nmodule other();\n", "single module"),
        ("  supply0 low;\n", "'  supply0 low;' is no wire, cell or assignment"),
        (instance("LUT1", "late", I0="x_i", O="y_o").replace("\n  );", " );"), "'  LUT1 late \\(' is no wire, cell"),
    ],
)
def test_a_netlist_of_another_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        gates(cell(text))
