"""Trains a built-in model: python examples/train.py --model fashion-cnn-w2a2 -o weights.safetensors

Straight-through estimator, Adam with the learning rate falling to zero on a cosine, squared hinge loss. A scalar batch norm scales the
class scores in training only: one positive factor and one offset for all classes cannot change which is greatest.

The weights in the package came from the recipes below, one thread each; sfc-w1a1 and lfc-w1a1 from two (--threads 2).
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hwqnn import data, zoo
from hwqnn.data.dataset import Dataset
from hwqnn.errors import HwqnnError
from hwqnn.zoo import weights


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a model learns."""

    epochs: int = 20
    rate: float = 0.01


RECIPES = {
    "lfc-w1a1": Recipe(epochs=12),
    "lenet-300-100": Recipe(epochs=15, rate=0.002),
    "lenet-5": Recipe(epochs=12, rate=0.002),
    "mnist-cnn-w1a1": Recipe(rate=0.005),
    "fashion-cnn-w2a2": Recipe(rate=0.005),
    "fcn-w2a2": Recipe(epochs=10, rate=0.005),
}
"""Where a model wants another recipe than the usual one."""


def main() -> None:
    args = arguments()
    try:
        train(args)
    except HwqnnError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nstopped; nothing written")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=zoo.MODELS, default="tfc-w1a1")
    parser.add_argument("--epochs", type=int, help="default: the model's recipe")
    parser.add_argument("--rate", type=float, help="first learning rate (default: the model's recipe)")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", help="a built-in data set or a folder of IDX files (default: the model's own)")
    parser.add_argument("-o", "--output", type=Path, help="where to write the weights (default: MODEL.safetensors)")
    return parser.parse_args()


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    entry, recipe = zoo.MODELS[args.model], RECIPES.get(args.model, Recipe())
    epochs, rate = args.epochs or recipe.epochs, args.rate or recipe.rate
    x, y = tensors(data.load(args.data or entry.dataset, "train"), entry.input_shape)
    test_x, test_y = tensors(data.load(args.data or entry.dataset, "test"), entry.input_shape)
    model = entry.factory()
    scale = nn.BatchNorm1d(1)
    adam = torch.optim.Adam([*model.parameters(), *scale.parameters()], lr=rate)
    steps = len(x) // args.batch
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs * steps)
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.0
        model.train()
        for batch in torch.randperm(len(x))[: steps * args.batch].view(steps, args.batch):
            scores = model(x[batch]).movedim(1, -1)
            scaled = scale(scores.reshape(-1, 1)).reshape(scores.shape)
            target = 2.0 * nn.functional.one_hot(y[batch], scores.shape[-1]) - 1
            loss = (1 - target * scaled).clamp(min=0).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            cosine.step()
            total += loss.item()
        accuracy = evaluate(model, test_x, test_y)
        print(f"epoch {epoch + 1:2}/{epochs}  loss {total / steps:.4f}  test {accuracy:.2%}  {time.perf_counter() - start:.1f} s", flush=True)
    if scale.weight.item() <= 0:
        sys.exit("error: training turned the scalar norm's factor negative, so the scores mean nothing without it; try another --seed")
    output = args.output or Path(f"{args.model}.safetensors")
    weights.save(model, output)
    model.load_state_dict(weights.load(output))
    print(f"{output}: {output.stat().st_size:,} bytes, test {evaluate(model, test_x, test_y):.2%} as packed")


def tensors(dataset: Dataset, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(dataset.real()).reshape(-1, *shape), torch.from_numpy(dataset.y)


def evaluate(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """The share of labels, of images or of pixels, whose score is the greatest."""
    model.eval()
    with torch.inference_mode():
        return (torch.cat([model(part).argmax(1) for part in x.split(1000)]) == y).float().mean().item()


if __name__ == "__main__":
    main()
