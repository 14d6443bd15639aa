"""Counts where torch's own activations differ from the exact ones: float32 rounds, above all at ties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hwqnn import layout
from hwqnn.ir import Graph, Requantize
from hwqnn.passes import lower_requantize
from hwqnn.reference import Executor

_BATCH = 100


@dataclass(frozen=True)
class Disagreement:
    """The codes of one activation quantizer over some inputs: how many, and how many of them torch computes otherwise."""

    layer: str
    codes: int
    differing: int


def activations(model: torch.nn.Module, imported: Graph, x: np.ndarray, real: np.ndarray) -> list[Disagreement]:
    """Every activation quantizer of a Brevitas model against the exact meaning of what was imported, before any rewriting of it.

    Args:
        imported: from `import_brevitas`.
        x: the raw integers in the graph's layout, (N, *shape). real: the same as the model takes them, float32 (N, ...).
    """
    graph = lower_requantize(imported)
    quantizers = {op.name: op.quantizer for op in imported.ops if isinstance(op, Requantize)}
    executor = Executor(graph, threads=1)
    counts = dict.fromkeys(quantizers, (0, 0))
    for start in range(0, len(x), _BATCH):
        exact = executor.trace(x[start : start + _BATCH])
        with _listening(model, quantizers.keys()) as heard, torch.no_grad():
            model(torch.from_numpy(real[start : start + _BATCH]))
        for name, values in heard.items():
            expected = exact[name]
            codes = np.rint(values.astype(np.float64) / float(quantizers[name].scale))
            differ = layout.to_hardware(codes, expected.shape[1:]) != expected
            counts[name] = (counts[name][0] + differ.size, counts[name][1] + int(differ.sum()))
    return [Disagreement(name, *found) for name, found in counts.items() if found[0]]


@contextmanager
def _listening(model: torch.nn.Module, names: Any) -> Iterator[dict[str, np.ndarray]]:
    """What the layers with these op names put out while the context lasts; `name@2` is the second call of `name`."""
    heard: dict[str, np.ndarray] = {}
    modules = dict(model.named_modules())
    handles = []
    for path in {re.sub(r"@\d+$", "", name) for name in names} & modules.keys():

        def hook(module: torch.nn.Module, args: Any, out: Any, path: str = path) -> None:
            calls = sum(re.sub(r"@\d+$", "", name) == path for name in heard)
            name = path if not calls else f"{path}@{calls + 1}"
            if name in names:
                heard[name] = getattr(out, "value", out).detach().numpy()

        handles.append(modules[path].register_forward_hook(hook))
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
