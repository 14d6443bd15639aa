"""The registry of built-in models."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import nn

from hwqnn.errors import InputError
from hwqnn.zoo import weights
from hwqnn.zoo.mlp import BinaryMlp

_WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ZooModel:
    """A built-in model.

    Attributes:
        name: what the user calls it.
        factory: makes the module, with random weights.
        input_shape: of an input without the batch axis.
        input_scale: the real value of an integer step of the input.
        dataset: the built-in data set it was trained on.
        weights: its trained weights, None if it has none.
    """

    name: str
    factory: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    input_scale: Fraction
    dataset: str
    weights: Path | None


def _mnist_mlp(name: str, *hidden: int) -> ZooModel:
    path = _WEIGHTS / f"{name}.safetensors"
    return ZooModel(name, partial(BinaryMlp, 784, *hidden, 10), (784,), Fraction(1, 255), "mnist", path if path.exists() else None)


MODELS: dict[str, ZooModel] = {
    model.name: model
    for model in (
        _mnist_mlp("tfc-w1a1", 64, 64, 64),
        _mnist_mlp("sfc-w1a1", 256, 256, 256),
        _mnist_mlp("lfc-w1a1", 1024, 1024, 1024),
    )
}
"""Every built-in model by its name. The three are the fully connected topologies of FINN (Umuroglu et al. 2017)."""


def load(name: str, seed: int = 0) -> nn.Module:
    """The built-in model `name` in eval mode, with its trained weights, or without any with the random ones that `seed` gives.

    Raises:
        InputError: there is no such model.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(MODELS)}"
        raise InputError(f"no built-in model '{name}'; {hint}")
    entry = MODELS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = entry.factory()
    if entry.weights:
        model.load_state_dict(weights.load(entry.weights))
    return model.eval()
