"""The built-in models, their packed weights and the accuracy they promise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.nn import QuantLinear
from safetensors.torch import save_file

from hwqnn import data, zoo
from hwqnn.errors import InputError
from hwqnn.zoo import weights
from hwqnn.zoo.mlp import BinaryMlp

ACCURACY = {"tfc-w1a1": 0.945, "sfc-w1a1": 0.965, "lfc-w1a1": 0.975}
"""At least so much of the full test set."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch's threads fight for cores with those of tests that run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", zoo.MODELS)
def test_accuracy(name: str) -> None:
    images = data.load("mnist")
    model = zoo.load(name)
    assert not model.training
    with torch.inference_mode():
        labels = model(torch.from_numpy(images.real())[:, None]).argmax(1).numpy()
    spread = 3 * math.sqrt(0.05 * 0.95 / len(images)) if len(images) < 10_000 else 0  # of an excerpt's accuracy around the full set's
    assert (labels == images.y).mean() >= ACCURACY[name] - spread


def test_shapes_and_registry() -> None:
    for name, entry in zoo.MODELS.items():
        assert entry.name == name
        model = zoo.load(name)
        x = torch.rand(3, *entry.input_shape)
        assert model(x).shape == (3, 10)
        assert (model(x) == model(x.reshape(3, 1, 28, 28))).all()
        assert entry.weights is not None
        assert entry.weights.stat().st_size < 500_000


def test_seed_makes_the_random_model_without_touching_the_global_one() -> None:
    bare = zoo.models.ZooModel("bare", lambda: BinaryMlp(4, 3, 2), (4,), zoo.MODELS["tfc-w1a1"].input_scale, "mnist", None)
    before = torch.random.get_rng_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(zoo.MODELS, "bare", bare)
        one, same, other = (zoo.load("bare", seed).output.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_packing_keeps_signs_shapes_and_scores(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BinaryMlp(13, 5, 7, 3)
    with torch.no_grad():
        model.output.weight[0, :3] = torch.tensor([0.0, -0.0, -1e-30])
    model(torch.rand(20, 13))  # moves the running statistics
    model.eval()
    x = torch.rand(50, 13)
    before = model(x)
    weights.save(model, tmp_path / "w.safetensors")
    loaded = BinaryMlp(13, 5, 7, 3).eval()
    loaded.load_state_dict(weights.load(tmp_path / "w.safetensors"))
    assert torch.equal(loaded(x), before)
    for old, new in zip(model.modules(), loaded.modules(), strict=True):
        if isinstance(old, QuantLinear):
            expected = [[1.0 if w >= 0 else -1.0 for w in row] for row in old.weight.tolist()]
            assert new.weight.tolist() == expected


def test_bad_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'tfc-w1a1'"):
        zoo.load("tfc-w1a2")
    with pytest.raises(InputError, match="there are tfc-w1a1"):
        zoo.load("resnet")
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(tmp_path / "gone.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(tmp_path / "bad.safetensors")
    save_file({"w": torch.from_numpy(np.zeros(3, np.uint8))}, tmp_path / "short.safetensors", {"w": "5x7"})
    with pytest.raises(InputError, match="24 bits in 'w' are not its shape 5x7"):
        weights.load(tmp_path / "short.safetensors")
