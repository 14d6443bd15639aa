"""rtl/cyclic_rom.sv under cocotb; the widest one is in two pieces on 7-series."""

import re
from random import Random

import pytest
from bench_runner import run_bench
from yosys import LIBRARY, run_yosys

INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .next_i(c{k}_s_tvalid), .word_o(c{k}_m_tdata)
  );"""

CASES = [
    {"WIDTH": width, "DEPTH": depth, "BLOCK_RAM": block_ram, "words": [Random(f"{width} {i}").getrandbits(width) for i in range(depth)]}
    for width in (5, 70)
    for depth in (1, 2, 5, 8)
    for block_ram in (0, 1)
]


@pytest.mark.parametrize("form", ["portable", "xc7"])
def test_cyclic_rom(form, tmp_path, monkeypatch):
    widths = [(1, case["WIDTH"]) for case in CASES]
    run_bench(tmp_path, monkeypatch, "cyclic_rom", CASES, widths, [{"FILE": case["words"]} for case in CASES], form=form, instance=INSTANCE)


TOP = """module top(input logic clk_i, rst_ni, next_i, output logic [11:0] word_o);
  cyclic_rom #(.WIDTH(12), .DEPTH(1000), .BLOCK_RAM(1), .FILE("words.mem")) i_rom (.*);
endmodule
"""


def test_yosys_reads_the_words_once(tmp_path):
    """And a second time only the first one: a copy in flip-flops of a million weights took all the memory of a machine."""
    (tmp_path / "words.mem").write_text("".join(f"{word:03x}\n" for word in range(1000)))
    (tmp_path / "top.sv").write_text(TOP)
    log = run_yosys(tmp_path, [LIBRARY, "read_verilog -sv top.sv", "hierarchy -top top", "proc", "flatten", "stat"])
    assert re.search(r"(\d+) memory bits", log)[1] == str(1000 * 12 + 12)
