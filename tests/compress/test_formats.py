"""Number formats against their definitions in real numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hwqnn import compress
from hwqnn.compress import Batches
from hwqnn.compress.fisher import Diagonal
from hwqnn.compress.formats import Format, blocks
from hwqnn.compress.layers import integers
from hwqnn.errors import InputError


def posit(code: int, bits: int, es: int) -> float:
    """By the standard's own words: sign, regime, exponent, fraction, read bit after bit from a positive code."""
    stream = [code >> i & 1 for i in range(bits - 2, -1, -1)]
    first, k = stream[0], 0
    while stream and stream[0] == first:
        stream.pop(0)
        k += 1
    k = k - 1 if first else -k
    if stream:
        stream.pop(0)
    exponent = 0
    for _ in range(es):
        exponent = 2 * exponent + (stream.pop(0) if stream else 0)
    fraction = sum(bit / 2**i for i, bit in enumerate(stream, 1))
    return (1 + fraction) * 2.0 ** (k * 2**es + exponent)


@pytest.mark.parametrize(("bits", "es"), [(3, 0), (4, 0), (5, 0), (4, 1), (5, 1), (6, 0)])
def test_posits(bits: int, es: int) -> None:
    positive = sorted(posit(code, bits, es) for code in range(1, 1 << bits - 1))
    levels = Format("posit", bits, es).levels
    assert np.array_equal(np.array(levels) * positive[0], [-v for v in positive[::-1]] + [0.0] + positive)


def test_posits_by_hand() -> None:
    """Gustafson and Yonemoto's 4-bit posits: 1/4, 1/2, 3/4, 1, 3/2, 2, 4."""
    assert Format("posit", 4, 0).levels[8:] == (1, 2, 3, 4, 6, 8, 16)


def test_minifloats() -> None:
    """FP4 E2M1 of the OCP's Microscaling formats: 0, 0.5, 1, 1.5, 2, 3, 4, 6."""
    assert [v / 2 for v in Format("minifloat", 4, 2).levels[7:]] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    for bits, exponent_bits in ((3, 1), (5, 2), (6, 3), (7, 3)):
        m = bits - 1 - exponent_bits
        real = {f / 2**m for f in range(2**m)} | {(1 + f / 2**m) * 2.0 ** (e - 1) for e in range(1, 2**exponent_bits) for f in range(2**m)}
        assert [v / 2**m for v in Format("minifloat", bits, exponent_bits).levels if v >= 0] == sorted(real)


def test_fixed_point_and_powers_of_two() -> None:
    assert Format("fixed", 3).levels == (-3, -2, -1, 0, 1, 2, 3)
    assert Format("power-of-two", 3).levels == (-4, -2, -1, 0, 1, 2, 4)


def test_block_floating_point_by_hand() -> None:
    """3 bits, blocks of two: (6, 2) = 2 * (3, 1), (0.7, -0.2) = 0.25 * (3, -1) with 0.75 and -0.25; all in quarters."""
    weight = torch.tensor([[6.0, 2.0, 0.7, -0.2, 3.0]], dtype=torch.float64)
    fit = blocks(weight, Diagonal(torch.ones_like(weight)), Format("fixed", 3).levels, 2)
    assert fit.weights.tolist() == [[6.0, 2.0, 0.75, -0.25, 3.0]]
    assert fit.exponent == -2
    assert fit.loss == pytest.approx((0.05**2 + 0.05**2) / 2)


FORMATS = [("fixed", 4, 0), ("minifloat", 4, 2), ("posit", 4, 1), ("power-of-two", 4, 0), ("block-floating", 4, 4)]


@pytest.mark.parametrize(("kind", "bits", "fine"), FORMATS)
@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_what_is_planned_is_what_hardware_computes(
    kind: str, bits: int, fine: int, network: str, request: pytest.FixtureRequest, batches: Batches
) -> None:
    model, method = request.getfixturevalue(network), Format(kind, bits, fine)
    plan = method.plan(model, batches)
    after = method.apply(model, plan)
    for name, fit in plan.layers.items():
        got = integers(name, dict(after.named_modules())[name])
        np.testing.assert_array_equal((got.values * got.scale).flatten(1), fit.weights)
    request.getfixturevalue("check_lowering")(after)


def test_nearest_is_nearest_and_the_path_is_no_worse_by_the_loss(mlp: nn.Module, batches: Batches) -> None:
    nearest, path = (Format("posit", 4, 0, curvature="block", rounding=rounding).plan(mlp, batches) for rounding in ("nearest", "path"))
    target = integers("3", mlp[3])
    weight = (target.values * target.scale).numpy()
    fit = nearest.layers["3"]
    levels = np.array(Format("posit", 4, 0).levels) * 2.0**fit.exponent
    np.testing.assert_allclose(np.abs(weight - fit.weights.numpy()), np.abs(weight[..., None] - levels).min(-1))
    assert path.loss < nearest.loss


def test_bad_options() -> None:
    for options, message in (
        ({"kind": "float"}, "no number format 'float'; there are fixed, minifloat"),
        ({"bits": 9}, "weights of 9 bits: 2 to 8"),
        ({"kind": "minifloat", "fine": 4}, r"minifloat of 4 bits with fine = 4 \(bits of the exponent\): 1 to 3"),
        ({"kind": "fixed", "fine": 1}, r"fixed of 4 bits with fine = 1 \(unused\): 0 to 0"),
        ({"kind": "block-floating"}, "fine = 0"),
        ({"kind": "posit", "bits": 8, "fine": 2}, "too wide for exact sums"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("format", **options)
