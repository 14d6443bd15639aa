"""rtl/argmax.sv under cocotb: a label or several, a vector a frame or several."""

from bench_runner import run_bench

# PE, FOLD, VECTORS, K, WIDTH, SIGNED, OUT_BITS, X_REGISTER
GRID = (
    (1, 1, 1, 1, 1, 0, 1, 0),
    (1, 10, 1, 1, 9, 1, 4, 0),
    (5, 2, 1, 1, 7, 0, 4, 0),
    (10, 1, 1, 1, 8, 1, 4, 0),
    (3, 3, 5, 1, 1, 1, 8, 0),
    (2, 7, 2, 1, 40, 1, 4, 0),
    (1, 10, 3, 5, 3, 1, 4, 0),
    (5, 2, 1, 3, 2, 0, 4, 0),
    (4, 1, 6, 4, 4, 1, 2, 0),
    (2, 2, 1, 4, 1, 0, 2, 0),
    (3, 5, 2, 2, 6, 0, 5, 0),
    (1, 10, 2, 1, 9, 1, 4, 1),
    (5, 2, 3, 1, 7, 0, 4, 1),
)
CASES = [dict(zip(("PE", "FOLD", "VECTORS", "K", "WIDTH", "SIGNED", "OUT_BITS", "X_REGISTER"), row, strict=True)) for row in GRID]


def test_argmax(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "argmax", CASES, [(c["PE"] * c["WIDTH"], c["K"] * c["OUT_BITS"]) for c in CASES])
