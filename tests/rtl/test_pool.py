"""rtl/pool.sv under cocotb: greatest and least, bits, unsigned and signed values, with lanes and tiles that differ."""

import numpy as np
from bench_runner import run_bench

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.pool import PoolBlock
from hwqnn.ir import Bipolar, Int, UInt

# type, lanes, tiles, taps, pixels, channels that want the least: none, all, each tile the same ones, any
GRID = (
    (Bipolar(), 1, 1, 1, 1, "none"),
    (Bipolar(), 4, 1, 4, 3, "none"),
    (Bipolar(), 3, 5, 4, 2, "any"),
    (UInt(1), 2, 2, 2, 3, "alike"),
    (Int(1), 3, 2, 3, 2, "any"),
    (UInt(2), 2, 3, 9, 2, "any"),
    (Int(3), 3, 2, 4, 2, "any"),
    (Int(8), 1, 3, 5, 2, "none"),
    (UInt(8), 2, 1, 3, 4, "alike"),
    (Int(2), 2, 2, 4, 1, "all"),
)


def make(of, lanes, fold, taps, pixels, least):
    rng = np.random.default_rng(lanes * fold + taps)
    channels = lanes * fold
    tile = np.arange(lanes) % 2 == 0
    minimum = {"none": np.zeros(1, bool), "all": np.ones(1, bool), "alike": np.tile(tile, fold), "any": rng.random(channels) < 0.5}[least]
    beat = Beat(lanes, of)
    block = PoolBlock(beat_in=beat, beat_out=beat, taps=taps, channels=channels, pixels=pixels, minimum=minimum)
    case = block.parameters | {"minimum": np.broadcast_to(minimum, channels).tolist()}
    return case, {name: list(memory.words) for name, memory in block.memories.items()}


def test_pool(tmp_path, monkeypatch):
    cases, roms = zip(*(make(*row) for row in GRID), strict=True)
    run_bench(tmp_path, monkeypatch, "pool", list(cases), [(c["PE"] * c["BITS"],) * 2 for c in cases], list(roms))
