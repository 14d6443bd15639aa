"""A data set as the training loop takes it: one tensor of raw integers, turned to floats batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from hwqnn.data import Dataset
from hwqnn.errors import InputError


@dataclass(frozen=True, eq=False)
class Images:
    """Inputs and labels.

    Attributes:
        x: raw integers, uint8 or int64 (N, ...), channels first; a grey image has a channel axis.
        y: labels, int64 (N,).
        scale: the real value of an integer step.
    """

    x: torch.Tensor
    y: torch.Tensor
    scale: Fraction

    @classmethod
    def of(cls, data: Dataset, first: int | None = None, scale: Fraction | None = None) -> Images:
        """All of a data set, or the first so many, at its own scale unless another is given.

        Raises:
            InputError: it has a label for every pixel.
        """
        if data.y.ndim != 1:
            raise InputError(f"data '{data.name}' has a label for every pixel; training takes one label an image")
        x = torch.from_numpy(np.array(data.x[:first]))
        return cls(x.unsqueeze(1) if x.ndim == 3 else x, torch.from_numpy(np.array(data.y[:first])), scale or data.scale)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1

    def take(self, index: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Changed inputs as float32, and their labels."""
        return self.real(change(self.x[index])), self.y[index]

    def batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All of it in order: inputs as float32, and labels."""
        for start in range(0, len(self), size):
            yield self.real(self.x[start : start + size]), self.y[start : start + size]

    def real(self, x: torch.Tensor) -> torch.Tensor:
        """x * scale, rounded once: a pixel times the numerator is exact in float32. Images lie channels last, the faster order for convolutions."""
        layout = torch.channels_last if x.ndim == 4 else torch.contiguous_format
        return x.to(torch.float32, memory_format=layout) * self.scale.numerator / self.scale.denominator
