"""The training loop. What is random in an epoch is drawn from seeds of that epoch, so a run that stopped goes on bit for bit from its last one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from hwqnn.compress.layers import hold_zeros
from hwqnn.data import Dataset
from hwqnn.errors import CheckError, InputError
from hwqnn.quant import clip_latent_weights
from hwqnn.train import checkpoint as checkpoints
from hwqnn.train.augment import AUGMENTATIONS
from hwqnn.train.images import Images
from hwqnn.train.settings import LOSSES, Settings

if TYPE_CHECKING:
    from hwqnn.compress.method import Term

_EPOCHS = 1 << 20
"""More epochs than any run has: seeds of an epoch are seed * _EPOCHS + epoch."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch did.

    Attributes:
        epoch: from 1.
        loss: the mean over its steps, terms included.
        train_accuracy: percent, of the images as they were trained on (augmented, and by a network that still changed).
        test_accuracy: percent of the whole test set, behind the epoch.
        seconds: of training and testing.
    """

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model in eval mode, its epochs, and its accuracy: percent of the test set behind the last epoch (no epoch is chosen by it)."""

    model: nn.Module
    history: tuple[Epoch, ...]
    accuracy: float


Progress = Callable[[Epoch, float], None]
"""Told after every epoch: what it did, and about how many seconds are left."""


def fit(
    model: nn.Module,
    train: Dataset,
    test: Dataset,
    settings: Settings,
    *,
    input_scale: Fraction | None = None,
    terms: Sequence[Term] = (),
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Trains `model` in place.

    Args:
        train, test: images go in as float32 (N, C, H, W), a grey one with one channel; other inputs as they are.
        input_scale: the real value of an integer step; None for the data's own.
        terms: each adds `term(model)` to the loss and is told of every epoch before it begins, by `step(model, epoch, epochs)`, epoch from 0.
        checkpoint: a file that is written before the first epoch and after each; if it is there, the training goes on from it.
        progress: told after every epoch.
    Raises:
        InputError: the data do not fit the model or each other; the checkpoint cannot be read, or is of other settings or another network.
        CheckError: the loss, or a weight after an epoch, is NaN or infinite; the checkpoint before that epoch is kept.
    """
    images, tests = Images.of(train, settings.images, input_scale), Images.of(test, scale=input_scale)
    if len(images) < settings.batch:
        raise InputError(f"batch = {settings.batch}, but there are only {len(images)} training images")
    history: list[Epoch] = []
    if checkpoint is not None and checkpoint.exists():
        optimizer, finished = checkpoints.load(checkpoint, model, settings)
        history = [Epoch(**epoch) for epoch in finished]
    else:
        optimizer = settings.make_optimizer(model)
        if checkpoint is not None:
            checkpoints.save(checkpoint, model, optimizer, settings, [])
    with _repeatable(settings.threads):
        for number in range(len(history), settings.epochs):
            start = time.perf_counter()
            torch.manual_seed(settings.seed * _EPOCHS + number)
            for term in terms:
                term.step(model, number, settings.epochs)
            loss, right = _train(model, images, optimizer, settings, terms, number, checkpoint)
            _check_weights(model, number, checkpoint)
            accuracy = evaluate(model, tests)
            history.append(Epoch(number + 1, loss, right, accuracy, time.perf_counter() - start))
            if checkpoint is not None:
                checkpoints.save(checkpoint, model, optimizer, settings, history)
            if progress is not None:
                progress(history[-1], (settings.epochs - number - 1) * sum(e.seconds for e in history) / len(history))
    return Fitted(model.eval(), tuple(history), history[-1].test_accuracy)


def evaluate(model: nn.Module, images: Images, batch: int = 1000) -> float:
    """Percent of the images that the model labels right, in eval mode; its mode is as before afterwards."""
    training = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in images.batches(batch):
            right += int((model(x).argmax(1) == y).sum())
    model.train(training)
    return 100.0 * right / len(images)


def _train(
    model: nn.Module, images: Images, optimizer: torch.optim.Optimizer, settings: Settings, terms: Sequence[Term], number: int, kept: Path | None
) -> tuple[float, float]:
    """One epoch: the mean loss, and the percent of the images that were labelled right. What is left of a batch waits for another order."""
    generator = torch.Generator().manual_seed(settings.seed * _EPOCHS + number)
    augment, measure = AUGMENTATIONS[settings.augment], LOSSES[settings.loss]
    order = torch.randperm(len(images), generator=generator)
    steps = len(images) // settings.batch
    total, right = 0.0, 0
    model.train()
    for step in range(steps):
        x, y = images.take(order[step * settings.batch : (step + 1) * settings.batch], lambda raw: augment(raw, generator))
        for group in optimizer.param_groups:
            group["lr"] = settings.rate((number + step / steps) / settings.epochs)
        scores = model(x)
        loss = sum((term(model) for term in terms), measure(scores, y))
        value = loss.item()
        if value != value or abs(value) == float("inf"):
            raise CheckError(_diverged(f"the loss became {value} in epoch {number + 1}, step {step + 1}", kept, number))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        clip_latent_weights(model)
        hold_zeros(model)
        total += value
        right += int((scores.detach().argmax(1) == y).sum())
    return total / steps, 100.0 * right / (steps * settings.batch)


def _check_weights(model: nn.Module, number: int, kept: Path | None) -> None:
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckError(_diverged(f"'{name}' holds NaN or infinity after epoch {number + 1}", kept, number))


def _diverged(what: str, kept: Path | None, number: int) -> str:
    where = f"; the last good checkpoint, after {number} epochs, stays in {kept}" if kept is not None else ""
    return f"{what}: the training diverged{where}. A lower lr, or a gentler quantizer, may help"


@contextmanager
def _repeatable(threads: int) -> Iterator[None]:
    """Torch's generator and threads are the caller's again afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)
