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
        return self.of("the RTL")

    def of(self, what: str) -> str:
        """This mismatch in words, where `what` gave the wrong value."""
        got = "nothing" if self.got is None else self.got
        return f"image {self.image}, layer '{self.layer}' ({self.block}), channel {self.channel}: expected {self.expected}, {what} gave {got}"


@dataclass(frozen=True)
class Comparison:
    """Over all blocks: bits compared, wrong or missing values, and the first of them."""

    bits: int
    mismatches: int
    first: Mismatch | None


def compare(design: Design, trace: Trace, expected: dict[str, np.ndarray]) -> Comparison:
    """Compares every probed stream with `expected` (op name -> integers, (frames, ...)). A value that never came counts as a mismatch."""
    bits = mismatches = 0
    first = missing = None
    for node in design.nodes:
        if node.edge is None:
            continue
        want = expected[node.edge].reshape(len(expected[node.edge]), -1)
        got = trace.streams[node.edge][: len(want)]
        bits += want.size * node.block.beat_out.type.bits
        wrong = np.argwhere(want[: len(got)] != got)
        mismatches += len(wrong) + (want.size - got.size)
        if first is None and len(wrong):
            image, channel = (int(v) for v in wrong[0])
            first = Mismatch(image, node.layer, node.block.module, channel, int(want[image, channel]), int(got[image, channel]))
        # blocks before the one that stopped get further than it does, those behind it no further
        if len(got) < len(want) and (missing is None or len(got) < missing.image):
            missing = Mismatch(len(got), node.layer, node.block.module, 0, int(want[len(got), 0]), None)
    return Comparison(bits, mismatches, first or missing)
