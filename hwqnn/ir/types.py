"""The integer types an edge can carry. Every value on an edge is an integer inside its type's range."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Type:
    """An integer type: inclusive range `[min, max]`, stored in `bits` bits."""

    @property
    def min(self) -> int:
        raise NotImplementedError

    @property
    def max(self) -> int:
        raise NotImplementedError

    @property
    def bits(self) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class Bipolar(Type):
    """{-1, +1}; hardware stores +1 as bit 1 and -1 as bit 0. Zero is not a value of this type."""

    @property
    def min(self) -> int:
        return -1

    @property
    def max(self) -> int:
        return 1

    @property
    def bits(self) -> int:
        return 1

    def __str__(self) -> str:
        return "bipolar"


@dataclass(frozen=True)
class Ternary(Type):
    """{-1, 0, +1}, two's complement in two bits."""

    @property
    def min(self) -> int:
        return -1

    @property
    def max(self) -> int:
        return 1

    @property
    def bits(self) -> int:
        return 2

    def __str__(self) -> str:
        return "ternary"


@dataclass(frozen=True)
class UInt(Type):
    """Unsigned integers of `width` bits."""

    width: int

    @property
    def min(self) -> int:
        return 0

    @property
    def max(self) -> int:
        return (1 << self.width) - 1

    @property
    def bits(self) -> int:
        return self.width

    def __str__(self) -> str:
        return f"uint{self.width}"


@dataclass(frozen=True)
class Int(Type):
    """Two's complement integers of `width` bits."""

    width: int

    @property
    def min(self) -> int:
        return -(1 << (self.width - 1))

    @property
    def max(self) -> int:
        return (1 << (self.width - 1)) - 1

    @property
    def bits(self) -> int:
        return self.width

    def __str__(self) -> str:
        return f"int{self.width}"


def smallest(lo: int, hi: int) -> UInt | Int:
    """The narrowest plain integer type that holds `[lo, hi]`; at least one bit wide."""
    if lo > hi:
        raise ValueError(f"empty range [{lo}, {hi}]")
    if lo >= 0:
        return UInt(max(1, hi.bit_length()))
    return Int(max((-lo - 1).bit_length(), hi.bit_length() if hi > 0 else 0) + 1)


def parse(text: str) -> Type:
    """The type that prints as `text`. Raises `ValueError` for anything else."""
    if text == "bipolar":
        return Bipolar()
    if text == "ternary":
        return Ternary()
    if match := re.fullmatch(r"(u?)int([1-9][0-9]*)", text):
        width = int(match[2])
        return UInt(width) if match[1] else Int(width)
    raise ValueError(f"unknown type {text!r}: expected bipolar, ternary, uintN or intN")
