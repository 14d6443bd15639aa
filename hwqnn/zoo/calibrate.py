"""What stands in for training in a model that has none: batch norm statistics gathered from images, so that its random layers' outputs vary."""

from __future__ import annotations

import torch
from torch import nn


def gather_statistics(model: nn.Module, x: torch.Tensor) -> None:
    """Sets the running statistics of every batch norm to those of one batch (Ioffe and Szegedy 2015), layer by layer.

    Args:
        x: float, shape (N, ...), as the model takes it.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average, here of one batch
    training = model.training
    with torch.no_grad():
        model.train()(x)
    model.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
