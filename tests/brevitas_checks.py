"""A drawn Brevitas network becomes a graph, which must hold the very codes that Brevitas computes, by whichever way it was imported."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import exact_model
import numpy as np
import torch
from brevitas_layers import plain
from brevitas_modules import build
from brevitas_networks import Description
from networks import Network
from qonnx_files import export, same_network
from torch import nn

from hwqnn import ir
from hwqnn.accelerator import Port
from hwqnn.frontend import import_brevitas, import_qonnx
from hwqnn.passes import Head, lower

CLOSE = 1e-6
"""In codes: Brevitas' scales are quotients in float32, or in float64 now; neither can tell a boundary from what is nearer than this."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A built network and its graph."""

    description: Description
    model: nn.Module
    graph: ir.Graph

    @property
    def images(self) -> np.ndarray:
        """int64 (N, *input shape of the graph): a map has its channels last, all else is as it comes."""
        pixels, shape = self.description.pixels(), self.graph.input.shape
        return np.moveaxis(pixels, 1, -1).reshape(-1, *shape) if len(shape) == 3 else pixels.reshape(-1, *shape)

    def network(self) -> Network:
        d, graph = self.description, self.graph
        readers = graph.consumers(graph.input.name)
        exposable = len(readers) == 1 and isinstance(readers[0], ir.Requantize) and graph.output != readers[0].name
        head = Head.SCORES if any(isinstance(piece, ir.Clamp) for piece in graph.meaning) else d.head  # a clamp can tie classes
        top = min(d.top, graph.edges[graph.output].channels)
        return Network(graph, head, top, Port.CODES if d.codes_port and exposable else Port.RAW, d.folding, self.images)


def imported(description: Description) -> Imported:
    """Raises what the frontend raises."""
    model = build(description)
    input_type = ir.Int(8) if description.signed_input else ir.UInt(8)
    example = torch.zeros(1, *description.shape)
    graph = import_brevitas(model, example, name="random", input_type=input_type, input_scale=Fraction(1, description.steps))
    return Imported(description, model, graph)


def check_against_brevitas(of: Imported) -> int:
    """Every quantizer's codes and the real outputs, in float64, against the exact model; how many codes lie too close to a boundary to tell.

    Behind such a code the image is not looked at any further.
    """
    model, graph = of.model.double(), of.graph
    calls: dict[str, int] = {}
    found: list[tuple[str, np.ndarray, bool]] = []

    def watch(name: str, layer: Any) -> Any:
        def hook(module: nn.Module, args: object, out: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            at = name if calls[name] == 1 else f"{name}@{calls[name]}"
            codes = torch.round(plain(out) / layer.act_quant.scale().double())
            found.append((at, channels_last(codes, graph, at), codes.ndim == 2))

        return layer.register_forward_hook(hook)

    hooks = [watch(name, layer) for name, layer in model.named_modules() if hasattr(layer, "act_quant")]
    with torch.no_grad():
        out = channels_last(plain(model(torch.from_numpy(of.description.pixels()).double() / of.description.steps)), graph, graph.output)
    for hook in hooks:
        hook.remove()
    model.float()
    close = 0
    for i, image in enumerate(of.images):
        exact = exact_model.trace(graph, image.reshape(-1).tolist())
        agrees = True
        for name, codes, is_flat in found:
            if name in exact and agrees:
                wrong = differing(codes[i], np.array(exact[name]), maps_of_size(graph, len(exact[name])) if is_flat else [])
                assert all(on_a_boundary(graph, exact, name, int(w)) for w in wrong), (
                    f"image {i}, '{name}': Brevitas gives {codes[i].astype(int).tolist()}, the imported graph {exact[name]}"
                )
                close, agrees = close + (len(wrong) > 0), len(wrong) == 0
        if agrees:
            reals = [float(real) for real in exact_model.real_outputs(graph, image.reshape(-1).tolist())]
            assert np.allclose(reals, out[i], rtol=1e-5, atol=1e-5), (
                f"image {i}: Brevitas' outputs are {out[i].tolist()}, the imported graph's {reals}"
            )
    return close


def check_against_qonnx(of: Imported) -> bool:
    """The file that Brevitas exports gives the same canonical graph. False for what such a file cannot say."""
    d = of.description
    if not d.exportable:
        return False
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as folder:
        path = export(of.model, torch.zeros(1, *d.shape), Path(folder) / "model.onnx", dynamo=d.dynamo)
        other = import_qonnx(path, name="random", input_type=of.graph.input.type, input_scale=Fraction(1, d.steps))
    difference = same_network(*(lower(graph, Head.SCORES) for graph in (of.graph, other)))
    assert difference is None, f"the QONNX file gives another network: {difference}"
    return True


def differing(codes: np.ndarray, integers: np.ndarray, maps: list[tuple[int, ...]]) -> np.ndarray:
    """Where `integers` are not `codes`; of several orders that torch may have flattened a map in, the one with the fewest such places."""
    orders = [np.arange(len(codes)), *(np.moveaxis(np.arange(len(codes)).reshape(shape), -1, 0).reshape(-1) for shape in maps)]
    return min((order[integers[order] != codes] for order in orders), key=len)


def maps_of_size(graph: ir.Graph, size: int) -> list[tuple[int, ...]]:
    return [edge.shape for edge in graph.edges.values() if len(edge.shape) == 3 and math.prod(edge.shape) == size]


def channels_last(x: torch.Tensor, graph: ir.Graph, name: str) -> np.ndarray:
    """(N, values of a sample) in the order of the edge `name`: what is no map there has no channels to move."""
    flat = name in graph.edges and len(graph.edges[name].shape) == 1
    return (x if flat else x.movedim(1, -1)).reshape(len(x), -1).numpy()


def on_a_boundary(graph: ir.Graph, exact: dict[str, list[int]], name: str, at: int) -> bool:
    """Whether the real value that the quantizer `name` gets at one place is a boundary between two codes, as near as float64 can tell."""
    op = graph.op(name)
    assert isinstance(op, ir.Requantize)
    producer = op.inputs[0]
    x = float(exact_model.apply_chain(op.chain, exact[producer], graph.edges[producer].channels)[at])
    if isinstance(op.quantizer, ir.SignQuantizer):
        return abs(x) < CLOSE
    steps = x / float(op.quantizer.scale)
    return abs(steps * 2 - round(steps * 2)) < CLOSE * max(1.0, abs(steps))
