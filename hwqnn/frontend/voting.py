"""Votes of ensembles: the layers that count them, which neither torch nor Brevitas has, and what the one that is no sum means."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import torch
from torch import nn

from hwqnn import ir
from hwqnn.errors import InputError
from hwqnn.frontend import joins
from hwqnn.frontend.registry import REGISTRY, Call
from hwqnn.frontend.symbolic import Symbol


class Vote(nn.Module):
    """What decides between members.

    Args:
        weights: of the members, integers above 0.

    Raises:
        InputError: the weights are not such.
    """

    weights: torch.Tensor

    def __init__(self, weights: Sequence[int]) -> None:
        super().__init__()
        if not len(weights) or any(int(w) != w or w < 1 for w in weights):
            raise InputError(f"weights {list(weights)} of a vote: they must be integers above 0, one for each member")
        self.register_buffer("weights", torch.tensor([int(w) for w in weights]))


class HardVote(Vote):
    """Counts, for each class, the weight of the members whose best class it is. A member's tie goes to the lowest index, as argmax has it."""

    def forward(self, *scores: torch.Tensor) -> torch.Tensor:
        """Votes (N, classes), whole numbers in the dtype of the scores, from each member's scores (N, classes)."""
        votes = torch.zeros_like(scores[0])
        for weight, member in zip(self.weights, scores, strict=True):
            votes.scatter_add_(1, member.argmax(1, keepdim=True), weight.to(votes.dtype).expand(len(votes), 1))
        return votes


class SoftVote(Vote):
    """The weighted sum of the members' scores. To be lowered, their scales must have a common integer one, as those of binary last layers do."""

    def forward(self, *scores: torch.Tensor) -> torch.Tensor:
        """Sums (N, classes) of each member's scores (N, classes)."""
        return reduce(torch.add, [weight * member for weight, member in zip(self.weights.tolist(), scores, strict=True)])


@REGISTRY.layer(HardVote)
@REGISTRY.joining
def hard_vote(call: Call) -> Symbol:
    """Each member's argmax, side by side, then the count of their votes."""
    builder, place, name = call.builder, call.place, call.place.op_name
    members = len(call.args)
    if len(call.operands) != members:
        raise call.fail(f"the scores of {members - len(call.operands)} of its {members} members do not come from the input")
    if len(sizes := list(dict.fromkeys(x.size for x in call.operands))) > 1:
        raise call.fail(f"its members tell {' and '.join(map(str, sizes))} classes apart")
    labels = []
    for x in call.operands:
        if x.index.ndim != 1 or not x.whole:
            raise call.fail(f"the scores after {x.last} are no whole vector (N, classes) in their own order")
        scores = builder.flat(x, place)
        op = ir.Decide(name=builder.fresh(f"{name}.label"), inputs=(scores.producer,), chain=scores.chain)
        labels.append(builder.add(op, last=str(place)))
    all_labels = reduce(lambda a, b: joins.concat(builder, place, f"{name}.labels", a, b), labels)
    weight = call.module.weights.cpu().numpy().astype(np.int64)
    return builder.add(ir.Vote(name=builder.fresh(name), inputs=(all_labels.producer,), weight=weight, classes=sizes[0]), last=str(place))
