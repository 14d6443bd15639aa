"""Batch norms behind stochastic quantizers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def settle_norms(model: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Sets the running statistics of every batch norm to the mean over batches of those that the layers in front of it have in eval mode.

    In training they gathered those of drawn weights and activations, whose variance is another: without this a network of stochastic
    quantizers falls apart in eval mode. `model` is in eval mode afterwards.

    Args:
        inputs: batches (N, ...), float, as the model takes them.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
        norm.train()
    for x in inputs:
        model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
