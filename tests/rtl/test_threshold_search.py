"""rtl/threshold_search.sv under cocotb: one to five stages, thresholds of one row and of several."""

from random import Random

from bench_runner import run_bench
from test_threshold import search_words

PE, T_BITS = 2, 6
X_BITS = PE * T_BITS

INSTANCE = f"""  {{module}} #({{parameters}}) i_c{{k}} (
    .clk_i(clk), .advance_i(c{{k}}_s_tvalid), .x_i(c{{k}}_s_tdata[{X_BITS - 1}:0]), .row_i(c{{k}}_s_tdata[$left(c{{k}}_s_tdata):{X_BITS}]),
    .n_o(c{{k}}_m_tdata)
  );"""


def make(levels, rows):
    random = Random(f"{levels} {rows}")
    thresholds = [[sorted(random.randint(-32, 31) for _ in range(levels)) for _ in range(PE)] for _ in range(rows)]
    return {"PE": PE, "LEVELS": levels, "T_BITS": T_BITS, "ROWS": rows, "thresholds": thresholds}


def test_threshold_search(tmp_path, monkeypatch):
    cases = [make(levels, rows) for levels in (1, 3, 5, 31) for rows in (1, 3)]
    widths = [(X_BITS + max((c["ROWS"] - 1).bit_length(), 1), PE * c["LEVELS"].bit_length()) for c in cases]
    roms = [{"FILE": search_words(c["thresholds"], c["LEVELS"], T_BITS)} for c in cases]
    run_bench(tmp_path, monkeypatch, "threshold_search", cases, widths, roms, instance=INSTANCE)
