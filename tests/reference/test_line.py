"""Thresholds counted by one multiplication, against counting them one by one on every value."""

from __future__ import annotations

import numpy as np
import pytest

from hwqnn.reference.line import Line, line


def counted(levels: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of the thresholds in each column of `levels`, how many each x has reached: (len(x), C)."""
    return (x[:, None, None] >= levels).sum(axis=1)


def check(levels: np.ndarray, least: np.ndarray, most: np.ndarray, sample: int = 1 << 14) -> Line | None:
    """The line, which is right on every value (or so many, next to the thresholds and at the ends too) of its channel's range."""
    found = line(levels, least, most)
    if found is None:
        return None
    count = found.step(np.zeros(levels.shape[1], np.int16), np.ones(levels.shape[1], np.int16))
    rng = np.random.default_rng(0)
    for c, (low, high) in enumerate(zip(least.tolist(), most.tolist(), strict=True)):
        x = np.arange(low, high + 1) if high - low < sample else rng.integers(low, high, sample, endpoint=True)
        x = np.unique(np.clip(np.concatenate([x, levels[:, c], levels[:, c] - 1, [low, high]]), low, high))
        got = count(np.broadcast_to(x[:, None], (len(x), levels.shape[1])))
        assert (got[:, c] == counted(levels[:, [c]], x)[:, 0]).all()
    return found


@pytest.mark.parametrize("bits", [2, 8, 13, 20, 28])
@pytest.mark.parametrize("levels", [1, 2, 3, 15, 255])
def test_uniform_quantizers_have_a_line(bits: int, levels: int) -> None:
    """Steps from a fraction of an integer to more than the range, starts from before the range to after it, cut where no value comes."""
    rng = np.random.default_rng(levels)
    channels = 40
    least, most = -rng.integers(1, 2**bits, channels), rng.integers(1, 2**bits, channels)
    apart = (most - least) / levels * 2 ** rng.uniform(-4, 1, channels)
    start = rng.uniform(least - 10, most + 10)
    levels_ = np.ceil(start + apart * np.arange(levels)[:, None]).astype(np.int64)
    assert check(levels_, least, most) is not None
    assert check(np.clip(levels_, least, most + 1), least, most) is not None


def test_uneven_thresholds_have_none() -> None:
    """Where no line can be: one of two thresholds is a single step too far."""
    least, most = np.array([-100, -100]), np.array([100, 100])
    even = np.array([[0, 10, 20, 30, 40]] * 2).T
    assert check(even, least, most) is not None
    for change in (-2, 2):
        uneven = even.copy()
        uneven[2, 1] += change
        assert line(uneven, least, most) is None
    assert line(np.empty((0, 2), np.int64), least, most) is None


@pytest.mark.parametrize("seed", range(30))
def test_a_line_is_right_or_not_found(seed: int) -> None:
    """Any ascending thresholds: equal ones, all beyond one end, nearly even."""
    rng = np.random.default_rng(seed)
    channels, levels = 6, int(rng.integers(1, 9))
    least, most = -rng.integers(0, 300, channels), rng.integers(0, 300, channels)
    spread = rng.integers(1, 12)
    levels_ = np.sort(spread * np.arange(levels)[:, None] + rng.integers(-2, 3, (levels, channels)) + rng.integers(-400, 400, channels), axis=0)
    check(levels_, least, most)


@pytest.mark.parametrize(("most", "dtype"), [(2**24, np.float32), (2**24 + 1, np.float64), (2**53 + 1, None)])
def test_values_that_floats_do_not_have(most: int, dtype: type | None) -> None:
    """A threshold at the greatest value: 2^24 + 1 would round to 2^24 in float32, and 2^53 + 1 to 2^53 in float64."""
    found = check(np.array([[most]]), np.array([most - 1000]), np.array([most]))
    assert (None if found is None else found.slope.dtype) == dtype
