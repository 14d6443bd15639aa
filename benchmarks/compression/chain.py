"""Recipes of several steps, stage by stage: weights left, storage, error, LUTs.

    python benchmarks/compression/chain.py [--only chain chain-mlp deep-compression ...] [--quick]

chain: a convolutional network of more than a million weights to one of hundreds, by optimal brain surgeon; chain-mlp: the same with dense layers
alone. deep-compression: LeNet-300-100 as Han, Mao and Dally (2016) compress it (40 times less storage at 1.58 % error); deep-compression-surgeon:
with optimal brain surgeon. Storage is as `huffman` counts it, against floats of 32 bits. Stages with few weights left are logic (frozen), the others
folded with their weights in block RAM, zeros and all; on a Zynq-7020, or on a larger board where no form fits there. Of the chain all stages are
synthesized, the smallest first, of Deep Compression the last.
Checkpoints stay in the cache folder, so a run that stopped goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import Row, Size, arguments, keep, measure, row, table
from torch import nn

from hwqnn import compress, data
from hwqnn.compress.report import NOTHING, count
from hwqnn.compress.storage import Huffman
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Store
from hwqnn.errors import CheckError
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.train import Settings, evaluate, fit
from hwqnn.train.images import Images
from hwqnn.train.recipe import Recipe

FOLDER = Path(__file__).parent / "recipes"
RECIPES = ("chain", "chain-mlp", "deep-compression", "deep-compression-surgeon")
SHAPE = (1, 28, 28)
SAMPLES = 5000
SYNTHESIZED = {"chain": slice(None), "deep-compression": slice(-1, None), "deep-compression-surgeon": slice(-1, None)}
"""Which stages of a recipe."""
FROZEN, FITS = 10_000, 5_000
"""The most weights left of a network that becomes logic, and of one that does so on a Zynq-7020."""
STORED = 500_000
"""The most weights, zeros and all, for a Zynq-7020's block RAM."""
LARGER = str(Path(__file__).parents[1] / "vc709.toml")
FPS = 1_000
COMMAND = "python benchmarks/compression/chain.py --only"


@dataclass(frozen=True, eq=False)
class Stage:
    """A network of the chain, and what led to it."""

    number: int
    name: str
    model: nn.Module
    seconds: float

    @property
    def weights(self) -> int:
        return sum(count(self.model).values(), NOTHING).weights

    @property
    def left(self) -> int:
        return sum(count(self.model).values(), NOTHING).nonzero


@dataclass(frozen=True)
class Form:
    """What a stage becomes, and in words."""

    store: Store
    board: str
    words: str

    @classmethod
    def of(cls, stage: Stage) -> Form:
        if stage.left <= FITS:
            return cls(Store.FROZEN, "zynq7020", "")
        if stage.left <= FROZEN:
            return cls(Store.FROZEN, LARGER, "; on a VC709")
        if stage.weights <= STORED:
            return cls(Store.BRAM, "zynq7020", "; folded")
        return cls(Store.BRAM, LARGER, "; folded, on a VC709")


def stages(recipe: Recipe, train: Dataset, test: Dataset, kept: Path) -> Iterator[Stage]:
    """The trained network, then the one behind each step of the recipe."""

    def trained(model: nn.Module, settings: Settings, number: int) -> nn.Module:
        return fit(model, train, test, settings, checkpoint=kept / f"{number}.pt", progress=lambda each, _: print(each, file=sys.stderr)).model

    settings, start = recipe.train or Settings(), time.perf_counter()
    sample = Images.of(train, min(SAMPLES, settings.images or SAMPLES))
    model = trained(recipe.model.make(settings.seed), settings, 0)
    yield Stage(0, "trained", model, time.perf_counter() - start)
    for number, step in enumerate(recipe.steps, 1):
        start = time.perf_counter()
        done = compress.run(model, [step.method], lambda: sample.batches(100), _tuning(trained, step.finetune, number))
        model = done.model
        print(done.reports[0], file=sys.stderr, flush=True)
        yield Stage(number, words(step.method), model, time.perf_counter() - start)


def _tuning(trained: Any, settings: Settings | None, number: int) -> Any:
    return None if settings is None else lambda model: trained(model, settings, number)


def words(method: compress.Method[Any]) -> str:
    sparsity = getattr(method, "sparsity", None)
    return type(method).__name__ if sparsity is None else f"{type(method).__name__}, {sparsity:g} sparse"


def entry(stage: Stage, form: Form | None, test: Dataset, name: str, network: str) -> Row:
    """Without hardware, but with the words of what it is to become."""
    size = Size.of(import_brevitas(stage.model, torch.zeros(1, *SHAPE), name=name))
    storage, accuracy = Huffman().plan(stage.model, None).ratio, evaluate(stage.model, Images.of(test))
    method = f"{stage.number}. {stage.name}: {stage.left:,} weights left, storage / {storage:.0f}{form.words if form else ''}"
    print(f"{method}, {100 - accuracy:.2f} % error", file=sys.stderr, flush=True)
    command = f"{COMMAND} {name}"
    return row(name, method, network, "mnist", accuracies=[accuracy], size=size, command=command, seconds=stage.seconds)


def with_hardware(made: Row, stage: Stage, form: Form, test: Dataset) -> Row:
    start = time.perf_counter()
    try:
        found = measure(stage.model, input_shape=SHAPE, images=test.x[:16], store=form.store, fps=FPS, board=form.board)
    except CheckError as error:
        print(f"{made.method}: no hardware: {error}", file=sys.stderr, flush=True)
        return made
    print(f"{made.method}: {found}", file=sys.stderr, flush=True)
    cells = {key: value for key, value in vars(found).items() if key not in ("size", "bits")}
    return replace(made, **cells, seconds=round(made.seconds + time.perf_counter() - start, 1))


def quick(recipe: Recipe) -> Recipe:
    """An epoch of 2,000 images each, and the last three steps."""

    def shorter(settings: Settings | None) -> Settings | None:
        return settings and replace(settings, epochs=1, images=2000)

    return replace(recipe, train=shorter(recipe.train), steps=tuple(replace(s, finetune=shorter(s.finetune)) for s in recipe.steps[-3:]))


def main() -> None:
    options = arguments(__doc__, RECIPES)
    torch.set_num_threads(1)
    train, test = data.load("mnist", "train"), data.load("mnist", "test")
    rows: list[Row] = []

    def enter(made: Row) -> None:
        rows.append(made)
        if not options.quick:
            keep([made])

    for name in options.only:
        recipe = Recipe.read(FOLDER / f"{name}.toml")
        if options.quick:
            recipe = quick(recipe)
        kept = cache_dir("compression") / (f"{name}-quick" if options.quick else name)
        sizes = recipe.model.arguments
        network = "-".join(map(str, sizes.get("sizes") or (*sizes["channels"], *sizes["dense"], sizes["classes"])))
        numbers, found = range(len(recipe.steps) + 1)[SYNTHESIZED.get(name, slice(0))], []
        for stage in stages(recipe, train, test, kept):
            form = Form.of(stage) if stage.number in numbers else None
            made = entry(stage, form, test, name, network)
            enter(made)
            if form:
                found.append((made, stage, form))
        for made, stage, form in reversed(found):
            rows.remove(made)
            enter(with_hardware(made, stage, form, test))
    print(table(rows))


if __name__ == "__main__":
    main()
