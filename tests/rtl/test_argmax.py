"""rtl/argmax.sv under cocotb."""

from bench_runner import run_bench

CASES = [
    {"PE": pe, "FOLD": fold, "WIDTH": width, "SIGNED": sign, "OUT_BITS": out}
    for pe, fold, width, sign, out in ((1, 1, 1, 0, 1), (1, 10, 9, 1, 4), (5, 2, 7, 0, 4), (10, 1, 8, 1, 4), (3, 3, 1, 1, 8), (2, 7, 40, 1, 4))
]


def test_argmax(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "argmax", CASES, [(c["PE"] * c["WIDTH"], c["OUT_BITS"]) for c in CASES])
