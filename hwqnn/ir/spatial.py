"""Ops over maps: edges of shape (height, width, channels)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hwqnn.ir.geometry import Geometry
from hwqnn.ir.ops import Edge, Op, check_values
from hwqnn.ir.types import Type, smallest


def map_size(op: Op, edge: Edge) -> tuple[int, int, int]:
    """(height, width, channels) of an edge. Raises `GraphError` when it is no map."""
    if len(edge.shape) != 3:
        raise op.fail(f"needs a map (height, width, channels), got shape {edge.shape}")
    height, width, channels = edge.shape
    return height, width, channels


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv(Op):
    """acc[y, x, o] = sum over the window of weight[o, ky, kx, i] * input, where padding contributes 0 even to a bipolar input.

    `weight` is int64 (out, kernel height, kernel width, in / groups). Output channels come group by group; group g reads the input channels
    from g * in / groups on. The output is signed, as an accumulator in hardware is.
    """

    weight: np.ndarray
    weight_type: Type
    geometry: Geometry
    groups: int

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        height, width, channels = map_size(self, x)
        if problem := self.geometry.problem(height, width):
            raise self.fail(problem)
        if self.weight.ndim != 4 or self.weight.shape[1:3] != self.geometry.kernel or self.weight.shape[3] * self.groups != channels:
            raise self.fail(f"weight of shape {self.weight.shape} in {self.groups} groups does not fit an input of shape {x.shape}")
        if self.weight.shape[0] % self.groups:
            raise self.fail(f"{self.weight.shape[0]} outputs do not divide into {self.groups} groups")
        check_values(self, "weight", self.weight, self.weight_type)
        lo, hi = self.channel_range(x.type)
        return Edge(smallest(min(int(lo.min()), -1), int(hi.max())), (*self.geometry.output(height, width), self.weight.shape[0]))

    def channel_range(self, x: Type) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of each output channel's accumulator, int64 (out,); where there is padding, any of the taps may be 0."""
        padded = any(self.geometry.padding)
        least, most = (min(0, x.min), max(0, x.max)) if padded else (x.min, x.max)
        positive = np.maximum(self.weight, 0).sum(axis=(1, 2, 3))
        negative = np.minimum(self.weight, 0).sum(axis=(1, 2, 3))
        return positive * least + negative * most, positive * most + negative * least


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool(Op):
    """The greatest value in the window, channel by channel; where `minimum[c]`, the least. Padding never counts.

    `minimum` is bool (C or 1,): the pool of a real value that falls as the integer behind it rises.
    """

    geometry: Geometry
    minimum: np.ndarray

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        height, width, channels = map_size(self, x)
        if problem := self.geometry.problem(height, width):
            raise self.fail(problem)
        if self.minimum.shape not in ((1,), (channels,)):
            raise self.fail(f"{self.minimum.shape} directions do not fit {channels} channels")
        if not all(inside.any(axis=1).all() for inside in self.geometry.inside(height, width)):
            raise self.fail(f"padding {self.geometry.padding} makes a window with no element of the map in it")
        return Edge(x.type, (*self.geometry.output(height, width), channels))


@dataclass(frozen=True, eq=False, kw_only=True)
class Upsample(Op):
    """Repeats each element `factor` = (down, across) times: nearest-neighbour upsampling."""

    factor: tuple[int, int]

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        height, width, channels = map_size(self, x)
        if min(self.factor) < 1:
            raise self.fail(f"factor {self.factor} must be at least 1")
        return Edge(x.type, (height * self.factor[0], width * self.factor[1], channels))


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Op):
    """The same elements in the same row-major order (channels last) under another shape. Costs no hardware."""

    shape: tuple[int, ...]

    def infer(self, inputs: tuple[Edge, ...]) -> Edge:
        (x,) = inputs
        if not self.shape or min(self.shape) < 1 or math.prod(self.shape) != math.prod(x.shape):
            raise self.fail(f"shape {x.shape} cannot become {self.shape}")
        return Edge(x.type, self.shape)
