"""The registry of built-in models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch
from torch import nn

from hwqnn import data
from hwqnn.words import choose
from hwqnn.zoo import weights
from hwqnn.zoo.bnn import BnnCifar10
from hwqnn.zoo.calibrate import gather_statistics
from hwqnn.zoo.cnn import BinaryCnn, FewBitCnn
from hwqnn.zoo.cnv import Cnv
from hwqnn.zoo.dorefa import DorefaSvhn
from hwqnn.zoo.fcn import BitFcn
from hwqnn.zoo.lenet import LeNet5, LeNet300
from hwqnn.zoo.mlp import BinaryMlp
from hwqnn.zoo.mobilenet import MobileNet
from hwqnn.zoo.resnet import ResNet8
from hwqnn.zoo.tiny import TinyCnn

_WEIGHTS = Path(__file__).parent / "weights"
_CALIBRATION = 64
"""Images that an untrained model's batch norm statistics come from."""


@dataclass(frozen=True)
class ZooModel:
    """A built-in model.

    Attributes:
        name: what the user calls it.
        factory: makes the module, with random weights.
        input_shape: of an input without the batch axis.
        input_scale: the real value of an integer step of the input.
        dataset: the built-in data set it was trained on, or that suits its input.
        weights: its trained weights, None if it has none.
    """

    name: str
    factory: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    input_scale: Fraction
    dataset: str
    weights: Path | None


_DIGIT, _COLOUR = (1, 28, 28), (3, 32, 32)


def _model(name: str, factory: Callable[[], nn.Module], input_shape: tuple[int, ...], dataset: str) -> ZooModel:
    path = _WEIGHTS / f"{name}.safetensors"
    return ZooModel(name, factory, input_shape, Fraction(1, 255), dataset, path if path.exists() else None)


MODELS: dict[str, ZooModel] = {
    model.name: model
    for model in (
        _model("tfc-w1a1", partial(BinaryMlp, 784, 64, 64, 64, 10), (784,), "mnist"),  # the first three: FINN (Umuroglu et al. 2017)
        _model("sfc-w1a1", partial(BinaryMlp, 784, 256, 256, 256, 10), (784,), "mnist"),
        _model("lfc-w1a1", partial(BinaryMlp, 784, 1024, 1024, 1024, 10), (784,), "mnist"),
        _model("cnv-w1a1", partial(Cnv, 1, 1), _COLOUR, "cifar10"),
        _model("cnv-w1a2", partial(Cnv, 1, 2), _COLOUR, "cifar10"),
        _model("cnv-w2a2", partial(Cnv, 2, 2), _COLOUR, "cifar10"),
        _model("bnn-cifar10", BnnCifar10, _COLOUR, "cifar10"),
        _model("dorefa-svhn", DorefaSvhn, _COLOUR, "cifar10"),
        _model("resnet-w4a4", ResNet8, _COLOUR, "cifar10"),
        _model("mobilenet-w4a4", MobileNet, _COLOUR, "cifar10"),
        _model("fcn-w2a2", partial(BitFcn, 11, 2), _DIGIT, "mnist-pixels"),
        _model("lenet-300-100", LeNet300, (784,), "mnist"),
        _model("lenet-5", LeNet5, _DIGIT, "mnist"),
        _model("mnist-cnn-w1a1", BinaryCnn, _DIGIT, "mnist"),
        _model("tiny-cnn-a1", partial(TinyCnn, 8, 16, 1), _DIGIT, "mnist"),
        _model("tiny-cnn-a2", partial(TinyCnn, 8, 16, 2), _DIGIT, "mnist"),
        _model("fashion-cnn-w2a2", FewBitCnn, _DIGIT, "fashion-mnist"),
    )
}
"""Every built-in model by its name."""


def load(name: str, seed: int = 0) -> nn.Module:
    """The built-in model `name` in eval mode, with its trained weights.

    A model without any has the random ones that `seed` gives, and batch norm statistics from the first images of its data set.

    Raises:
        InputError: there is no such model.
    """
    entry = choose("built-in model", name, MODELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = entry.factory()
    if entry.weights:
        model.load_state_dict(weights.load(entry.weights))
    else:
        images = data.excerpt(entry.dataset).real()[:_CALIBRATION]
        gather_statistics(model, torch.from_numpy(images).reshape(-1, *entry.input_shape))
    return model.eval()
