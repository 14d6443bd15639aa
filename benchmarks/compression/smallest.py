"""The smallest MNIST classifiers in LUTs: everything included (input quantizer, line buffers, all weights, argmax), no block RAM, no DSP48.

    python benchmarks/compression/smallest.py [--only tiny-cnn-a1 tiny-cnn-a2] [--quick]
    python benchmarks/compression/smallest.py --train [--only ...]

The literature's figure is a weightless network of 3,464 LUTs at 97.76 %, its encoder included. Each network here has three trainings, whose
weights lie in `smallest/`: accuracies are their mean over the test set, computed by the exact integer reference. The one that classifies most of
5,000 training images held out is in the zoo, and its hardware is measured: RTL against the reference bit for bit, then yosys. `--train` makes all
weights anew (200 seconds a training on a core of its own) and never looks at the test images.
"""

from __future__ import annotations

import argparse
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from common import MIN_IMAGES, Row, keep, measure, row, table
from torch import nn
from torch.nn import functional

from hwqnn import data, layout, zoo
from hwqnn.data import Dataset
from hwqnn.dataflow.fold import NO_PINS, Rate
from hwqnn.dataflow.fold_file import read_pins
from hwqnn.frontend import import_brevitas
from hwqnn.ir import Graph
from hwqnn.passes import lower
from hwqnn.reference import Executor
from hwqnn.zoo import weights

GROUP = "smallest"
NAMES = ("tiny-cnn-a1", "tiny-cnn-a2")
SEEDS = (0, 1, 2)
CLOCK_MHZ = 100.0
RTL_IMAGES = 64
HELD_OUT = 5_000
EPOCHS, BATCH, RATE = 40, 250, 0.01
FROZEN = 0.1
"""Weights stand still in this last part of the training: those that still hop between two codes would leave the norms' statistics behind."""
TURN, STRETCH, SHEAR, SHIFT = 0.085, 0.05, 0.075, 1 / 14
"""Most that an image is turned (radians), stretched, sheared and shifted (2 of 28 is a width of 2 / 14) in training."""
PLAIN = 0.3
"""The share of images that are trained on as they are."""
FOLDER = Path(__file__).parent / "smallest"


@dataclass(frozen=True)
class Build:
    """A way to build a network: what it is called, frames/s at least, the most cells of some kinds, and a file of pinned foldings."""

    method: str
    fps: Rate
    limits: dict[str, float]
    fold: Path | None = None


NO_RAM = {"bram36": 0.0, "dsp": 0.0}
FOLD = FOLDER / "fold.json"
"""Of the foldings that yosys was tried with, the one of the fewest LUTs: the solver's own choice is good for a few more."""
BUILDS = (
    Build("fewest LUTs", 1_000, NO_RAM, FOLD),
    Build("20,000 frames/s", 20_000, NO_RAM),
    Build("100,000 frames/s", 100_000, NO_RAM),
    Build("fewest LUTs, block RAM allowed", 1_000, {"dsp": 0.0}),
)


def changed(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images (N, 1, H, W), but for `PLAIN` of them turned, stretched, sheared and shifted at random, bilinearly."""
    count = len(x)

    def draw(most: float, *shape: int) -> torch.Tensor:
        return (torch.rand(count, *shape, generator=generator) * 2 - 1) * most

    angle, stretch, shear, shift = draw(TURN), 1 + draw(STRETCH, 2), draw(SHEAR), draw(SHIFT, 2)
    first = torch.stack((angle.cos() * stretch[:, 0], shear - angle.sin() * stretch[:, 0], shift[:, 0]), 1)
    second = torch.stack((angle.sin() * stretch[:, 1], angle.cos() * stretch[:, 1], shift[:, 1]), 1)
    grid = functional.affine_grid(torch.stack((first, second), 1), list(x.shape), align_corners=False)
    plain = torch.rand(count, 1, 1, 1, generator=generator) < PLAIN
    return torch.where(plain, x, functional.grid_sample(x, grid, align_corners=False))


def train(model: nn.Module, images: Dataset, seed: int) -> None:
    """Adam on the cross entropy, with latent weights kept within [-1, 1] and a cosine schedule; `FROZEN` of it learns only norms and scales."""
    generator = torch.Generator().manual_seed(seed)
    x, y = _images(images), torch.from_numpy(images.y)
    layers = [layer for layer in model.modules() if hasattr(layer, "weight_quant")]
    latent = [layer.weight for layer in layers]
    others = [p for p in model.parameters() if not any(p is w for w in latent)]
    temperature = math.sqrt(layers[-1].weight.shape[1])
    optimizer = torch.optim.Adam([{"params": latent}, {"params": others}], lr=RATE)
    steps = EPOCHS * (len(x) // BATCH)
    moving = int(steps * (1 - FROZEN))

    def cosine(done: float) -> float:
        return 0.5 + 0.5 * math.cos(math.pi * done)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / 200) * cosine(step / moving) if step < moving else 0.0

    def rate_of_others(step: int) -> float:
        return rate(step) + 0.05 if step < moving else 0.2 * cosine((step - moving) / (steps - moving))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [rate, rate_of_others])
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator)[: len(x) // BATCH * BATCH].split(BATCH):
            loss = functional.cross_entropy(model(changed(x[batch], generator)) / temperature, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for weight in latent:
                    weight.clamp_(-1, 1)
            total += loss.item()
        print(f"  epoch {epoch + 1} of {EPOCHS}: loss {total / (len(x) // BATCH):.4f}", flush=True)
    model.eval()


def _images(images: Dataset) -> torch.Tensor:
    """float32 (N, 1, 28, 28) in [0, 1]."""
    return torch.from_numpy(images.real()).reshape(-1, 1, 28, 28)


def canonical(model: nn.Module) -> Graph:
    return lower(import_brevitas(model, torch.zeros(1, 1, 28, 28), name="tiny", input_scale=Fraction(1, 255)))


def accuracy(model: nn.Module, images: Dataset) -> float:
    """Percent, by the exact integer reference."""
    graph = canonical(model)
    labels = Executor(graph, threads=1).run(layout.to_hardware(images.x, graph.input.shape))
    return 100 * float((labels.reshape(-1) == images.y).mean())


def part(images: Dataset, which: slice) -> Dataset:
    return Dataset(images.name, images.x[which], images.y[which], images.scale)


def trained(name: str, seed: int) -> Path:
    """The weights of a training."""
    return FOLDER / f"{name}-{seed}.safetensors"


def load(name: str, seed: int) -> nn.Module:
    model = zoo.MODELS[name].factory()
    model.load_state_dict(weights.load(trained(name, seed)))
    return model.eval()


def retrain(name: str) -> None:
    """Trains `name` with every seed; the zoo gets the one that classifies most of the images held out."""
    images = part(data.load("mnist", "train"), slice(HELD_OUT, None))
    FOLDER.mkdir(exist_ok=True)
    for seed in SEEDS:
        print(f"{name}, seed {seed}")
        torch.manual_seed(seed)
        model = zoo.MODELS[name].factory()
        train(model, images, seed)
        weights.save(model, trained(name, seed))
    shutil.copyfile(trained(name, order(name)[0]), Path(zoo.__file__).parent / "weights" / f"{name}.safetensors")


def order(name: str) -> list[int]:
    """The seeds, best first, by the images held out."""
    held_out = part(data.load("mnist", "train"), slice(HELD_OUT))
    found = {seed: accuracy(load(name, seed), held_out) for seed in SEEDS}
    print(f"{name}: of {HELD_OUT:,} images held out " + ", ".join(f"{percent:.2f} % (seed {seed})" for seed, percent in found.items()))
    return sorted(SEEDS, key=lambda seed: -found[seed])


def rows(name: str, builds: Sequence[Build], images: int) -> Iterator[Row]:
    """Builds of the zoo's model on `images` test images in RTL; accuracies of all trainings, its own first."""
    test, entry = data.load("mnist"), zoo.MODELS[name]
    accuracies = {seed: accuracy(load(name, seed), test) for seed in order(name)}
    print(f"{name}: of {len(test):,} test images " + ", ".join(f"{percent:.2f} % (seed {seed})" for seed, percent in accuracies.items()), flush=True)
    command = f"python benchmarks/compression/smallest.py --only {name}"
    for build in builds:
        start, model = time.monotonic(), zoo.load(name)
        pins = read_pins(build.fold, canonical(model), CLOCK_MHZ) if build.fold else NO_PINS
        hardware = measure(
            model, input_shape=entry.input_shape, images=test.x[:images], fps=build.fps, pins=pins, limits=build.limits, clock_mhz=CLOCK_MHZ
        )
        seconds, all_accuracies = time.monotonic() - start, list(accuracies.values())
        yield row(GROUP, build.method, name, "MNIST", accuracies=all_accuracies, hardware=hardware, command=command, seconds=seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--quick", action="store_true", help="only the build of the fewest LUTs, on few images; nothing is kept")
    parser.add_argument("--train", action="store_true", help="train first")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.only:
        if arguments.train:
            retrain(name)
        for found in rows(name, BUILDS[:1] if arguments.quick else BUILDS, MIN_IMAGES if arguments.quick else RTL_IMAGES):
            print(table([found]).splitlines()[-1], flush=True)
            if not arguments.quick:
                keep([found])


if __name__ == "__main__":
    main()
