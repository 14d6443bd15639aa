"""Training images changed at random, batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional


def keep(images: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    """The images as they are."""
    return images


def shift(images: torch.Tensor, generator: torch.Generator, most: int = 2) -> torch.Tensor:
    """Each image moved by up to `most` pixels each way, 0 where nothing moves in. Images are (N, ..., H, W) of any dtype."""
    count, height, width = len(images), images.shape[-2], images.shape[-1]
    padded = functional.pad(images, (most, most, most, most)).reshape(count, -1, height + 2 * most, width + 2 * most)
    dy, dx = torch.randint(0, 2 * most + 1, (2, count, 1, 1), generator=generator)
    rows = (torch.arange(height).view(1, -1, 1) + dy).unsqueeze(1)
    columns = (torch.arange(width).view(1, 1, -1) + dx).unsqueeze(1)
    item, channel = torch.arange(count).view(-1, 1, 1, 1), torch.arange(padded.shape[1]).view(1, -1, 1, 1)
    return padded[item, channel, rows, columns].reshape(images.shape)


def flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored, left to right, with probability 1/2."""
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(mirrored.view(-1, *[1] * (images.ndim - 1)), images.flip(-1), images)


def flip_and_shift(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirrored or not, then moved by up to 4 pixels: what is usual for CIFAR-10 (He et al. 2016)."""
    return shift(flip(images, generator), generator, 4)


AUGMENTATIONS: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "none": keep,
    "shift": shift,
    "flip": flip,
    "flip-shift": flip_and_shift,
}
"""Name -> the changed images, of the same shape and dtype."""
