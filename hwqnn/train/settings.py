"""How a network is trained: the settings of the loop, and the registries that their words choose from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from hwqnn.errors import InputError
from hwqnn.train.augment import AUGMENTATIONS
from hwqnn.words import choose

Parameters = list[dict[str, object]]

OPTIMIZERS: dict[str, Callable[[Parameters, float], torch.optim.Optimizer]] = {
    "adam": lambda parameters, lr: torch.optim.Adam(parameters, lr=lr),
    "adamw": lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr),
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
}
"""Name -> from groups of parameters and the learning rate."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 + 0.5 * math.cos(math.pi * done),
    "exponential": lambda done: 10.0 ** (-3.0 * done),
}
"""Name -> the factor of the learning rate, from the part of the training that is done, in [0, 1)."""


def squared_hinge(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean of max(0, 1 - t s)^2 over scores s and targets t = ±1 (Courbariaux et al. 2016)."""
    target = 2.0 * functional.one_hot(labels, scores.shape[1]).to(scores) - 1.0
    return functional.relu(1.0 - target * scores).square().mean()


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross-entropy": functional.cross_entropy,
    "squared-hinge": squared_hinge,
}
"""Name -> a scalar from scores (N, C) and labels (N,)."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        epochs: passes over the training images.
        batch: images a step.
        optimizer, schedule, loss, augment: words of `OPTIMIZERS`, `SCHEDULES`, `LOSSES` and `AUGMENTATIONS`.
        lr: the greatest learning rate.
        weight_decay: of weights alone; norms and scales have none.
        seed: of the first weights, of every epoch's order of images, and of stochastic quantizers.
        images: how many training images to use, the first ones; None for all.
        threads: of torch. With other threads sums round otherwise, so only the same number gives the same bits.

    Raises:
        InputError: a value is impossible, or a word unknown; the message names the nearest.
    """

    epochs: int = 10
    batch: int = 100
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "cosine"
    loss: str = "cross-entropy"
    weight_decay: float = 0.0
    augment: str = "none"
    seed: int = 0
    images: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "images", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} = {value}: it must be at least 1")
        if self.batch < 2:
            raise InputError(f"batch = {self.batch}: batch norm needs at least 2 images a step")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr = {self.lr:g}: a learning rate is greater than 0")
        if not 0 <= self.weight_decay < 1:
            raise InputError(f"weight_decay = {self.weight_decay:g}: it must be in [0, 1)")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed = {self.seed}: it must be in [0, 2^32)")
        for name, words in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("loss", LOSSES), ("augment", AUGMENTATIONS)):
            choose(name, getattr(self, name), words)

    def rate(self, done: float) -> float:
        """The learning rate when this part of the training is done."""
        return self.lr * SCHEDULES[self.schedule](done)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of the parameters that learn."""
        learning = [p for p in model.parameters() if p.requires_grad]
        groups: Parameters = [
            {"params": [p for p in learning if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return OPTIMIZERS[self.optimizer]([group for group in groups if group["params"]], self.lr)
