"""The estimates of windows, pools, upsamplers and FIFOs of real networks' sizes, against yosys."""

from pathlib import Path

import numpy as np
import pytest

from hwqnn import synth
from hwqnn.dataflow import Beat, Block, Design, Node
from hwqnn.dataflow.design import Source
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.dataflow.pool import PoolBlock, StreamPool
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.window import Window
from hwqnn.dataflow.window_parallel import ParallelWindow
from hwqnn.emit import emit
from hwqnn.ir import Bipolar, Geometry, Type, UInt


def window(geometry: Geometry, size: int, channels: int, elements: int, of: Type, tile: int | None = None, bram: bool = False) -> Window:
    beat = Beat(elements, of)
    return Window(beat_in=beat, beat_out=beat, geometry=geometry, height=size, width=size, channels=channels, tile=tile or channels, pad=0, bram=bram)


def whole(geometry: Geometry, size: int, channels: int, of: Type, bram: bool = False) -> ParallelWindow:
    beat = Beat(channels, of)
    return ParallelWindow(beat_in=beat, beat_out=Beat(channels * geometry.taps, of), geometry=geometry, height=size, width=size, bram=bram)


def pool(channels: int, elements: int, pixels: int) -> PoolBlock:
    beat = Beat(elements, Bipolar())
    return PoolBlock(beat_in=beat, beat_out=beat, taps=4, channels=channels, pixels=pixels, minimum=np.zeros(1, bool))


def tiled(size: int, channels: int, elements: int, of: Type) -> StreamPool:
    beat, pairs = Beat(elements, of), Geometry((2, 2), (2, 2))
    return StreamPool(beat_in=beat, beat_out=beat, geometry=pairs, height=size, width=size, channels=channels, minimum=np.zeros(1, bool))


def fifo(bits: int, depth: int, bram: bool = False) -> Fifo:
    return Fifo(beat_in=Beat(bits, Bipolar()), beat_out=Beat(bits, Bipolar()), depth=depth, bram=bram)


BLOCKS: dict[str, Block] = {
    "image": window(Geometry((3, 3)), 32, 3, 3, UInt(8)),
    "bits": window(Geometry((3, 3)), 30, 64, 32, Bipolar()),
    "bits in block RAM": window(Geometry((3, 3)), 30, 64, 32, Bipolar(), bram=True),
    "digits": window(Geometry((5, 5)), 28, 1, 1, UInt(8)),
    "residual": window(Geometry((3, 3), (1, 1), (1, 1, 1, 1)), 32, 16, 4, UInt(4)),
    "before a pool": window(Geometry((2, 2), (2, 2)), 28, 64, 16, Bipolar(), tile=16),
    "digits at once": whole(Geometry((5, 5)), 28, 1, UInt(8)),
    "image at once": whole(Geometry((3, 3), (1, 1), (1, 1, 1, 1)), 32, 3, UInt(8)),
    "bits at once": whole(Geometry((3, 3)), 14, 16, Bipolar()),
    "strided at once": whole(Geometry((7, 7), (2, 2), (3, 3, 3, 3)), 64, 3, UInt(8)),
    "pool": pool(64, 16, 14 * 14),
    "wide windows at once": whole(Geometry((3, 3)), 30, 64, Bipolar()),
    "wide windows at once from block RAM": whole(Geometry((3, 3)), 30, 64, Bipolar(), bram=True),
    "pool of pairs": tiled(28, 64, 64, Bipolar()),
    "narrow pool of pairs": tiled(28, 64, 8, Bipolar()),
    "pool of pairs of codes": tiled(32, 16, 8, UInt(4)),
    "FIFO of a beat": fifo(64, 1),
    "FIFO of two": fifo(64, 2),
    "wide FIFO": fifo(64, 32),
    "narrow FIFO": fifo(4, 32),
    "deep FIFO": fifo(32, 160),
    "FIFO in block RAM": fifo(32, 512, bram=True),
    "upsample": UpsampleBlock(beat_in=Beat(8, UInt(4)), beat_out=Beat(8, UInt(4)), factor=(2, 2), height=8, width=8, channels=32),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_within_15_percent(name: str, tmp_path: Path) -> None:
    block = BLOCKS[name]
    emitted = emit(Design("one", (Node("block", "block", block, "x", (Source(None),)),), 100.0), tmp_path)
    node = emitted.nodes[0]
    cells = synth.synthesize([synth.Unit(name, node.module, node.sources, emitted.directory, node.memories)], jobs=1, timeout_s=100)[name]
    print(name, "estimated", block.estimate, "found", cells)
    assert block.estimate.lut == pytest.approx(cells.lut, rel=0.15)
    assert block.estimate.ff == pytest.approx(cells.ff, rel=0.15)
    assert block.estimate.bram36 == cells.bram36
