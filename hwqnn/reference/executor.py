"""Runs integer inputs through a canonical graph."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from hwqnn.errors import InputError
from hwqnn.ir import Bipolar, Graph, Type
from hwqnn.reference import plan
from hwqnn.reference.plan import Call, Value
from hwqnn.reference.step import check_int64, storage

_CHUNK, _CHUNK_BYTES = 500, 1 << 20
"""Images, and bytes of a value between steps, that pass through all steps together: enough to hide the calls, few enough to stay in a cache."""


class Executor:
    """The bit-exact simulator of a canonical graph.

    Args:
        graph: canonical, of any ops but Requantize.
        threads: how many share a batch; None means one a core. With 1, all runs on the calling thread.

    Raises:
        GraphError: the graph is not canonical, or its values may need 64 bits or more.
        InputError: `threads` is less than 1.
    """

    def __init__(self, graph: Graph, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise InputError(f"threads {threads}: expected 1 or more")
        self.graph = graph
        self.threads = threads or os.cpu_count() or 1
        self._input, self._output = Value(graph.input.name), Value(graph.output)
        self._fast = plan.fast(graph)
        largest = max(plan.size(graph, value) for value in [self._input, *(call.writes for call in self._fast)])
        self._chunk = max(1, min(_CHUNK, _CHUNK_BYTES // largest))
        check_int64(graph.input, graph.edges[graph.input.name])
        check_int64(graph.op(graph.output), graph.edges[graph.output])

    def run(self, x: np.ndarray) -> np.ndarray:
        """The output for each input, on packed bits where the network is binary.

        Args:
            x: integers of the input's type, (N, *input shape), of any integer dtype.

        Returns:
            int64 (N, *output shape).

        Raises:
            InputError: x has another shape, is not of an integer dtype, or holds a value outside the input's type.
        """
        x = self._checked(x)
        chunks = self._chunks(x)
        if self.threads == 1 or len(chunks) == 1:
            return np.concatenate([self._through(chunk) for chunk in chunks])
        with ThreadPoolExecutor(min(self.threads, len(chunks))) as pool:
            return np.concatenate(list(pool.map(self._through, chunks)))

    def trace(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Every edge's values, op by op without packing or fusion: op name -> (N, *shape), in the narrowest integer dtype for the edge's type.

        Takes and raises what `run` does. An edge that may need 64 bits or more comes as Python integers (dtype object).
        """
        parts = [self._trace(chunk) for chunk in self._chunks(self._checked(x))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _chunks(self, x: np.ndarray) -> list[np.ndarray]:
        return [x[i : i + self._chunk] for i in range(0, len(x), self._chunk)] or [x]

    def _trace(self, x: np.ndarray) -> dict[str, np.ndarray]:
        values = {self._input: x}
        for call in self._plain:
            values[call.writes] = call.step(*(values[read] for read in call.reads))
        return {value.name: found.astype(_narrowest(self.graph.edges[value.name].type)) for value, found in values.items()}

    @cached_property
    def _plain(self) -> list[Call]:
        return plan.plain(self.graph)

    def _through(self, x: np.ndarray) -> np.ndarray:
        values = {self._input: x}
        for call in self._fast:
            values[call.writes] = call.step(*(values[read] for read in call.reads))
            for value in call.frees:
                del values[value]
        return values[self._output].astype(np.int64)

    def _checked(self, x: np.ndarray) -> np.ndarray:
        """x in a dtype that the steps take."""
        entry = self.graph.input
        if x.shape[1:] != entry.shape or x.ndim != len(entry.shape) + 1:
            expected = ", ".join(map(str, entry.shape))
            raise InputError(f"input of shape {x.shape}, expected (N, {expected}) for '{entry.name}' of graph '{self.graph.name}'")
        if x.dtype.kind not in "iu":
            raise InputError(f"input '{entry.name}' is {x.dtype}, expected integers of type {entry.type}")
        of = entry.type
        if isinstance(of, Bipolar) or np.iinfo(x.dtype).min < of.min or np.iinfo(x.dtype).max > of.max:
            bad = (x < of.min) | (x > of.max)
            if isinstance(of, Bipolar):
                bad |= x == 0
            if bad.any():
                raise InputError(f"input '{entry.name}' of image {np.argwhere(bad)[0][0]} holds {x[bad][0]}, which is not of type {of}")
        return x.astype(np.uint8 if of.min >= 0 and of.bits <= 8 else storage(of), copy=False)


def _narrowest(of: Type) -> np.dtype:
    """The narrowest NumPy integer dtype for a type's values; object where none is wide enough."""
    kinds = (np.int8, np.int16, np.int32, np.int64) if of.min < 0 else (np.uint8, np.uint16, np.uint32, np.int64)
    return np.dtype(next((dtype for dtype in kinds if np.iinfo(dtype).min <= of.min and of.max <= np.iinfo(dtype).max), object))
