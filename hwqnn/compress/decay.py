"""Bit widths that decay during training: many bits at first, fewer epoch by epoch (progressive quantization, Zhuang et al. 2018, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hwqnn.errors import InputError
from hwqnn.quant.latent import quantizer_of, set_bit_width


@dataclass(frozen=True)
class BitWidthDecay:
    """A training term: every weight quantizer that can change its bit width goes from `start` bits to `end`, a bit at a time, evenly spread.

    Attributes:
        start, end: bits, start at least end.
        share: of the epochs, after which all bits are gone that should go; the rest is trained with `end` bits.

    Raises:
        InputError: a bit width or the share is not legal.
    """

    start: int = 8
    end: int = 2
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 1 <= self.end <= self.start <= 8:
            raise InputError(f"a bit width that decays from {self.start} to {self.end}: 8 >= start >= end >= 1")
        if not 0 < self.share <= 1:
            raise InputError(f"a bit width that decays within {self.share:g} of the epochs: more than 0, at most 1")

    def __call__(self, model: nn.Module) -> Tensor:
        return torch.zeros(())

    def bits(self, epoch: int, epochs: int) -> int:
        """In epoch number `epoch` of `epochs`, counted from 0."""
        return max(self.end, self.start - int((self.start - self.end + 1) * epoch / (self.share * epochs)))

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None:
        """Raises `InputError`: no layer's quantizer can change to that bit width."""
        bits = self.bits(epoch, epochs)
        found = [layer for layer in model.modules() if (quantizer := quantizer_of(layer)) is not None and bits in quantizer.legal]
        if not found:
            raise InputError(f"no weight quantizer of {type(model).__name__} can change to {bits} bits; use dorefa, balanced or general")
        for layer in found:
            set_bit_width(layer, bits)
