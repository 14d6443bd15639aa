"""Moves the input quantizer out of the accelerator: the host sends its codes instead of raw pixels."""

from __future__ import annotations

from dataclasses import replace

from hwqnn.errors import UnsupportedError
from hwqnn.ir import Graph, Threshold


def expose_codes(graph: Graph) -> tuple[Graph, Threshold]:
    """The graph that takes codes, and the threshold that the host now applies.

    Raises:
        UnsupportedError: the network has no input quantizer, so there are no codes.
    """
    consumers = graph.consumers(graph.input.name)
    if len(consumers) != 1 or not isinstance(consumers[0], Threshold):
        raise UnsupportedError(f"graph '{graph.name}' has no quantizer right after its input: it can only take raw values")
    quantizer = consumers[0]
    entry = replace(graph.input, name=quantizer.name, type=quantizer.type)
    return graph.replace({graph.input.name: [entry], quantizer.name: []}), quantizer
