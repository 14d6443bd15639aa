"""A trained network's weights as hardware has them: integers and scales, in safetensors. What made them no longer matters.

Layers that were factored are others than those of the recipe: the file's metadata says which, so that they are built before they are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from brevitas.inject import ExtendedInjector
from brevitas.proxy import WeightQuantProxyFromInjector
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hwqnn.compress import factored
from hwqnn.compress.layers import layers
from hwqnn.errors import InputError

_CODES, _SCALE = ".codes", ".scale"
_STRUCTURE = "factored"
"""The key of the metadata that holds `factored.describe`."""


class StoredCodes(nn.Module):
    """A weight quantizer whose answer is stored: integers times a scale. The layer's own weight is what it was made from, and not read."""

    def __init__(self, codes: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        magnitude = int(codes.abs().max()) if codes.numel() else 1
        self.register_buffer("bits", torch.tensor(float(max(2, magnitude.bit_length() + 1))))
        self.register_buffer("zero_point", torch.tensor(0.0))

    def forward(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.codes.to(weight.dtype) * self.scale, self.scale, self.zero_point, self.bits


class StoredWeight(ExtendedInjector):
    """The injector of `StoredCodes`; `codes` and `scale` are its options."""

    proxy_class = WeightQuantProxyFromInjector
    tensor_quant = StoredCodes
    signed = True
    narrow_range = True


def save(model: nn.Module, path: Path) -> None:
    """Writes the weights of every quantized layer as integers and scales, and all else of the state as it is.

    Raises:
        InputError: a quantized weight is not integers times its scale, bit for bit.
    """
    quantized = layers(model.eval())
    state = {key: tensor.contiguous().clone() for key, tensor in model.state_dict().items() if not _of_weight(key, quantized)}
    for name, layer in quantized.items():
        with torch.no_grad():
            weight = layer.quant_weight()
        codes, scale = torch.round(weight.value / weight.scale), weight.scale.detach()
        if not torch.equal(codes * scale, weight.value):
            raise InputError(f"layer '{name}': its weights are not integers times their scale, so they cannot be stored")
        small = next(kind for kind in (torch.int8, torch.int16, torch.int32, torch.int64) if codes.abs().max() <= torch.iinfo(kind).max)
        state[name + _CODES], state[name + _SCALE] = codes.to(small).contiguous(), scale.contiguous().clone()
    structure = factored.describe(model)
    save_file(state, path, {_STRUCTURE: structure} if structure else None)


def load(model: nn.Module, path: Path) -> nn.Module:
    """Gives a freshly made network what `save` wrote, in place; it is in eval mode then, and its weights no longer train.

    What comes back is that network, or the chain that it has become if it was a single layer.

    Raises:
        InputError: the file cannot be read, or is of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            state, structure = {key: file.get_tensor(key) for key in file.keys()}, (file.metadata() or {}).get(_STRUCTURE, "")  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"weights {path} cannot be read: {error}") from error
    model = factored.rebuild(model, structure)
    quantized = layers(model)
    try:
        for name, layer in quantized.items():
            store(layer, state.pop(name + _CODES), state.pop(name + _SCALE))
        result = model.load_state_dict(state, strict=False)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"weights {path} are of another network: {str(error).splitlines()[0]}") from error
    missing = [key for key in result.missing_keys if not _of_weight(key, quantized)]
    if wrong := [*missing, *result.unexpected_keys]:
        raise InputError(f"weights {path} are of another network: '{wrong[0]}' is {'missing' if missing else 'unknown'}")
    return model.eval()


def store(layer: Any, codes: Tensor, scale: Tensor) -> None:
    """Puts integers and their scale in place of a layer's weight quantizer.

    Raises:
        RuntimeError: they are not of the layer's shape.
    """
    with torch.no_grad():
        layer.weight.copy_(codes.to(layer.weight.dtype) * scale)
    layer.weight_quant = WeightQuantProxyFromInjector(layer, StoredWeight.let(codes=codes, scale=scale))


def _of_weight(key: str, quantized: dict[str, Any]) -> bool:
    """Whether a key of a state is a quantized layer's weight, or of what quantizes it."""
    return any(key == f"{name}.weight" or key.startswith(f"{name}.weight_quant.") for name in quantized)
