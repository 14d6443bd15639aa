"""rtl/argmax.sv under cocotb: a label or several, a vector a frame or several."""

from bench_runner import run_bench

# PE, FOLD, VECTORS, K, WIDTH, SIGNED, OUT_BITS
GRID = (
    (1, 1, 1, 1, 1, 0, 1),
    (1, 10, 1, 1, 9, 1, 4),
    (5, 2, 1, 1, 7, 0, 4),
    (10, 1, 1, 1, 8, 1, 4),
    (3, 3, 5, 1, 1, 1, 8),
    (2, 7, 2, 1, 40, 1, 4),
    (1, 10, 3, 5, 3, 1, 4),
    (5, 2, 1, 3, 2, 0, 4),
    (4, 1, 6, 4, 4, 1, 2),
    (2, 2, 1, 4, 1, 0, 2),
    (3, 5, 2, 2, 6, 0, 5),
)
CASES = [dict(zip(("PE", "FOLD", "VECTORS", "K", "WIDTH", "SIGNED", "OUT_BITS"), row, strict=True)) for row in GRID]


def test_argmax(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "argmax", CASES, [(c["PE"] * c["WIDTH"], c["K"] * c["OUT_BITS"]) for c in CASES])
