"""rtl/fifo.sv under cocotb."""

from bench_runner import run_bench

CASES = [{"WIDTH": w, "DEPTH": d} for w, d in ((1, 2), (8, 3), (5, 16), (70, 33))]


def test_fifo(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "fifo", CASES, [(c["WIDTH"], c["WIDTH"]) for c in CASES])
