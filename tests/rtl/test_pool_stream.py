"""rtl/pool_stream.sv under cocotb: what it gives, against the windows written out; when, against its rule. With pixels left over, and without."""

import numpy as np
import pytest
from bench_runner import run_bench
from yosys import synthesize

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.pool import StreamPool
from hwqnn.ir import Bipolar, Geometry, Int, UInt

# type, lanes, tiles, height, width, kernel, channels that want the least: none, all, each tile the same ones, any
GRID = (
    (Bipolar(), 1, 1, 1, 1, (1, 1), "none"),
    (Bipolar(), 4, 1, 4, 6, (2, 2), "none"),
    (Bipolar(), 3, 3, 4, 4, (2, 2), "any"),
    (UInt(1), 2, 2, 5, 7, (2, 2), "alike"),  # a row and a column are left over
    (Int(1), 3, 2, 3, 5, (3, 2), "any"),
    (UInt(2), 2, 3, 7, 8, (3, 3), "any"),  # two columns are left over
    (Int(3), 3, 2, 2, 9, (1, 2), "any"),
    (Int(8), 1, 3, 6, 3, (3, 1), "none"),
    (UInt(8), 2, 1, 1, 11, (1, 4), "alike"),
    (Int(2), 2, 2, 4, 2, (2, 2), "all"),
)


def make(of, lanes, fold, height, width, kernel, least):
    rng = np.random.default_rng(lanes * fold + width)
    channels = lanes * fold
    tile = np.arange(lanes) % 2 == 0
    minimum = {"none": np.zeros(1, bool), "all": np.ones(1, bool), "alike": np.tile(tile, fold), "any": rng.random(channels) < 0.5}[least]
    geometry, beat = Geometry(kernel, kernel), Beat(lanes, of)
    assert StreamPool.tiles(geometry)
    block = StreamPool(beat_in=beat, beat_out=beat, geometry=geometry, height=height, width=width, channels=channels, minimum=minimum)
    assert block.cycles == len(block.schedule.give)
    case = block.parameters | {"minimum": np.broadcast_to(minimum, channels).tolist()}
    return block, case, {name: list(memory.words) for name, memory in block.memories.items()}


def run(grid, folder, monkeypatch, **options):
    _, cases, roms = zip(*(make(*row) for row in grid), strict=True)
    run_bench(folder, monkeypatch, "pool_stream", list(cases), [(c["PE"] * c["BITS"],) * 2 for c in cases], list(roms), **options)


def test_pool_stream(tmp_path, monkeypatch):
    run(GRID, tmp_path, monkeypatch)


def test_pool_stream_netlist(tmp_path, monkeypatch):
    """Again on what yosys makes of it: LUT RAM and registers."""
    run([GRID[2], GRID[3], GRID[6]], tmp_path, monkeypatch, netlist=synthesize)


@pytest.mark.parametrize("row", GRID)
def test_schedule(row):
    """The engine's schedule gives where a window's last pixel comes, written out."""
    block, _, _ = make(*row)
    (kh, kw), fold = block.geometry.kernel, block.fold
    lines, columns = block.geometry.output(block.height, block.width)
    ends = {(line * kh + kh - 1) * block.width + column * kw + kw - 1 for line in range(lines) for column in range(columns)}
    assert block.schedule.give.tolist() == [step // fold in ends for step in range(block.height * block.width * fold)]


@pytest.mark.parametrize("geometry", [((2, 2), (1, 1)), ((2, 2), (2, 2), (1, 0, 0, 0)), ((2, 2), (2, 2), (0, 0, 0, 0), (2, 1))])
def test_other_windows_do_not_tile(geometry):
    assert not StreamPool.tiles(Geometry(*geometry))
