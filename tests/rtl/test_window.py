"""rtl/window.sv under cocotb: what it puts out, against the padded map written out; when, against the schedule that the timing engine uses."""

import numpy as np
import pytest
from bench_runner import run_bench
from yosys import synthesize

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.window import Window
from hwqnn.ir import Geometry, UInt

# geometry (kernel, stride, padding, dilation), height, width, channels, tile, elements a beat, bits, in block RAM
PLAIN = (
    (((1, 1),), 1, 1, 1, 1, 1, 1, False),
    (((2, 2), (2, 2)), 4, 6, 4, 1, 1, 3, False),
    (((3, 3),), 4, 8, 4, 4, 1, 2, False),  # two banks of LUT RAM
    (((3, 3),), 5, 4, 6, 3, 3, 1, True),
    (((3, 2), (1, 2)), 6, 5, 6, 2, 1, 2, False),
    (((5, 4),), 5, 4, 2, 2, 1, 4, False),  # the kernel is the map
    (((2, 2), (3, 3)), 8, 7, 3, 3, 3, 2, True),  # pixels that no window covers, also at the end
    (((1, 1), (2, 3)), 5, 5, 2, 2, 1, 2, False),
    (((2, 3), (1, 1), (0, 0, 0, 0), (2, 2)), 5, 7, 2, 1, 1, 2, False),
    (((1, 5), (1, 2)), 1, 13, 4, 4, 2, 3, False),  # a signal
)
PADDED = (
    (((3, 3), (1, 1), (1, 1, 1, 1)), 4, 5, 4, 4, 4, 2, False),
    (((3, 3), (1, 1), (1, 1, 1, 1)), 4, 5, 2, 1, 1, 2, True),
    (((3, 3), (2, 2), (1, 1, 1, 1)), 5, 6, 6, 2, 2, 1, False),
    (((2, 3), (1, 2), (0, 2, 1, 0)), 4, 6, 3, 3, 1, 2, False),
    (((3, 2), (2, 1), (3, 0, 0, 1), (1, 2)), 3, 5, 2, 2, 2, 2, False),  # windows above the map
    (((3, 3), (1, 1), (2, 2, 2, 2), (2, 2)), 5, 4, 2, 2, 1, 1, False),
    (((1, 1), (1, 1), (1, 1, 1, 1)), 3, 3, 2, 2, 1, 2, False),  # more padding than kernel, on each side
    (((2, 2), (1, 1), (3, 3, 3, 3)), 2, 3, 2, 2, 1, 2, False),
    (((1, 2), (2, 3), (0, 0, 5, 7)), 3, 5, 4, 2, 1, 3, True),
    (((1, 1), (3, 3), (1, 1, 1, 1)), 2, 2, 2, 2, 1, 2, False),  # nothing but padding
    (((1, 3), (1, 1), (0, 2, 0, 0)), 1, 9, 6, 6, 2, 3, False),  # a causal signal
    (((1, 4), (1, 3), (0, 1, 0, 2), (1, 2)), 1, 11, 3, 3, 3, 1, False),
    (((4, 4), (1, 1), (2, 1, 1, 2)), 3, 3, 4, 2, 2, 2, False),
)


def make(geometry, height, width, channels, tile, elements, bits, bram):
    beat = Beat(elements, UInt(bits))
    rng = np.random.default_rng(channels * bits + height)
    # nothing, the same word for all beats, a word of its own for each
    pad = (0, (1 << bits) - 1, rng.integers(0, 1 << bits, channels))[(height + width) % 3]
    block = Window(
        beat_in=beat, beat_out=beat, geometry=Geometry(*geometry), height=height, width=width, channels=channels, tile=tile, pad=pad, bram=bram
    )
    schedule = block.schedule
    case = block.parameters | {"pad": np.broadcast_to(pad, (channels,)).tolist(), "capacity": schedule.capacity, "depth": schedule.depth}
    case |= {"need": schedule.need.tolist(), "free": schedule.free.tolist()}
    return case, {name: list(memory.words) for name, memory in block.memories.items()}


def run(grid, folder, monkeypatch, **options):
    cases, roms = zip(*(make(*row) for row in grid), strict=True)
    run_bench(folder, monkeypatch, "window", list(cases), [(c["E"] * c["BITS"],) * 2 for c in cases], list(roms), **options)


@pytest.mark.parametrize("grid", [PLAIN, PADDED], ids=["plain", "padded"])
def test_window(grid, tmp_path, monkeypatch):
    run(grid, tmp_path, monkeypatch)


def test_window_netlist(tmp_path, monkeypatch):
    """Again on what yosys makes of it: LUT RAM of one bank and of several, padding by reset and by its ROM."""
    run([PLAIN[2], PADDED[2]], tmp_path, monkeypatch, netlist=synthesize)
