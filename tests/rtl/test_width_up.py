"""rtl/width_up.sv under cocotb."""

from bench_runner import run_bench

CASES = [{"WIDTH": w, "RATIO": r, "BEATS": b} for w, r, b in ((1, 2, 2), (3, 5, 15), (8, 8, 16), (33, 3, 6))]


def test_width_up(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "width_up", CASES, [(c["WIDTH"], c["WIDTH"] * c["RATIO"]) for c in CASES])
