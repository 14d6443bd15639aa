"""Between torch's layout of a batch, channels first, and the hardware's, channels last."""

from __future__ import annotations

import math

import numpy as np


def to_hardware(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A batch in the model's own layout as (N, *shape), `shape` being the graph's input.

    Args:
        x: (N, C, H, W), (N, C, L), (N, H, W) of one channel, (N, H, W, C) where that cannot be taken for channels first, or (N, all).
        shape: (H, W, C), (1, L, C) or (F,).
    Raises:
        ValueError: another number of values.
    """
    if x.ndim < 2 or math.prod(x.shape[1:]) != math.prod(shape):
        raise ValueError(f"shape {x.shape} does not hold (N, {', '.join(map(str, shape))})")
    if len(shape) == 1 or (x.shape[1:] == shape and x.shape[1] != shape[-1]):
        return x.reshape(len(x), *shape)
    return np.moveaxis(x.reshape(len(x), shape[-1], *shape[:-1]), 1, -1)


def channels_first(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A batch (N, ...) as a model takes it, (N, *shape): moved there where its channels are last and `shape` has them first, else reshaped.

    Raises:
        ValueError: another number of values.
    """
    if x.shape[1:] != shape and (x.shape[-1], *x.shape[1:-1]) == shape:
        return np.moveaxis(x, -1, 1)
    return x.reshape(len(x), *shape)


def to_user(outputs: np.ndarray) -> np.ndarray:
    """What leaves the hardware, (N, ..., C), with channels first, and without the axes of length 1 behind the batch."""
    return compact(np.moveaxis(outputs, -1, 1))


def compact(x: np.ndarray) -> np.ndarray:
    """Without the axes of length 1 behind the batch."""
    return x.reshape(len(x), *(size for size in x.shape[1:] if size > 1))
