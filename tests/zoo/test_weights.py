"""The packed weights: what comes back is the same network, and bad files are one clear error."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from safetensors.torch import load_file, save_file
from torch import nn

from hwqnn.errors import InputError
from hwqnn.frontend import import_brevitas
from hwqnn.ir import files
from hwqnn.zoo import quant, weights


class Small(nn.Module):
    """A convolution and a dense layer."""

    def __init__(self, arguments: dict[str, object]) -> None:
        super().__init__()
        self.conv = nn.Sequential(QuantConv2d(2, 3, 3, **arguments), nn.BatchNorm2d(3), quant.relu(2, 2.0))
        self.fc = QuantLinear(12, 5, **arguments)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).flatten(1))


KINDS = [
    quant.unit_weight(1),
    quant.unit_weight(2),
    quant.unit_weight(4),
    quant.learned_weight(3),
    quant.learned_weight(8),
    quant.fixed_point_weight(4),
]


@pytest.mark.parametrize("arguments", KINDS, ids=lambda a: f"{a['weight_quant'].__name__}-{a.get('weight_bit_width', 1)}")
def test_round_trip_gives_the_same_graph(tmp_path: Path, arguments: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = Small(arguments)
    for p in model.parameters():  # as if trained: learned scales away from where they began, a zero and a negative zero
        p.data *= 1 + 0.2 * torch.rand_like(p)
    with torch.no_grad():
        model.fc.weight[0, :3] = torch.tensor([0.0, -0.0, -1e-30])
        for layer in (model.conv[0], model.fc):
            layer.weight.view(-1)[-1] = 0.49  # the greatest code of fixed point: one of half its size would come back with half the scale
    model(torch.rand(20, 2, 4, 4))  # moves the running statistics
    model.eval()
    path = tmp_path / "w.safetensors"
    weights.save(model, path)
    loaded = Small(arguments).eval()
    loaded.load_state_dict(weights.load(path))
    for number, which in enumerate((model, loaded)):
        files.save(import_brevitas(which, torch.rand(1, 2, 4, 4), name="small"), tmp_path / f"{number}.json")
    assert (tmp_path / "0.json").read_text() == (tmp_path / "1.json").read_text()
    with np.load(tmp_path / "0.npz") as before, np.load(tmp_path / "1.npz") as after:
        assert before.files == after.files
        assert all((before[key] == after[key]).all() for key in before.files)


def test_codes_take_only_their_bits(tmp_path: Path) -> None:
    """Against a packer that writes out the bits one by one."""
    model = nn.Sequential(QuantLinear(5, 3, **quant.unit_weight(2)))
    codes = [[-1, 0, 1, 1, 0], [0, 0, -1, 1, 1], [1, -1, -1, 0, 0]]
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(codes))
    weights.save(model, tmp_path / "w.safetensors")
    text = "".join(f"{code + 1:02b}" for code in itertools.chain(*codes))
    expected = [int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8)]
    assert load_file(tmp_path / "w.safetensors")["0.weight"].tolist() == expected
    assert weights.load(tmp_path / "w.safetensors")["0.weight"].tolist() == codes


def test_weights_that_would_come_back_otherwise_are_refused(tmp_path: Path) -> None:
    """0.27 takes the scale 1/16 and becomes code 4; read back as 0.25 it would take 1/32."""
    model = nn.Sequential(QuantLinear(2, 1, **quant.fixed_point_weight(4)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.27, -0.1]]))
    with pytest.raises(InputError, match=r"layer '0'.*quantize otherwise"):
        weights.save(model, tmp_path / "w.safetensors")
    assert model[0].weight.tolist() == torch.tensor([[0.27, -0.1]]).tolist()
    assert not (tmp_path / "w.safetensors").exists()


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(tmp_path / "gone.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read"):
        weights.load(tmp_path / "bad.safetensors")
    note = '{"shape": [5, 7], "bits": 1, "low": -1, "step": 2}'
    packed = {"w": torch.zeros(3, dtype=torch.uint8), "w.scale": torch.ones(())}
    for tensors, notes, message in [
        (packed, {"w": note}, r"24 packed bits are not 1 for each element of shape \[5, 7\]"),
        ({"w": packed["w"]}, {"w": note}, "cannot be read"),
        (packed, {"v": note}, "cannot be read"),
        (packed, {"w": "5x7"}, "cannot be read"),
        (packed, {"w": '{"shape": [5, 7]}'}, "cannot be read"),
    ]:
        save_file(tensors, tmp_path / "w.safetensors", notes)
        with pytest.raises(InputError, match=message):
            weights.load(tmp_path / "w.safetensors")
