"""The user's model as software: imported against some data, and run on it to check what was imported."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwqnn import layout
from hwqnn.data import Dataset
from hwqnn.errors import InputError
from hwqnn.ir import Graph, Type, UInt, smallest

if TYPE_CHECKING:
    import torch

Labels = Callable[[bool], np.ndarray | None]
"""Runs the model on all of the data, in float64 if True, else in the model's own precision: int64 (N,), a tie goes to the lowest index.
None when what runs it is not installed."""


_BATCH = 500


def import_for(name: str, model: torch.nn.Module | Path, data: Dataset) -> tuple[Graph, Labels]:
    """The imported graph of a torch module or of an ONNX file, and what runs the model itself."""
    return _from_onnx(name, model, data) if isinstance(model, Path) else _from_torch(name, model, data)


def is_onnx(model: str) -> bool:
    """Whether a model's name on the command line is that of an ONNX file."""
    return Path(model).suffix.lower() == ".onnx"


def _input_type(data: Dataset) -> Type:
    lo, hi = int(data.x.min()), int(data.x.max())
    return UInt(8) if data.x.dtype == np.uint8 else smallest(min(lo, 0), max(hi, 1))


def _from_onnx(name: str, path: Path, data: Dataset) -> tuple[Graph, Labels]:
    from hwqnn.frontend.qonnx import OnnxFile, execute, import_qonnx

    graph = import_qonnx(path, name=name, input_type=_input_type(data), input_scale=data.scale)
    features = math.prod(graph.input.shape)
    if features != math.prod(data.x.shape[1:]):
        raise InputError(f"{path} takes {features} values, but a sample of data '{data.name}' has shape {data.x.shape[1:]}")

    def labels(double: bool) -> np.ndarray | None:
        return execute.labels(OnnxFile.read(path), data.real(), double) if execute.available() else None

    return graph, labels


def _from_torch(name: str, model: torch.nn.Module, data: Dataset) -> tuple[Graph, Labels]:
    """The layout that the model takes is tried: with a channel axis, the data's own, channels first, or flat."""
    import torch

    from hwqnn.frontend import import_brevitas

    sample = _part(data, 0, 1).real()
    failure: InputError | None = None
    tried: set[tuple[int, ...]] = set()
    for arrange in _ARRANGEMENTS:
        x = arrange(sample)
        if x is None or x.shape in tried:
            continue
        tried.add(x.shape)
        try:
            graph = import_brevitas(model, torch.from_numpy(x), name=name, input_type=_input_type(data), input_scale=data.scale)
        except InputError as error:
            if error.__class__ is not InputError:
                raise
            failure = failure or error
        else:
            return graph, partial(_run_torch, model, data, arrange)
    assert failure is not None
    raise failure


_Arrange = Callable[[np.ndarray], np.ndarray | None]
_ARRANGEMENTS: tuple[_Arrange, ...] = (
    lambda x: x[:, None] if x.ndim == 3 else None,  # first: torch takes (1, height, width) for one image without a batch
    lambda x: x,
    lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else None,
    lambda x: x.reshape(len(x), -1),
)
"""What the model may take a batch (N, ...) as; None where that makes no sense of it."""


def _part(data: Dataset, start: int, stop: int) -> Dataset:
    return replace(data, x=data.x[start:stop], y=data.y[start:stop])


def _run_torch(model: torch.nn.Module, data: Dataset, arrange: _Arrange, double: bool) -> np.ndarray:
    """Labels (N,), or of every pixel (N, H, W)."""
    import torch

    if double:
        model = copy.deepcopy(model).double()
    labels = []
    dtype = next((t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()), torch.float32)
    with one_thread(), torch.no_grad():
        for start in range(0, len(data), _BATCH):
            x = torch.from_numpy(arrange(_part(data, start, start + _BATCH).real())).to(dtype)
            out = model(x)
            labels.append(layout.compact(getattr(out, "value", out).numpy().argmax(axis=1)))
    return np.concatenate(labels)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on the calling thread alone: with more, small layers on a busy machine take up to 60 times as long."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
