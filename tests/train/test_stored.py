"""Stored weights: any quantizer's network comes back with the same scores, bit for bit; files of something else are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hwqnn import quant, zoo
from hwqnn.errors import InputError
from hwqnn.train import Cnn, Quantizer
from hwqnn.train.stored import load, save
from hwqnn.zoo.calibrate import gather_statistics


def network(weight: Quantizer, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Cnn([1, 6, 6], [4], 3, weight, Quantizer("relu", 2), dense=[5])


@pytest.mark.parametrize("name", sorted(set(quant.WEIGHTS)))
def test_every_quantizers_network_comes_back(name: str, tmp_path: Path) -> None:
    family = quant.WEIGHTS[name]
    model, x = network(Quantizer(name, family.bits[len(family.bits) // 2])), torch.rand(20, 1, 6, 6)
    gather_statistics(model, x)
    save(model, tmp_path / "a.safetensors")
    again = load(network(Quantizer(name, family.bits[len(family.bits) // 2]), seed=1), tmp_path / "a.safetensors")
    assert torch.equal(model.eval()(x), again(x))
    for layer, stored in ((model.output, again.output), (model.conv[0][0], again.conv[0][0])):
        assert torch.equal(layer.quant_weight().value, stored.quant_weight().value)
        assert torch.equal(layer.quant_weight().scale, stored.quant_weight().scale)
    assert not any("latent" in key or key.endswith(".weight_quant") for key in load_file(tmp_path / "a.safetensors"))


def test_built_in_models_come_back(tmp_path: Path) -> None:
    model, x = zoo.load("lenet-300-100"), torch.rand(20, 1, 28, 28)
    save(model, tmp_path / "a.safetensors")
    assert torch.equal(load(zoo.MODELS["lenet-300-100"].factory(), tmp_path / "a.safetensors")(x), model(x))


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    sign = Quantizer("sign")
    save(network(sign), path)
    state = load_file(path)
    other = Cnn([1, 6, 6], [4, 4], 3, sign, Quantizer("relu", 2), dense=[5])
    wider = Cnn([1, 6, 6], [5], 3, sign, Quantizer("relu", 2), dense=[5])
    for model in (other, wider):
        with pytest.raises(InputError, match="of another network"):
            load(model, path)
    save_file({**state, "more": torch.ones(1)}, path)
    with pytest.raises(InputError, match="'more' is unknown"):
        load(network(sign), path)
    save_file({key: value for key, value in state.items() if not key.endswith("running_mean")}, path)
    with pytest.raises(InputError, match="running_mean' is missing"):
        load(network(sign), path)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        load(network(sign), path)
