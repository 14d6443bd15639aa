"""Compares what the RTL's blocks sent with the reference simulator, bit for bit, and says where they first differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwqnn.cosim.run import Trace
from hwqnn.dataflow.design import Design
from hwqnn.dataflow.pack import code
from hwqnn.emit import padded_bits
from hwqnn.ir import Int, Type, UInt

OUTPUT_PORT = "output port"


@dataclass(frozen=True)
class Mismatch:
    """One wrong value: the earliest block that differs, its first image, there the first value. `got` is None where nothing came.

    Attributes:
        pixel: (y, x) where the block gives a map, else empty.
    """

    image: int
    layer: str
    block: str
    channel: int
    expected: int
    got: int | None
    pixel: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.of("the RTL")

    def of(self, what: str) -> str:
        """This mismatch in words, where `what` gave the wrong value."""
        got = "nothing" if self.got is None else self.got
        where = f"pixel {self.pixel}, channel {self.channel}" if self.pixel else f"channel {self.channel}"
        return f"image {self.image}, layer '{self.layer}' ({self.block}), {where}: expected {self.expected}, {what} gave {got}"


@dataclass(frozen=True)
class Comparison:
    """Over all blocks and the accelerator's own output port: bits compared, bits wrong or missing, and the first wrong value."""

    bits: int
    mismatches: int
    first: Mismatch | None


@dataclass(frozen=True, eq=False)
class _Stream:
    """Values that should have been sent, (frames, ...), and that were, (frames, elements)."""

    layer: str
    block: str
    type: Type
    expected: np.ndarray
    sent: np.ndarray


def compare(design: Design, trace: Trace, expected: dict[str, np.ndarray]) -> Comparison:
    """Compares every probed stream, then the output port and its tlast, with `expected` (op name -> integers, (frames, ...))."""
    bits = mismatches = 0
    first = missing = None
    streams = [_Stream(n.layer, n.block.module, n.block.beat_out.type, expected[n.edge], trace.streams[n.edge]) for n in design.nodes if n.edge]
    last, outputs = design.result, expected[str(design.result.edge)]
    width = min(63, padded_bits(last.block.beat_out.type.bits))
    streams.append(_Stream(last.layer, OUTPUT_PORT, Int(width) if last.block.beat_out.type.min < 0 else UInt(width), outputs, trace.output))
    beats = np.arange(trace.lasts.shape[1]) == trace.lasts.shape[1] - 1
    streams.append(_Stream(last.layer, f"{OUTPUT_PORT}'s tlast", UInt(1), np.tile(beats, (len(outputs), 1)), trace.lasts))
    for stream in streams:
        layer, block, of = stream.layer, stream.block, stream.type
        want = stream.expected.reshape(len(stream.expected), -1).astype(np.int64)
        got = stream.sent[: len(want)].astype(np.int64)
        bits += want.size * of.bits
        differ = code(want[: len(got)], of) ^ code(got, of)
        wrong = np.argwhere(differ)
        mismatches += int(np.bitwise_count(differ).sum()) + (want.size - got.size) * of.bits
        if first is None and len(wrong):
            image, element = (int(v) for v in wrong[0])
            *pixel, channel = (int(v) for v in np.unravel_index(element, stream.expected.shape[1:] or (1,)))
            first = Mismatch(image, layer, block, channel, int(want[image, element]), int(got[image, element]), tuple(pixel))
        # blocks before the one that stopped get further than it does, those behind it no further
        if len(got) < len(want) and (missing is None or len(got) < missing.image):
            missing = Mismatch(len(got), layer, block, 0, int(want[len(got), 0]), None)
    return Comparison(bits, mismatches, first or missing)
