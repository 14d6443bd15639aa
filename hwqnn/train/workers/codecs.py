"""What workers send of their gradients: a gradient to bytes and back, one codec each. All receivers decode the same numbers, so models stay equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from hwqnn.errors import InputError
from hwqnn.train import tables
from hwqnn.train.workers.packing import TRITS, from_bytes, pack, to_bytes, unpack

SMALL = 512
"""Tensors of fewer elements, such as scales and norms, travel as floats: they are less than a hundredth of a network."""


class Codec(Protocol):
    """A gradient's way over the wire: a frozen dataclass of its options. What it must remember between steps is in `memory`."""

    def encode(self, gradient: Tensor, memory: Memory) -> Tensor:
        """A message, uint8 (n,), whose length depends only on the number of elements.

        Args:
            gradient: float32 (n,).
            memory: of this worker and this parameter.
        """

    def decode(self, message: Tensor, count: int) -> Tensor:
        """A message's gradient, float32 (count,)."""

    def length(self, count: int) -> int:
        """Bytes of the message of so many elements."""


@dataclass(eq=False)
class Memory:
    """What a worker keeps of one parameter between steps.

    Attributes:
        residual: what was not sent yet, float32 (n,); None before the first step.
        random: draws for this worker alone.
    """

    random: torch.Generator
    residual: Tensor | None = None


CODECS: dict[str, type[Codec]] = {}
"""Every codec by the name that recipes use."""

_Class = TypeVar("_Class", bound=type)


def register(name: str) -> Callable[[_Class], _Class]:
    """Enters a codec's class under `name`."""

    def enter(kind: _Class) -> _Class:
        CODECS[name] = kind
        return kind

    return enter


@register("dense")
@dataclass(frozen=True)
class Dense:
    """The gradient itself, four bytes an element."""

    def encode(self, gradient: Tensor, memory: Memory) -> Tensor:
        return to_bytes(gradient)

    def decode(self, message: Tensor, count: int) -> Tensor:
        return from_bytes(message, torch.float32)

    def length(self, count: int) -> int:
        return 4 * count


@register("dropped")
@dataclass(frozen=True)
class Dropped:
    """The greatest elements alone; what is dropped adds up until it is great enough (Aji and Heafield 2017, algorithm 1).

    An element travels as its index, 4 bytes, and its value in bfloat16, 2 bytes. What that rounds off stays with the dropped ones: nothing is lost.

    Attributes:
        drop: the part of the elements that is dropped, in [0, 1).
    """

    drop: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise InputError(f"drop = {self.drop:g}: the part of the gradients that is dropped is in [0, 1)")

    def kept(self, count: int) -> int:
        """How many of `count` elements are sent."""
        return max(1, round((1 - self.drop) * count))

    def encode(self, gradient: Tensor, memory: Memory) -> Tensor:
        whole = gradient if memory.residual is None else gradient + memory.residual
        index = whole.abs().topk(self.kept(len(whole)), sorted=False).indices.to(torch.int32)
        values = whole[index].to(torch.bfloat16)
        memory.residual = whole.clone()
        memory.residual[index] -= values.float()
        return torch.cat([to_bytes(index), to_bytes(values)])

    def decode(self, message: Tensor, count: int) -> Tensor:
        cut = 4 * self.kept(count)
        out = torch.zeros(count)
        out[from_bytes(message[:cut], torch.int32)] = from_bytes(message[cut:], torch.bfloat16).float()
        return out

    def length(self, count: int) -> int:
        return 6 * self.kept(count)


@register("terngrad")
@dataclass(frozen=True)
class TernGrad:
    """s * sign(g) * b, where b is 1 with probability |g| / s, and s the greatest |g| of the layer: unbiased (Wen et al. 2017, eq. 3 to 5).

    Five elements travel in a byte, and s in four.

    Attributes:
        clip: gradients are clipped to so many standard deviations of their layer first (eq. 14); 0: not at all.
    """

    clip: float = 2.5

    def __post_init__(self) -> None:
        if self.clip < 0:
            raise InputError(f"clip = {self.clip:g}: it is in standard deviations, 0 or more")

    def encode(self, gradient: Tensor, memory: Memory) -> Tensor:
        if self.clip:
            most = self.clip * gradient.std(correction=0)
            gradient = gradient.clamp(-most, most)
        greatest = gradient.abs().max()
        draws = torch.rand(len(gradient), generator=memory.random)
        signs = torch.where(draws * greatest < gradient.abs(), gradient.sign(), 0.0)
        return torch.cat([to_bytes(greatest[None]), pack(signs.to(torch.int64) + 1, 3, TRITS)])

    def decode(self, message: Tensor, count: int) -> Tensor:
        return from_bytes(message[:4], torch.float32) * (unpack(message[4:], 3, TRITS, count) - 1)

    def length(self, count: int) -> int:
        return 4 + -(-count // TRITS)


@register("dorefa")
@dataclass(frozen=True)
class DorefaGradients:
    """2 m (quantize_k(g / (2 m) + 1/2 + noise) - 1/2), where m is the greatest |g| of the layer, the noise even within half a step (Zhou et al. 2016,
    eq. 12).

    Attributes:
        bits: k, 1, 2, 4 or 8.
    """

    bits: int = 4

    def __post_init__(self) -> None:
        if self.bits not in (1, 2, 4, 8):
            raise InputError(f"bits = {self.bits}: gradients travel in 1, 2, 4 or 8 bits, which fill a byte")

    def encode(self, gradient: Tensor, memory: Memory) -> Tensor:
        steps = 2**self.bits - 1
        greatest = gradient.abs().max()
        noise = torch.rand(len(gradient), generator=memory.random) - 0.5
        scaled = steps * (gradient / (2 * greatest.clamp(min=torch.finfo(torch.float32).tiny)) + 0.5)
        codes = (scaled + noise).round().clamp(0, steps)
        return torch.cat([to_bytes(greatest[None]), pack(codes.to(torch.int64), 2**self.bits, 8 // self.bits)])

    def decode(self, message: Tensor, count: int) -> Tensor:
        codes = unpack(message[4:], 2**self.bits, 8 // self.bits, count)
        return 2 * from_bytes(message[:4], torch.float32) * (codes / (2**self.bits - 1) - 0.5)

    def length(self, count: int) -> int:
        return 4 + -(-count * self.bits // 8)


def codec_of(codec: Codec, count: int) -> Codec:
    """What a parameter of so many elements travels by."""
    return codec if count >= SMALL else Dense()


def make(name: str, options: Mapping[str, Any]) -> Codec:
    """The codec `name` with these options. Raises `InputError` where one is unknown or illegal."""
    if name not in CODECS:
        raise InputError(f"no gradients '{name}'; there are {', '.join(CODECS)}")
    return tables.make(CODECS[name], options, f"gradients '{name}'")
