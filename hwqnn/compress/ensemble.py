"""Ensembles of small networks (BENN: Zhu, Dong and Su, "Binary Ensemble Neural Network", CVPR 2019): bagging, boosting, and a vote.

In hardware the members run side by side on a fork of the input, and the votes are counted behind them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import nn

from hwqnn.data import Dataset
from hwqnn.errors import CheckError, InputError
from hwqnn.frontend.voting import HardVote, SoftVote, Vote
from hwqnn.software import one_thread

WEIGHT_BITS = 4
"""Of a member's voting weight, unless asked otherwise."""


VOTES: dict[str, type[Vote]] = {"hard": HardVote, "soft": SoftVote}
"""What decides, by the name of `Ensemble`'s argument."""


class Ensemble(nn.Module):
    """Members that see the same input, and a vote. The class of the most votes wins; a tie goes to the lowest index, as argmax has it everywhere.

    Args:
        members: each from an input to scores (N, classes), for the same classes.
        weights: of the members, integers; all 1 when None.
        vote: "hard" counts the weight of the members whose best class it is, "soft" sums the weighted scores.

    Raises:
        InputError: there are no members, not as many weights as members, or they are not legal; or the vote is of no such kind.
    """

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[int] | None = None, vote: str = "hard") -> None:
        super().__init__()
        weights = [1] * len(members) if weights is None else weights
        if not len(members) or len(weights) != len(members):
            raise InputError(f"{len(weights)} weights for {len(members)} members: an ensemble has one member or more, and a weight for each")
        if vote not in VOTES:
            raise InputError(f"vote '{vote}': expected {' or '.join(VOTES)}")
        self.members = nn.ModuleList(members)
        self.vote = VOTES[vote](weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What each class got, float (N, classes)."""
        return self.vote(*(member(x) for member in self.members))

    def first(self, count: int) -> Ensemble:
        """The ensemble of the first `count` members, which it shares with this one."""
        kind = next(name for name, vote in VOTES.items() if type(self.vote) is vote)
        return Ensemble(list(self.members)[:count], in_lowest_terms(self.vote.weights.tolist()[:count]), kind)


class Trainer(Protocol):
    """How a member learns, such as by `hwqnn.train.fit`."""

    def __call__(self, model: nn.Module, data: Dataset, member: int) -> nn.Module:
        """Trains the model on the data, and gives it in eval mode. `member` counts from 0, for seeds and progress."""


@dataclass(frozen=True)
class Plan:
    """How to make an ensemble.

    Attributes:
        members: how many.
        sequential: each member but the first starts from the weights of the one before, else from new ones.
        weight_bits: of the voting weights of boosting, which are rounded to integers from 1 to 2^bits - 1.
        seed: of the samples that are drawn.

    Raises:
        InputError: a number is not legal.
    """

    members: int
    sequential: bool = False
    weight_bits: int = WEIGHT_BITS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.members < 1:
            raise InputError(f"{self.members} members: an ensemble has at least one")
        if not 1 <= self.weight_bits <= 16:
            raise InputError(f"voting weights of {self.weight_bits} bits: expected 1 to 16")

    def start(self, make: Callable[[int], nn.Module], trained: Sequence[nn.Module]) -> nn.Module:
        """What the member after `trained` starts as."""
        return copy.deepcopy(trained[-1]) if self.sequential and trained else make(len(trained))


def bag(make: Callable[[int], nn.Module], fit: Trainer, data: Dataset, plan: Plan) -> Ensemble:
    """Bagging (Breiman 1996; BENN): each member learns from as many images as there are, drawn with replacement; all votes weigh 1.

    Args:
        make: a new network for member number 0, 1, ...
    """
    rng = np.random.default_rng(plan.seed)
    members: list[nn.Module] = []
    for number in range(plan.members):
        members.append(fit(plan.start(make, members), _sample(data, rng), number))
    return Ensemble(members)


def boost(make: Callable[[int], nn.Module], fit: Trainer, data: Dataset, plan: Plan) -> Ensemble:
    """Boosting by AdaBoost SAMME (Zhu, Zou, Rosset and Hastie 2009, algorithm 2; BENN): each member's images are drawn by their weights.

    A member of weighted error e has the vote log((1 - e) / e) + log(classes - 1); the weight of each image that it gets wrong grows by exp of that.

    Args:
        make: a new network for member number 0, 1, ...
    Raises:
        CheckError: a member is no better than chance, so that it has no vote.
    """
    rng = np.random.default_rng(plan.seed)
    members: list[nn.Module] = []
    votes: list[float] = []
    importance, classes = np.full(len(data), 1 / len(data)), int(data.y.max()) + 1
    for number in range(plan.members):
        member = fit(plan.start(make, members), _sample(data, rng, importance), number)
        wrong = labels(member, data) != data.y
        vote = samme(float(importance[wrong].sum()), classes, len(data))
        if vote <= 0:
            raise CheckError(f"member {number + 1} of {plan.members} is no better than chance on images weighed as now: train longer, or boost fewer")
        importance = importance * np.exp(vote * wrong)
        importance /= importance.sum()
        members.append(member)
        votes.append(vote)
    return Ensemble(members, integer_weights(votes, plan.weight_bits))


def samme(error: float, classes: int, images: int) -> float:
    """The vote of a member of this weighted error (SAMME, algorithm 2, c). None of `images` wrong counts as half of one, and so does none right."""
    error = min(max(error, 0.5 / images), 1 - 0.5 / images)
    return math.log((1 - error) / error) + math.log(classes - 1)


def integer_weights(votes: Sequence[float], bits: int) -> list[int]:
    """The votes, all above 0, in units in which the greatest is 2^bits - 1, rounded, and at least 1; in lowest terms."""
    most = max(votes)
    return in_lowest_terms([max(1, round(vote / most * (2**bits - 1))) for vote in votes])


def in_lowest_terms(weights: Sequence[int]) -> list[int]:
    """The least integers in the same proportion."""
    common = math.gcd(*weights)
    return [weight // common for weight in weights]


def labels(model: nn.Module, data: Dataset, batch: int = 1000) -> np.ndarray:
    """The model's classes in eval mode, int64 (N,), for images as float32 (N, C, H, W), a grey one with one channel."""
    found = []
    training = model.training
    model.eval()
    with one_thread(), torch.no_grad():
        for start in range(0, len(data), batch):
            x = torch.from_numpy(replace(data, x=data.x[start : start + batch], y=data.y[start : start + batch]).real())
            found.append(model(x.unsqueeze(1) if x.ndim == 3 else x).argmax(1).numpy())
    model.train(training)
    return np.concatenate(found)


def _sample(data: Dataset, rng: np.random.Generator, importance: np.ndarray | None = None) -> Dataset:
    """As many images as there are, drawn with replacement."""
    drawn = rng.choice(len(data), len(data), p=importance)
    return replace(data, x=data.x[drawn], y=data.y[drawn])
