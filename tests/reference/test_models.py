"""The built-in models, imported and lowered, on real images: the executor's labels are those of the Brevitas module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwqnn import data, layout, zoo
from hwqnn.frontend import import_brevitas
from hwqnn.passes import lower
from hwqnn.reference import Executor

IMAGES = 40


@pytest.mark.parametrize("name", zoo.MODELS)
def test_labels_are_those_of_brevitas(name: str) -> None:
    """They may differ where float32 all but ties two classes; or, in few-bit networks, rounds an activation to a tie that is none."""
    images = data.excerpt(zoo.MODELS[name].dataset)
    model = zoo.load(name)
    real = torch.from_numpy(images.real()[:IMAGES]).reshape(IMAGES, *zoo.MODELS[name].input_shape)
    with torch.inference_mode():
        scores = model(real).numpy()
    executor = Executor(lower(import_brevitas(model, real[:1], name=name)))
    x = layout.to_hardware(images.x[:IMAGES], executor.graph.input.shape)
    labels = executor.run(x)[..., 0]
    best = scores.max(axis=1)
    missed = best - np.take_along_axis(scores, labels[:, None], axis=1)[:, 0] > 1e-5 * np.abs(best)
    assert missed.mean() <= (0 if "w1a1" in name else 0.05)
    trace = executor.trace(x)
    assert (trace[executor.graph.output][..., 0] == labels).all()
    assert all(np.issubdtype(values.dtype, np.integer) for values in trace.values())
