"""The bench of the mvu, which uses nearly every module, again: on what yosys makes of it, LUTs, carries, registers and LUT RAM."""

import test_mvu
from bench_runner import run_bench
from yosys import synthesize


def test_mvu_netlist(tmp_path, monkeypatch):
    rows = [test_mvu.BINARY[2], test_mvu.INTEGER[1]]  # the popcount and the sign; products, the search and its ROMs
    cases, roms = zip(*(test_mvu.make(*row) for row in rows), strict=True)
    widths = [(c["SIMD"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "mvu", list(cases), widths, list(roms), synthesize)
