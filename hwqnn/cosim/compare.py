"""Compares what the RTL's blocks sent with the reference simulator, bit for bit, and says where they first differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.cosim.run import Trace
from hwqnn.dataflow.design import Design


@dataclass(frozen=True)
class Mismatch:
    """One wrong value: the earliest block in the chain that differs, its first image, its first channel. `got` is None where nothing came."""

    image: int
    layer: str
    block: str
    channel: int
    expected: int
    got: int | None

    def __str__(self) -> str:
        got = "nothing" if self.got is None else self.got
        return f"image {self.image}, layer '{self.layer}' ({self.block}), channel {self.channel}: expected {self.expected}, the RTL gave {got}"


@dataclass(frozen=True)
class Comparison:
    """Over all blocks: bits compared, wrong or missing values, and the first of them."""

    bits: int
    mismatches: int
    first: Mismatch | None


def compare(design: Design, trace: Trace, expected: dict[str, np.ndarray]) -> Comparison:
    """Compares every probed stream with `expected` (op name -> integers, (frames, ...)). A value that never came counts as a mismatch."""
    bits = mismatches = 0
    first = None
    for node in design.nodes:
        if node.edge is None:
            continue
        want = expected[node.edge].reshape(len(expected[node.edge]), -1)
        got = trace.streams[node.edge][: len(want)]
        bits += want.size * node.block.beat_out.type.bits
        wrong = np.argwhere(want[: len(got)] != got)
        mismatches += len(wrong) + (want.size - got.size)
        if first is None and (len(wrong) or len(got) < len(want)):
            image, channel = (int(v) for v in wrong[0]) if len(wrong) else (len(got), 0)
            value = int(got[image, channel]) if len(wrong) else None
            first = Mismatch(image, node.layer, node.block.module, channel, int(want[image, channel]), value)
    return Comparison(bits, mismatches, first)
