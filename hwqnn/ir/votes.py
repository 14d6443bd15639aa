"""Ops of ensembles: what a member decides, and how its decision counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.ir.ops import Edge, Op
from hwqnn.ir.real import Piece
from hwqnn.ir.types import UInt, smallest


@dataclass(frozen=True, eq=False, kw_only=True)
class Decide(Op):
    """The index of the greatest of chain(x), channel by channel: an argmax over reals in the midst of a network. A tie goes to the lower index.

    Only an imported graph holds these; `passes/argmax.py` replaces each by an `ArgMax` over integers that are ordered alike.
    """

    chain: tuple[Piece, ...]

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        return Edge(smallest(0, max(1, x.channels - 1)), (*x.shape[:-1], 1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Vote(Op):
    """y[c] = sum of weight[m] over all channels m with x[m] == c, for `classes` classes. `weight` is int64 (channels,), none negative.

    The input's channels are the members' labels, the output's the classes.
    """

    weight: np.ndarray
    classes: int

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if self.weight.shape != (x.channels,):
            raise self.fail(f"weights of shape {self.weight.shape} do not fit {x.channels} labels")
        if (self.weight < 0).any() or not self.weight.any():
            raise self.fail(f"weights {self.weight.tolist()}: none may be negative, and one must be above 0")
        if not isinstance(x.type, UInt) or not 1 <= self.classes <= x.type.max + 1:
            raise self.fail(f"labels of {self.classes} classes on an input of type {x.type}")
        return Edge(smallest(0, int(self.weight.sum())), (*x.shape[:-1], self.classes))
