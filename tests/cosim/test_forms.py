"""Both forms of the library, for 7-series and for any vendor, compute what the reference computes; what is simulated is the text that was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models
import torch

import hwqnn
from hwqnn.emit import Target, emit
from hwqnn.errors import CheckError


@pytest.mark.parametrize("target", Target)
@pytest.mark.parametrize("model", ["binary", "mixed"])
def test_both_forms_compute_what_the_reference_computes(model: str, target: Target, images: np.ndarray, tmp_path: Path) -> None:
    acc = hwqnn.compile(getattr(small_models, model)(), torch.rand(1, 16), name=model, fps=2e7)
    emitted = emit(acc.design, tmp_path, target)
    files = sorted(path.name for path in tmp_path.iterdir())
    found = acc.simulate(images, emitted=emitted, jobs=2)
    assert found.comparison.mismatches == 0
    assert found.as_predicted
    np.testing.assert_array_equal(found.outputs, acc.predict(images))
    assert sorted(path.name for path in tmp_path.iterdir()) == files  # the primitives' models lie elsewhere


@pytest.mark.parametrize(("form", "right"), [(Target.PORTABLE, "word_o = select_i"), (Target.XC7, ".I4(select_i)")])
@pytest.mark.parametrize("target", Target)
def test_only_the_chosen_form_runs(target: Target, form: Target, right: str, images: np.ndarray, tmp_path: Path) -> None:
    """A wrong wire in one form of the multiplexer does not show in the other."""
    acc = hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="binary", fps=2e7)
    emitted = emit(acc.design, tmp_path, target)
    path = tmp_path / "mux2.sv"
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, right.replace("select_i", "!select_i")))
    try:
        wrong = acc.simulate(images, emitted=emitted, jobs=2).comparison.mismatches > 0
    except CheckError:  # wrong bits may break an assertion of the RTL first
        wrong = True
    assert wrong == (form is target)
