"""A recipe from beginning to end: a folder with the trained network, its checkpoints, its report, and a factory that `hwqnn build` takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from hwqnn import compress, data
from hwqnn.data import Dataset
from hwqnn.errors import CheckError, InputError
from hwqnn.train import report, stored, workers
from hwqnn.train.images import Images
from hwqnn.train.loop import Epoch, evaluate, fit
from hwqnn.train.network import Cnn, Mlp
from hwqnn.train.recipe import Recipe, Step
from hwqnn.train.report import Compression, Phase, Report
from hwqnn.train.settings import Settings

RECIPE, CHECKPOINT, FACTORY = "recipe.toml", "checkpoint.pt", "model.py"
TRAINED, COMPRESSED = "trained", "compressed"
_LOOKED_AT = 5_000
"""The most training images that a method looks at: what it takes from them are means, such as the Fisher information. Fine-tuning sees all."""
_COMPARED = 64
"""Test images on which what was stored is compared with what was trained."""
_FACTORY = '''"""The network of this folder, as `hwqnn train` and `hwqnn compress` left it: hwqnn build {folder}/model.py:{what} --data {data}"""

from pathlib import Path

from hwqnn.train import load


def trained():
    return load(Path(__file__).parent, "trained")


def compressed():
    return load(Path(__file__).parent, "compressed")
'''


class Progress(Protocol):
    """Where a run says what it is doing."""

    def note(self, text: str) -> None:
        """A phase begins, or has found something."""

    def epoch(self, epoch: Epoch, epochs: int, left: float) -> None:
        """An epoch of `epochs` is done; about `left` seconds remain of its phase."""


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None: ...
    def epoch(self, epoch: Epoch, epochs: int, left: float) -> None: ...


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: the model in eval mode, its report, its folder, and what `hwqnn build` takes as its MODEL."""

    model: nn.Module
    report: Report
    folder: Path
    factory: str


def run(recipe: Recipe, out: Path, *, resume: bool = False, compressing: bool = False, progress: Progress | None = None) -> Run:
    """Trains what a recipe says and, if asked, compresses it; writes model, checkpoints and report into the folder `out`.

    Args:
        resume: go on with a training that `out` holds. A compression always goes on from what is there.
        compressing: run the recipe's steps of compression, too.
    Raises:
        InputError: the recipe has nothing to do, or does not fit its data; `out` holds another run, or one that was not asked to go on.
        CheckError: the training diverged; or what was stored is not what was trained.
    """
    progress = progress or Silent()
    if recipe.train is None and not compressing:
        raise InputError(f"recipe '{recipe.name}' has no table [train]; it starts from trained weights, for `hwqnn compress`")
    if compressing and not recipe.steps:
        raise InputError(f"recipe '{recipe.name}' has no table [[compress]]; `hwqnn train` trains it")
    train, test = data.load(recipe.data.train, "train"), data.load(recipe.data.test or recipe.data.train, "test")
    settings = recipe.train or Settings()
    model = recipe.model.make(settings.seed, trained=recipe.train is None)
    _check_data(model, train, test)
    _claim(out, recipe, resume or compressing)
    training = None
    if recipe.train is not None:
        model, training = _train(model, train, test, recipe, settings, out / CHECKPOINT, progress)
        start = training.accuracy
        _store(model, recipe, out, TRAINED, test)
    else:
        start = evaluate(model, Images.of(test))
        progress.note(f"{recipe.model.zoo}: {start:.2f} % of {test.name} before compression")
    steps: list[Compression] = []
    if compressing:
        for number, step in enumerate(recipe.steps, 1):
            model, found = _compress(model, train, test, step, settings, out / f"compress-{number}", progress)
            steps.append(found)
        _store(model, recipe, out, COMPRESSED, test)
    tests = recipe.data.test or recipe.data.train
    images = len(train) if settings.images is None else min(settings.images, len(train))
    result = Report(recipe.name, recipe.text, settings.seed, recipe.data.train, tests, images, len(test), start, training, tuple(steps))
    report.write(result, out)
    return Run(model, result, out, f"{out / FACTORY}:{COMPRESSED if compressing else TRAINED}")


def load(folder: Path, what: str) -> nn.Module:
    """The network that a run left in its folder, in eval mode; `what` is "trained" or "compressed".

    Raises:
        InputError: it is not there, or not readable.
    """
    path = folder / f"{what}.safetensors"
    if not path.exists():
        raise InputError(f"{folder} holds no {what} network: run `hwqnn {'train' if what == TRAINED else 'compress'}` on its recipe first")
    return stored.load(Recipe.read(folder / RECIPE).model.make(0), path)


def _train(
    model: nn.Module, train: Dataset, test: Dataset, recipe: Recipe, settings: Settings, checkpoint: Path, progress: Progress
) -> tuple[nn.Module, Phase]:
    progress.note(f"training {recipe.name} on {train.name}: {settings.epochs} epochs, seed {settings.seed}")

    def tell(epoch: Epoch, left: float) -> None:
        progress.epoch(epoch, settings.epochs, left)

    if recipe.workers is None:
        fitted = fit(model, train, test, settings, terms=recipe.terms, checkpoint=checkpoint, progress=tell)
    else:
        make = partial(recipe.model.make, settings.seed)
        shared = workers.fit(make, train, test, settings, recipe.workers, terms=recipe.terms, checkpoint=checkpoint, progress=tell)
        progress.note(f"{recipe.workers.count} workers: each sent {shared.sent:,} bytes of gradients, {shared.share:.2f} % of what floats take")
        fitted = shared.fitted
    return fitted.model, Phase(settings, fitted.history, fitted.accuracy)


def _compress(
    model: nn.Module, train: Dataset, test: Dataset, step: Step, settings: Settings, kept: Path, progress: Progress
) -> tuple[nn.Module, Compression]:
    """One step: the changed and fine-tuned model, and what was found. Checkpoints are `kept` with what they are of behind the name."""
    images, tests = Images.of(train, min(_LOOKED_AT, settings.images or len(train), len(train))), Images.of(test)
    progress.note(f"compressing, by {len(images):,} training images: {step.method}")
    right_behind: list[float] = []
    phases: dict[str, Phase] = {}

    def trained(changed: nn.Module, name: str, to: Settings, *terms: compress.Term) -> nn.Module:
        checkpoint = kept.with_name(f"{kept.name}-{name}.pt")
        fitted = fit(changed, train, test, to, terms=terms, checkpoint=checkpoint, progress=lambda e, left: progress.epoch(e, to.epochs, left))
        phases[name] = Phase(to, fitted.history, fitted.accuracy)
        return fitted.model

    def finetune(changed: nn.Module) -> nn.Module:
        right_behind.append(evaluate(changed, tests))
        progress.note(f"{right_behind[0]:.2f} % of {test.name} right behind it")
        return changed.eval() if step.finetune is None else trained(changed, "finetune", step.finetune)

    learning = None
    if (learn := step.learn) is not None:
        learning = compress.Learning(lambda prepared, term: trained(prepared, "learn", learn, term), min(learn.images or len(train), len(train)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        done = compress.run(model, [step.method], lambda: images.batches(settings.batch), finetune, learning)
    return done.model, Compression(done.reports[0], right_behind[0], phases.get("learn"), phases.get("finetune"))


def _check_data(model: nn.Module, train: Dataset, test: Dataset) -> None:
    """Raises `InputError` unless both data sets are of one kind, and fit the model."""
    shapes = [tuple(Images.of(each, 1).x.shape[1:]) for each in (train, test)]
    if shapes[0] != shapes[1] or train.scale != test.scale:
        raise InputError(f"data '{train.name}' and '{test.name}' differ: {shapes[0]} of scale {train.scale}, {shapes[1]} of scale {test.scale}")
    if isinstance(model, Mlp | Cnn):
        model.check(shapes[0], int(max(train.y.max(), test.y.max())) + 1)


def _claim(out: Path, recipe: Recipe, going_on: bool) -> None:
    """Makes the folder, or finds that it holds the same recipe's run and may be gone on with."""
    kept = out / RECIPE
    try:
        if kept.exists():
            if kept.read_text(encoding="utf-8") != recipe.text:
                raise InputError(f"{out} holds a run of another recipe: choose another folder with --out, or remove it")
            if not going_on:
                raise InputError(f"{out} holds a run of this recipe: go on with --resume, choose another folder with --out, or remove it")
            return
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} is not empty, and no run's folder: choose another with --out")
        out.mkdir(parents=True, exist_ok=True)
        kept.write_text(recipe.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror}; choose another folder with --out") from error


def _store(model: nn.Module, recipe: Recipe, out: Path, what: str, test: Dataset) -> None:
    """Stores the model as integers, and checks that what is read back gives the same scores, bit for bit."""
    stored.save(model, out / f"{what}.safetensors")
    (out / FACTORY).write_text(_FACTORY.format(folder=out, what=what, data=recipe.data.test or recipe.data.train), encoding="utf-8")
    images, again = Images.of(test, _COMPARED), load(out, what)
    with torch.no_grad():
        for x, _ in images.batches(_COMPARED):
            if not torch.equal(model.eval()(x), again(x)):
                raise CheckError(f"{out / what}.safetensors does not give the scores of the network that was stored in it")
