"""Methods one after another on one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from hwqnn.compress.method import Batches, Method
from hwqnn.compress.report import Report


@dataclass(frozen=True, eq=False)
class Compressed:
    """What a pipeline made.

    Attributes:
        model: in eval mode.
        reports: one for each method, of the models just before and just after it.
    """

    model: nn.Module
    reports: tuple[Report, ...]


def run(
    model: nn.Module, methods: Sequence[Method[Any]], batches: Batches | None = None, finetune: Callable[[nn.Module], nn.Module] | None = None
) -> Compressed:
    """Applies the methods in their order; `model` itself is left as it is.

    Args:
        batches: data that methods may look at, such as for gradients.
        finetune: trains a model further and gives it back; called after every method.
    Raises:
        InputError: as the methods' plans.
    """
    reports = []
    for method in methods:
        plan = method.plan(model, batches)
        after = method.apply(model, plan)
        if finetune is not None:
            after = finetune(after)
        reports.append(method.report(model, after, plan))
        model = after
    return Compressed(model, tuple(reports))
