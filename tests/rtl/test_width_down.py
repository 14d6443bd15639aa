"""rtl/width_down.sv under cocotb; on 7-series, ratios that fill LUTs and slices and some that do not."""

import pytest
from bench_runner import FORMS, run_bench

CASES = [{"WIDTH": w, "RATIO": r} for w, r in ((1, 2), (3, 5), (8, 8), (33, 3), (2, 9), (5, 14), (1, 17), (3, 35))]


@pytest.mark.parametrize("form", FORMS)
def test_width_down(form, tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "width_down", CASES, [(c["WIDTH"] * c["RATIO"], c["WIDTH"]) for c in CASES], form=form)
