"""The user's model as software: imported against some data, and run on it to check what was imported."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

_BATCH = 500


@dataclass(frozen=True, eq=False)
class Software:
    """The user's own model beside some data.

    Attributes:
        graph: the model, imported.
        data: with x in the layout that the model takes.
        labels: runs the model on all of the data, in float64 if True, else in the model's own precision: int64 (N,), or of every pixel (N, H, W); a
            tie goes to the lowest index. None when what runs it is not installed.
    """

    graph: Graph
    data: Dataset
    labels: Callable[[bool], np.ndarray | None]


def import_for(name: str, model: torch.nn.Module | Path, data: Dataset) -> Software:
    """Imports a torch module or an ONNX file for some data.

    Raises:
        InputError: it takes the data in no layout. UnsupportedError: it cannot be imported.
    """
    return _from_onnx(name, model, data) if isinstance(model, Path) else _from_torch(name, model, data)


def is_onnx(model: str) -> bool:
    """Whether a model's name on the command line is that of an ONNX file."""
    return Path(model).suffix.lower() == ".onnx"


def _input_type(data: Dataset) -> Type:
    lo, hi = int(data.x.min()), int(data.x.max())
    return UInt(8) if data.x.dtype == np.uint8 else smallest(min(lo, 0), max(hi, 1))


def _from_onnx(name: str, path: Path, data: Dataset) -> Software:
    from hwqnn.frontend.qonnx import OnnxFile, execute, import_qonnx

    graph = import_qonnx(path, name=name, input_type=_input_type(data), input_scale=data.scale)
    features = math.prod(graph.input.shape)
    if features != math.prod(data.x.shape[1:]):
        raise InputError(f"{path} takes {features} values, but a sample of data '{data.name}' has shape {data.x.shape[1:]}")
    file = OnnxFile.read(path)
    arranged = replace(data, x=layout.channels_first(data.x, file.shape))

    def labels(double: bool) -> np.ndarray | None:
        return execute.labels(file, arranged.real(), double) if execute.available() else None

    return Software(graph, arranged, labels)


def _from_torch(name: str, model: torch.nn.Module, data: Dataset) -> Software:
    """The layout that the model takes is tried: the data's own, with a channel axis, channels first, or flat."""
    import torch

    from hwqnn.frontend import import_brevitas

    failure: InputError | None = None
    tried: set[tuple[int, ...]] = set()
    for arrange in _ARRANGEMENTS:
        x = arrange(data.x)
        if x is None or x.shape in tried:
            continue
        tried.add(x.shape)
        arranged = replace(data, x=x)
        sample = _part(arranged, 0, 1).real().repeat(2, axis=0)  # one image without a channel axis could pass for one channel
        try:
            graph = import_brevitas(model, torch.from_numpy(sample), name=name, input_type=_input_type(data), input_scale=data.scale)
        except InputError as error:
            if error.__class__ is not InputError:
                raise
            failure = failure or error
        else:
            return Software(graph, arranged, partial(_run_torch, model, arranged))
    assert failure is not None
    raise failure


_ARRANGEMENTS: tuple[Callable[[np.ndarray], np.ndarray | None], ...] = (
    lambda x: x,
    lambda x: x[:, None] if x.ndim in (2, 3) else None,
    lambda x: np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim in (3, 4) else None,
    lambda x: x.reshape(len(x), -1),
)
"""What the model may take a batch (N, ...) as; None where that makes no sense of it."""


def _part(data: Dataset, start: int, stop: int) -> Dataset:
    return replace(data, x=data.x[start:stop], y=data.y[start:stop])


def _run_torch(model: torch.nn.Module, data: Dataset, double: bool) -> np.ndarray:
    """Labels (N,), or of every pixel (N, H, W)."""
    import torch

    if double:
        model = copy.deepcopy(model).double()
    labels = []
    dtype = next((t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()), torch.float32)
    with one_thread(), torch.no_grad():
        for start in range(0, len(data), _BATCH):
            out = model(torch.from_numpy(_part(data, start, start + _BATCH).real()).to(dtype))
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
