"""Lowered thresholds against exact rational arithmetic on every accumulator that a trained network can reach: python benchmarks/exactness.py

For each layer, channel and reachable accumulator the exact model (tests/exact_model.py) carries the integer through scale, batch norm and
quantizer; the lowered threshold must give the same code. Ends with 1 if one does not.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["BREVITAS_JIT"] = "0"  # before anything imports Brevitas
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from exact_model import Real, apply_piece, quantize, run_threshold

from hwqnn.ir import Bipolar, Conv, Graph, MatMul, MaxPool, Requantize, Threshold, Upsample
from hwqnn.passes import lower_requantize


@dataclass(frozen=True)
class Layer:
    """What was compared in one layer."""

    name: str
    channels: int
    pairs: int
    mismatches: int


def reachable(graph: Graph, name: str, channel: int) -> range:
    """The integers that the op can give in one channel; from inputs of -1 and +1 sums are all even or all odd."""
    op, edge = graph.op(name), graph.edges[name]
    if isinstance(op, MaxPool | Upsample):
        return reachable(graph, op.inputs[0], channel)
    if not isinstance(op, MatMul | Conv):
        return range(edge.type.min, edge.type.max + 1)
    x = graph.edges[op.inputs[0]].type
    lo, hi = op.channel_range(x)
    padded = isinstance(op, Conv) and any(op.geometry.padding)
    return range(int(lo[channel]), int(hi[channel]) + 1, 2 if isinstance(x, Bipolar) and not padded else 1)


def compare(imported: Graph) -> list[Layer]:
    """Every `Requantize` of an imported graph against its lowering."""
    lowered = lower_requantize(imported)
    layers = []
    for op in imported.ops:
        if not isinstance(op, Requantize):
            continue
        threshold = lowered.op(op.name)
        assert isinstance(threshold, Threshold)
        channels, pairs, mismatches = imported.edges[op.name].channels, 0, 0
        for channel in range(channels):
            row = channel if len(threshold.thresholds) > 1 else 0
            for accumulator in reachable(imported, op.inputs[0], channel):
                x = Real.of(accumulator)
                for piece in op.chain:
                    x = apply_piece(piece, x, channel)
                pairs += 1
                mismatches += quantize(op.quantizer, x) != run_threshold(threshold, row, accumulator)
        layers.append(Layer(op.name, channels, pairs, mismatches))
    return layers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tfc-w1a1", help="a built-in model")
    args = parser.parse_args()
    import torch

    from hwqnn import zoo
    from hwqnn.frontend import import_brevitas
    from hwqnn.ir import UInt

    torch.set_num_threads(1)
    entry = zoo.MODELS[args.model]
    example = torch.zeros(1, *entry.input_shape)
    imported = import_brevitas(zoo.load(args.model), example, name=args.model, input_type=UInt(8), input_scale=entry.input_scale)
    start = time.perf_counter()
    layers = compare(imported)
    for layer in layers:
        print(f"{layer.name:12s} {layer.channels:5d} channels {layer.pairs:8d} (channel, accumulator) pairs {layer.mismatches:4d} mismatches")
    pairs, mismatches = sum(x.pairs for x in layers), sum(x.mismatches for x in layers)
    weights = "trained" if entry.weights else "random"
    print(f"{args.model} ({weights} weights): {pairs} pairs checked, {mismatches} mismatches, {time.perf_counter() - start:.1f} s")
    sys.exit(1 if mismatches else 0)


if __name__ == "__main__":
    main()
