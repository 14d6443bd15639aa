"""The models of block RAMs and the netlists of shift registers, against their own source: Verilator runs both side by side on random inputs."""

from __future__ import annotations

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwqnn import synth
from hwqnn.tools import verilator_binary, verilator_environment

CYCLES = 10_000
WIDTHS = (1, 2, 4, 9, 18, 36, 72)
"""Of a block RAM."""
KINDS = {
    "rom": "always @(posedge clk) if (en) q <= m[r];",
    "simple": "always @(posedge clk) begin if (we[0]) m[w] <= x; if (en) q <= m[r]; end",
    # bytes of MODE bits, each with an enable of its own
    "bytes": """always @(posedge clk) begin
    for (int i = 0; i < W / MODE; i++) if (we[i]) m[w][i*MODE+:MODE] <= x[i*MODE+:MODE];
    if (en) q <= m[r];
  end""",
    # while it writes it reads (0) the old word, (1) the new one, or (2) nothing
    "single": """always @(posedge clk) if (en) begin
    if (we[0]) m[w] <= x;
    if (rst) q <= W'(72'h5a3c96e10ff0a5c369); else if (MODE == 1 && we[0]) q <= x; else if (MODE != 2 || !we[0]) q <= m[w];
  end""",
    # two such ports, which never touch one word at once
    "dual": """wire [A-1:0] other = r == w ? ~r : r;
  reg [W-1:0] q_a = '0, q_b = '0;
  always @(posedge clk) begin if (we[0]) m[w] <= x; if (MODE == 1 && we[0]) q_a <= x; else if (MODE != 2 || !we[0]) q_a <= m[w]; end
  always @(posedge clk) begin if (we[1]) m[other] <= ~x; if (MODE == 1 && we[1]) q_b <= ~x; else if (MODE != 2 || !we[1]) q_b <= m[other]; end
  always @(posedge clk) q <= q_a ^ {q_b, q_b} >> 1;""",
    # no memory: bits of which any may be looked at
    "shift": """reg [D-1:0] s = '0;
  always @(posedge clk) begin if (we[0]) s <= {s[D-2:0], d[0]}; q <= s[r]; end""",
    # what is read while it is written is not used
    "unchecked": """reg [W-1:0] read = '0;
  reg clash = 1'b0;
  always @(posedge clk) begin if (we[0]) m[w] <= x; if (en) read <= m[r]; if (en) clash <= we[0] && r == w; end
  always @(posedge clk) q <= clash ? '0 : read;""",
}


INPUTS = "input clk, en, rst, input [7:0] we, input [15:0] ra, wa, input [99:0] d"


@dataclass(frozen=True)
class Memory:
    kind: str
    width: int
    depth: int
    mode: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind}{self.mode}_{self.width}x{self.depth}"

    @property
    def module(self) -> str:
        check = ", no_rw_check" if self.kind in ("dual", "unchecked") else ""
        return f"""module {self.name}({INPUTS}, output reg [{self.width - 1}:0] q);
  localparam W = {self.width}, D = {self.depth}, A = $clog2(D), MODE = {self.mode};
  wire [A-1:0] r = ra[A-1:0] < D ? ra[A-1:0] : '0, w = wa[A-1:0] < D ? wa[A-1:0] : '0;
  wire [W-1:0] x = d[W-1:0];
  (* rom_style = "block", ram_style = "block"{check} *) reg [W-1:0] m[0:D-1];
  initial $readmemh("{self.name}.mem", m);
  initial q = W'(72'h1234567890abcdef12);
  {KINDS[self.kind]}
endmodule
"""


MEMORIES = [
    *(
        Memory("rom", w, d)
        for w, d in ((1, 16384), (1, 32768), (3, 4096), (4, 8192), (9, 3000), (18, 1024), (20, 600), (36, 512), (36, 1024), (64, 512), (72, 512))
    ),
    *(
        Memory(kind, w, d)
        for kind in ("simple", "unchecked")
        for w, d in ((1, 16384), (4, 4096), (9, 2048), (18, 2048), (36, 512), (50, 512), (72, 512))
    ),
    *(Memory("bytes", w, d, byte) for w, d, byte in ((18, 1024, 9), (32, 1024, 8), (36, 512, 9), (72, 512, 9))),
    *(Memory("single", w, d, mode) for mode in range(3) for w, d in ((2, 8192), (9, 2048), (18, 1024), (36, 1024))),
    *(Memory("dual", w, d, mode) for mode in range(3) for w, d in ((1, 16384), (8, 2048), (18, 1024))),
    Memory("dual", 1, 65536),
    *(Memory("shift", 1, d) for d in (20, 40, 64, 100, 128)),
]
MAIN = """#include "Vboth.h"
#include <cstdio>
#include <random>
int main() {
    VerilatedContext context;
    context.randReset(2);
    Vboth top{&context};
    std::mt19937 random{1};
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        top.en = random() % 4 != 0, top.rst = random() % 8 == 0, top.we = random();
        // few addresses for a while, so that the same words come again
        const unsigned mask = cycle % 200 < 100 ? 0xffff : 0x8007;
        top.ra = random() & mask, top.wa = random() & mask;
        for (int i = 0; i < 4; i++) top.d[i] = random();
        top.clk = 0, top.eval();
        for (int i = 0; i < MEMORIES; i++)
            if (top.differs[i / 32] >> i % 32 & 1) std::printf("%d:%d ", cycle, i);
        top.clk = 1, top.eval();
    }
}
"""


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, synth.Netlist]:
    """The folder with all memories in one module, and what yosys makes of it."""
    folder, numbers = tmp_path_factory.mktemp("memories"), random.Random(1)
    instances, low = [], 0
    for memory in MEMORIES:
        (folder / f"{memory.name}.mem").write_text("".join(f"{numbers.getrandbits(memory.width):x}\n" for _ in range(memory.depth)))
        instances.append(f"  {memory.name} i_{memory.name}(.clk, .en, .rst, .we, .ra, .wa, .d, .q(q[{low}+:{memory.width}]));\n")
        low += memory.width
    top = f"module memories({INPUTS}, output [{low - 1}:0] q);\n{''.join(instances)}endmodule\n"
    (folder / "memories.sv").write_text("".join(memory.module for memory in MEMORIES) + top)
    unit = synth.Unit("memories", "memories", (Path("memories.sv"),), folder, tuple(Path(f"{memory.name}.mem") for memory in MEMORIES))
    return folder, synth.netlists([unit], jobs=1, timeout_s=300)["memories"]


def test_the_memories_reach_every_mode(netlist: tuple[Path, synth.Netlist]) -> None:
    """Or the comparison would say little."""
    text = netlist[1].verilog
    widths = {kind: set() for kind in ("RAMB18E1", "RAMB36E1")}
    for kind, found in widths.items():
        cells = "".join(re.findall(rf"^  {kind} #\((.*?)^  \);", text, re.S | re.M))
        found.update(map(int, re.findall(r"READ_WIDTH_A\(32'[sd]*(\d+)\)", cells)))
        assert set(re.findall(r'RAM_MODE\("(\w+)"\)', cells)) == {"TDP", "SDP"}
    assert widths["RAMB18E1"] | widths["RAMB36E1"] == {0, *WIDTHS}
    assert set(re.findall(r'WRITE_MODE_[AB]\("(\w+)"\)', text)) == {"READ_FIRST", "WRITE_FIRST", "NO_CHANGE"}
    assert text.count(".Q31(") >= 1 + 1 + 3 + 3
    assert re.search(r'RAM_EXTENSION_A\("UPPER"\)', text)
    assert re.search(r"\.SRVAL_A\(\d+'h0*[1-9a-f]", text)


def test_netlists_of_memories_do_what_their_source_does(netlist: tuple[Path, synth.Netlist]) -> None:
    folder, found = netlist
    bits = sum(memory.width for memory in MEMORIES)
    differs, low = [], 0
    for memory in MEMORIES:
        differs.append(f"a[{low}+:{memory.width}] != b[{low}+:{memory.width}]")
        low += memory.width
    (folder / "netlist.v").write_text(found.verilog.replace("module memories(", "module synthesized("))
    (folder / "primitives.v").write_text(synth.models({kind for kind in found.cells if not kind.startswith("$")}))
    (folder / "both.sv").write_text(
        f"module both({INPUTS}, output [127:0] differs);\n  wire [{bits - 1}:0] a, b;\n"
        f"  memories i_a(.q(a), .*);\n  synthesized i_b(.q(b), .*);\n  assign differs = 128'({{{', '.join(reversed(differs))}}});\nendmodule\n"
    )
    (folder / "main.cpp").write_text(MAIN)
    sources = ["primitives.v", "memories.sv", "netlist.v", "both.sv", "main.cpp"]
    flags = ["--cc", "--exe", "--build", "--no-timing", "--x-assign", "unique", "--x-initial", "unique", "-Wno-fatal", "-Wno-lint", "-Wno-style"]
    make = ["-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include LDLIBS=-pthread OPT_FAST=-O1", "-CFLAGS", f"-DCYCLES={CYCLES} -DMEMORIES={len(MEMORIES)}"]
    command = [str(verilator_binary()), *flags, *make, "--top-module", "both", *sources]
    built = subprocess.run(command, cwd=folder, env=verilator_environment(), capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([folder / "obj_dir" / "Vboth"], cwd=folder, capture_output=True, text=True, check=True)
    wrong = [(int(cycle), MEMORIES[int(number)]) for cycle, _, number in (word.partition(":") for word in ran.stdout.split())]
    # Verilator takes a start value of which yosys left some bits open, those beyond the memory's width, for all open
    assert not [(cycle, memory.name) for cycle, memory in wrong if cycle > 1 or memory.width in WIDTHS]
