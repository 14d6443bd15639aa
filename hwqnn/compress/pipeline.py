"""Methods one after another on one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hwqnn.compress.method import Batches, Learned, Method, Term
from hwqnn.compress.report import Report
from hwqnn.errors import InputError


@dataclass(frozen=True, eq=False)
class Compressed:
    """What a pipeline made.

    Attributes:
        model: in eval mode.
        reports: one for each method, of the models just before and just after it.
    """

    model: nn.Module
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class Learning:
    """How the methods that learn are trained.

    Attributes:
        train: trains a prepared model with its term, and gives it back.
        examples: the images that it trains on.
    """

    train: Callable[[nn.Module, Term], nn.Module]
    examples: int


def run(
    model: nn.Module,
    methods: Sequence[Method[Any]],
    batches: Batches | None = None,
    finetune: Callable[[nn.Module], nn.Module] | None = None,
    learning: Learning | None = None,
) -> Compressed:
    """Applies the methods in their order; `model` itself is left as it is.

    Args:
        batches: data that methods may look at, such as for gradients.
        finetune: trains a model further and gives it back; called after every method.
        learning: of the methods that are `Learned`.
    Raises:
        InputError: as the methods' plans; or a method learns, and `learning` is None.
    """
    reports = []
    for method in methods:
        start = _learned(model, method, learning) if isinstance(method, Learned) else model
        plan = method.plan(start, batches)
        after = method.apply(start, plan)
        if finetune is not None:
            after = finetune(after)
        reports.append(method.report(model, after, plan))
        model = after
    return Compressed(model, tuple(reports))


def _learned(model: nn.Module, method: Learned[Any], learning: Learning | None) -> nn.Module:
    if learning is None:
        raise InputError(f"{method} is learned in a training: say how")
    prepared, term = method.prepare(model, learning.examples)
    return learning.train(prepared, term)
