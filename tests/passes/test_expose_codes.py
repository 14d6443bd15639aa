"""Without its input quantizer, on the host's codes, a network computes the same."""

from __future__ import annotations

from fractions import Fraction

import exact_model
import numpy as np
import pytest

from hwqnn.errors import UnsupportedError
from hwqnn.ir import (
    Add,
    Affine,
    Bipolar,
    Conv,
    Geometry,
    Graph,
    Input,
    MatMul,
    Requantize,
    Rounding,
    SignQuantizer,
    Threshold,
    UInt,
    UniformQuantizer,
    exact,
)
from hwqnn.passes import Head, expose_codes, lower


@pytest.mark.parametrize("quantizer", [SignQuantizer(Fraction(1)), UniformQuantizer(Fraction(20), 3, 0, 7, Rounding.HALF_EVEN)])
def test_same_labels(quantizer: SignQuantizer | UniformQuantizer) -> None:
    weight = np.array([[1, -1, 1], [-1, 1, 1]])
    ops = (
        Input(name="x", inputs=(), type=UInt(8), shape=(3,)),
        Requantize(name="in", inputs=("x",), chain=(Affine(exact([1]), exact([-100])),), quantizer=quantizer),
        MatMul(name="fc", inputs=("in",), weight=weight, weight_type=Bipolar()),
    )
    whole = lower(Graph("g", ops, "fc"))
    rest, threshold = expose_codes(whole)
    assert rest.input.name == "in" and rest.input.type == threshold.type and len(rest.ops) == len(whole.ops) - 1
    for x in np.random.default_rng(0).integers(0, 256, (200, 3)).tolist():
        codes = exact_model.RUN[Threshold](threshold, x, whole.edges[whole.input.name])
        assert exact_model.evaluate(rest, codes) == exact_model.evaluate(whole, x)


def test_codes_with_several_readers() -> None:
    """The input's codes go into a convolution, and round it into an addition."""
    entry = Input(name="x", inputs=(), type=UInt(8), shape=(2, 2, 3))
    quantizer = UniformQuantizer(Fraction(20), 3, 0, 7, Rounding.HALF_EVEN)
    ops = (
        entry,
        Requantize(name="in", inputs=("x",), chain=(), quantizer=quantizer),
        Conv(name="c", inputs=("in",), weight=np.eye(3, dtype=np.int64)[:, None, None], weight_type=UInt(1), geometry=Geometry((1, 1)), groups=1),
        Add(name="sum", inputs=("c", "in")),
    )
    whole = lower(Graph("g", ops, "sum"), Head.SCORES)
    rest, threshold = expose_codes(whole)
    assert len(rest.consumers("in")) == 2
    for x in np.random.default_rng(0).integers(0, 256, (50, 12)).tolist():
        codes = exact_model.RUN[Threshold](threshold, x, entry.infer(()))
        assert exact_model.evaluate(rest, codes) == exact_model.evaluate(whole, x)


def test_no_codes() -> None:
    ops = (Input(name="x", inputs=(), type=UInt(8), shape=(1,)), MatMul(name="fc", inputs=("x",), weight=np.array([[1]]), weight_type=Bipolar()))
    with pytest.raises(UnsupportedError, match="'g' has no quantizer right after its input"):
        expose_codes(Graph("g", ops, "fc"))
