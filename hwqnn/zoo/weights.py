"""The small file form of a binary network's weights: safetensors, with each binary weight as one bit, its sign.

Such a weight is a one-dimensional uint8 tensor of packed bits (1 where w >= 0, first weight in the highest bit), and the file's
metadata holds its shape under its name, as "64x784".
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from brevitas.core.quant import BinaryQuant, ClampedBinaryQuant
from brevitas.nn import QuantLinear
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from hwqnn.errors import InputError


def save(model: nn.Module, path: Path) -> None:
    """Writes the state of `model`, packing the weights of its binary linear layers."""
    state = model.state_dict()
    shapes = {}
    for name, layer in model.named_modules():
        if isinstance(layer, QuantLinear) and isinstance(layer.weight_quant.tensor_quant, BinaryQuant | ClampedBinaryQuant):
            key = f"{name}.weight"
            shapes[key] = "x".join(map(str, state[key].shape))
            state[key] = torch.from_numpy(np.packbits(state[key].numpy() >= 0))
    save_file(state, path, shapes)


def load(path: Path) -> dict[str, torch.Tensor]:
    """The state_dict in a file that `save` wrote; a packed weight comes as float32 -1 and +1.

    Raises:
        InputError: the file cannot be read, or a packed weight is not as long as its shape says.
    """
    try:
        with safe_open(path, "pt") as file:
            shapes = file.metadata() or {}
        return {name: _expand(name, tensor, shapes.get(name)) for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"weights '{path}' cannot be read: {error}") from error


def _expand(name: str, tensor: torch.Tensor, shape: str | None) -> torch.Tensor:
    if shape is None:
        return tensor
    size = tuple(map(int, shape.split("x")))
    bits = np.unpackbits(tensor.numpy())
    if not math.prod(size) <= len(bits) < math.prod(size) + 8:
        raise ValueError(f"{len(bits)} bits in '{name}' are not its shape {shape}")
    return torch.from_numpy(bits[: math.prod(size)].reshape(size) * np.float32(2) - 1)
