"""Labels that are exactly as good as the winner's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn import ir
from hwqnn.ties import as_good


def graph(mul: list[Fraction]) -> ir.Graph:
    """Three scores of two inputs: a, b and a + b, each with its own scale."""
    weight = np.array([[1, 0], [0, 1], [1, 1]])
    ops = (
        ir.Input(name="in", inputs=(), type=ir.UInt(4), shape=(2,)),
        ir.MatMul(name="fc", inputs=("in",), weight=weight, weight_type=ir.UInt(1)),
    )
    return ir.Graph("g", ops, "fc", (ir.Affine(ir.exact(mul), ir.exact([0])),))


def test_ties() -> None:
    plain = graph([Fraction(1)] * 3)
    x = np.array([[3, 0], [3, 0], [3, 0], [0, 0], [1, 2]])
    labels = np.array([0, 2, 1, 1, 0])
    winners = np.array([0, 0, 0, 0, 2])
    assert as_good(plain, x, labels, winners).tolist() == [True, True, False, True, False]


def test_ties_of_scaled_scores() -> None:
    """1/2 * 6 = 1/3 * 9 exactly, which no float says."""
    scaled = graph([Fraction(1, 2), Fraction(1, 3), Fraction(1, 1000)])
    assert as_good(scaled, np.array([[6, 9], [6, 9], [6, 8], [6, 9]]), np.array([0, 1, 1, 2]), np.zeros(4, int)).tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_every_pixel_counts() -> None:
    ops = (
        ir.Input(name="in", inputs=(), type=ir.UInt(2), shape=(1, 2, 2)),
        ir.Reshape(name="map", inputs=("in",), shape=(1, 2, 2)),
    )
    pixels = ir.Graph("p", ops, "map")
    x = np.array([[[[1, 1], [0, 2]]], [[[1, 1], [0, 2]]]])
    assert as_good(pixels, x, np.array([[[1, 1]], [[0, 0]]]), np.array([[[0, 1]], [[0, 1]]])).tolist() == [True, False]
