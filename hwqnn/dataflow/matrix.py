"""A matrix as a hardware block multiplies with it: a fully connected layer and a convolution are the same vectors against the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwqnn.ir import Bipolar, Conv, Edge, MatMul, Type


@dataclass(frozen=True, eq=False)
class Positions:
    """The kinds of places that a window can have on its map, told apart by which of its taps are padding.

    Attributes:
        rows, columns: int64 (output height,) and (output width,), which kind of row and of column each is.
        padded: bool (kinds of rows, kinds of columns, taps): the tap lies outside the map.
    """

    rows: np.ndarray
    columns: np.ndarray
    padded: np.ndarray


_FLAT = Positions(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros((1, 1, 1), dtype=bool))


@dataclass(frozen=True, eq=False)
class Matrix:
    """A layer's weights, and the vectors that a frame brings for them: one for each output pixel and group, pixels first.

    Attributes:
        op: the layer.
        weight: int64 (groups, outputs of a group, inputs of a vector), inputs in the order in which a window emits them: (kh, kw, c).
        pixels: output pixels a frame; 1 for a fully connected layer.
        taps: window positions in a vector.
        positions: of the pixels.
    """

    op: MatMul | Conv
    weight: np.ndarray
    pixels: int
    taps: int
    positions: Positions

    @classmethod
    def of(cls, op: MatMul | Conv, edge: Edge) -> Matrix:
        """The matrix of a layer that reads `edge`."""
        if isinstance(op, MatMul):
            return cls(op, op.weight[None], 1, 1, _FLAT)
        height, width, _ = edge.shape
        rows, columns = (np.unique(inside, axis=0, return_inverse=True) for inside in op.geometry.inside(height, width))
        inside = rows[0][:, None, :, None] & columns[0][None, :, None, :]
        positions = Positions(rows[1].reshape(-1), columns[1].reshape(-1), ~inside.reshape(*inside.shape[:2], op.geometry.taps))
        weight = op.weight.reshape(op.groups, len(op.weight) // op.groups, -1)
        return cls(op, weight, len(positions.rows) * len(positions.columns), op.geometry.taps, positions)

    @property
    def weight_type(self) -> Type:
        return self.op.weight_type

    @property
    def groups(self) -> int:
        return self.weight.shape[0]

    @property
    def outputs(self) -> int:
        """Of all groups."""
        return self.weight.shape[0] * self.weight.shape[1]

    @property
    def inputs(self) -> int:
        """Of one vector."""
        return self.weight.shape[2]

    @property
    def vectors(self) -> int:
        """A frame."""
        return self.pixels * self.groups

    @property
    def depthwise(self) -> bool:
        """Each channel has a window and a result of its own, so that `Depthwise` can do it too."""
        return isinstance(self.op, Conv) and self.weight.shape[1] == 1 and self.inputs == self.taps

    def missing(self, x: Type) -> np.ndarray:
        """What a sum lacks when padding is the bit pattern 0, int64 (kinds of positions, outputs), row kinds first.

        Only a bipolar 0 is not worth 0: it is -1, so the sum has w too little for every padded tap. (1, outputs) zeros where nothing is lacking.
        """
        if not isinstance(x, Bipolar) or not self.positions.padded.any():
            return np.zeros((1, self.outputs), dtype=np.int64)
        return self._padded_weights

    @cached_property
    def _padded_weights(self) -> np.ndarray:
        by_tap = self.weight.reshape(self.outputs, self.taps, -1).sum(axis=2)
        return self.positions.padded.reshape(-1, self.taps).astype(np.int64) @ by_tap.T
