"""The small file form of a quantized network's weights: safetensors, in which each quantized weight is its packed integer codes and its scale.

Such a weight is a one-dimensional uint8 tensor of packed bits under its own name, a float32 scale under `NAME.scale`, and a line of JSON in the
file's metadata: {"shape": [64, 784], "bits": 1, "low": -1, "step": 2}. Element i in row-major order is code low + step * u, where u is the unsigned
integer in bits [i * bits, (i + 1) * bits), its highest bit first.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from hwqnn.errors import InputError


@dataclass(frozen=True)
class _Packing:
    shape: tuple[int, ...]
    bits: int
    low: int
    step: int

    def pack(self, codes: np.ndarray) -> np.ndarray:
        levels = ((codes.reshape(-1, 1) - self.low) // self.step) >> np.arange(self.bits - 1, -1, -1)
        return np.packbits(levels.astype(np.uint8) & 1)

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """float32 codes. Raises `ValueError` when the packed bits are not as many as the shape says."""
        bits, size = np.unpackbits(packed), math.prod(self.shape) * self.bits
        if not size <= len(bits) < size + 8:
            raise ValueError(f"{len(bits)} packed bits are not {self.bits} for each element of shape {self.shape}")
        levels = bits[:size].reshape(-1, self.bits) @ (1 << np.arange(self.bits - 1, -1, -1))
        return (self.low + self.step * levels).astype(np.float32).reshape(self.shape)


def save(model: nn.Module, path: Path) -> None:
    """Writes the state of `model`, packing the weights of its quantized layers.

    Raises:
        InputError: a layer's quantizer makes other codes or scales of the weights as they would be read back.
    """
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    notes = {}
    for name, layer in model.named_modules():
        if isinstance(layer, QuantWeightBiasInputOutputLayer) and layer.weight_quant.is_quant_enabled:
            codes, scale = _quantized(layer)
            key = f"{name}.weight"
            binary = bool((abs(codes) == 1).all())
            low, high = (-1, 1) if binary else (int(codes.min()), int(codes.max()))
            step = 2 if binary else 1
            packing = _Packing(codes.shape, max(1, ((high - low) // step).bit_length()), low, step)
            state[key], state[f"{key}.scale"] = torch.from_numpy(packing.pack(codes)), scale
            notes[key] = json.dumps(asdict(packing))
            _check(name, layer, codes, scale)
    save_file(state, path, notes)


def load(path: Path) -> dict[str, torch.Tensor]:
    """The state_dict in a file that `save` wrote; a packed weight comes as float32 code * scale.

    Raises:
        InputError: the file cannot be read, or a packed weight is not as long as its shape says.
    """
    try:
        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
        state = load_file(path)
        for name, note in notes.items():
            packing = _Packing(**json.loads(note))
            codes = torch.from_numpy(packing.unpack(state[name].numpy()))
            state[name] = codes * state.pop(f"{name}.scale")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"weights '{path}' cannot be read: {error}") from error
    return state


def _quantized(layer: nn.Module) -> tuple[np.ndarray, torch.Tensor]:
    with torch.no_grad():
        weight = layer.quant_weight()
    scale = weight.scale.detach().clone()
    return torch.round(weight.value / scale).to(torch.int64).numpy(), scale


def _check(name: str, layer: nn.Module, codes: np.ndarray, scale: torch.Tensor) -> None:
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(codes).float() * scale)
        again, scale_again = _quantized(layer)
        layer.weight.copy_(before)
    if not np.array_equal(again, codes) or not torch.equal(scale_again, scale):
        raise InputError(f"layer '{name}': its weights as read back would quantize otherwise, so they cannot be packed; learn its scale, or fix it")
