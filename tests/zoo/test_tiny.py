"""The smallest classifiers: how few LUTs they are, without block RAM and DSP48s, and that the hardware is the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hwqnn
from hwqnn import data, zoo

WEIGHTLESS = 3464
"""LUTs of the smallest MNIST classifier in the literature above 97.5 %, its encoder included (docs/compression.md)."""


@pytest.mark.parametrize(("name", "most"), [("tiny-cnn-a1", 560), ("tiny-cnn-a2", 640)])
def test_small_and_equal(name: str, most: int) -> None:
    images = data.excerpt("mnist").x[:2]
    model = zoo.load(name)
    real = torch.from_numpy(images.astype(np.float32) / 255).reshape(-1, 1, 28, 28)
    acc = hwqnn.compile(model, real, fps=1000, limits={"bram36": 0, "dsp": 0}, threads=1)
    ran = acc.simulate(images.reshape(-1, 1, 28, 28), jobs=1)
    assert ran.comparison.bits and not ran.comparison.mismatches and ran.as_predicted
    with torch.inference_mode():
        assert (ran.outputs.reshape(-1) == model(real).argmax(1).numpy()).all()
    cells = list(acc.synthesize(jobs=1).values())
    assert sum(c.lut for c in cells) <= most < WEIGHTLESS / 5
    assert sum(c.bram36 + c.dsp for c in cells) == 0
    assert acc.fps >= 1000
