"""rtl/cyclic_rom.sv under cocotb; the widest one is in two pieces on 7-series."""

from random import Random

import pytest
from bench_runner import run_bench

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
