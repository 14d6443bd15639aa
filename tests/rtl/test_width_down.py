"""rtl/width_down.sv under cocotb."""

from bench_runner import run_bench

CASES = [{"WIDTH": w, "RATIO": r} for w, r in ((1, 2), (3, 5), (8, 8), (33, 3))]


def test_width_down(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "width_down", CASES, [(c["WIDTH"] * c["RATIO"], c["WIDTH"]) for c in CASES])
