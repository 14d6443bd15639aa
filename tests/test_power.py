"""Power: still inputs switch less than moving ones; and watts from counted activity, against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch

import hwqnn
from hwqnn import Accelerator, cosim, power
from hwqnn.resources import Resources


@pytest.fixture(scope="module")
def acc() -> Accelerator:
    return hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="net", fps=2e7)


def activity(acc: Accelerator, x: np.ndarray, folder: Path) -> cosim.Activity:
    emitted = acc.write(folder)
    codes = acc.executor.trace(acc.encode(x))[acc.hardware.input.name]
    return cosim.run(emitted, cosim.build(emitted), codes, patience=10_000).activity


def test_still_inputs_switch_less(acc: Accelerator, images: np.ndarray, tmp_path: Path) -> None:
    moving, still = activity(acc, images, tmp_path), activity(acc, np.repeat(images[:1], len(images), axis=0), tmp_path)
    names = {node.name for node in acc.design.nodes}
    assert moving.bits == still.bits
    assert set(moving.bits) == set(moving.toggles) == names
    assert 0 < moving.cycles <= len(images) * acc.timing.interval
    assert 0.01 < still.rate() < moving.rate() < 1
    assert all(0 <= moving.rate(name) <= 1 for name in names)


def test_one_frame_says_nothing(acc: Accelerator, images: np.ndarray, tmp_path: Path) -> None:
    counted = activity(acc, images[:1], tmp_path)
    with pytest.raises(ValueError, match="two frames"):
        power.estimate(acc.design, counted, {}, acc.timing.interval)


def test_watts(acc: Accelerator) -> None:
    """One node of known cells that switch in a quarter of the cycles at 100 MHz; the others have none."""
    design = replace(acc.design, clock_mhz=100.0)
    names = [node.name for node in design.nodes]
    node = next(node for node in design.nodes if node.block.module == "mvu")
    cells = {name: Resources() for name in names} | {node.name: Resources(lut=1000, ff=2000, carry4=10, bram36=4.5, dsp=3)}
    counted = cosim.Activity(1000, dict.fromkeys(names, 40), dict.fromkeys(names, 10_000))
    interval = 4 * node.block.cycles
    found = power.estimate(design, counted, cells, interval)
    expected = {
        "lut": 1000 * 0.15e-12 * 25e6,
        "ff": 2000 * 0.05e-12 * 25e6,
        "carry4": 10 * 4 * 0.1e-12 * 25e6,
        "bram36": 4.5 * 15e-12 * 25e6,
        "dsp": 3 * 10e-12 * 25e6,
        "clock": 2000 * 0.015e-12 * 100e6 + 50e-12 * 100e6,
    }
    assert found.dynamic_w == pytest.approx(expected)
    assert found.layers_w[node.layer] == pytest.approx(sum(expected.values()) - 50e-12 * 100e6)
    assert (found.toggle_rate, found.cycles, found.fps) == (0.25, 1000, 100e6 / interval)
    assert found.energy_j == pytest.approx((0.15 + sum(expected.values())) * interval / 100e6)
