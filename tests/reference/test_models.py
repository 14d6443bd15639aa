"""The built-in models, imported and lowered, on real images: the executor's labels are those of the Brevitas module."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hwqnn import data, zoo
from hwqnn.frontend import import_brevitas
from hwqnn.passes import lower
from hwqnn.reference import Executor


@pytest.mark.parametrize("name", zoo.MODELS)
def test_labels_are_those_of_brevitas(name: str) -> None:
    images = data.load("mnist")
    model = zoo.load(name)
    real = torch.from_numpy(images.real()).flatten(1)
    with torch.inference_mode():
        expected = model(real).argmax(1).numpy()
    executor = Executor(lower(import_brevitas(model, real[:1], name=name)))
    x = images.x.reshape(len(images), -1)
    assert (executor.run(x)[:, 0] == expected).all()
    trace = executor.trace(x)
    assert (trace[executor.graph.output][:, 0] == expected).all()
    assert all(np.issubdtype(values.dtype, np.integer) for values in trace.values())
