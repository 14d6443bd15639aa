"""rtl/window_parallel.sv under cocotb: what it gives, against the padded map written out; when, against the schedule that the timing engine uses."""

import pytest
from bench_runner import run_bench
from yosys import synthesize

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.window_parallel import LineStore, ParallelWindow
from hwqnn.ir import Geometry, UInt

# geometry (kernel, stride, padding, dilation), height, width, channels, bits
PLAIN = (
    (((1, 1),), 1, 1, 1, 1),
    (((2, 2), (2, 2)), 4, 6, 2, 3),
    (((3, 3),), 4, 8, 3, 2),
    (((3, 2), (1, 2)), 6, 5, 1, 2),
    (((5, 4),), 5, 4, 1, 4),  # the kernel is the map
    (((2, 2), (3, 3)), 8, 7, 1, 2),  # pixels that no window covers, also at the end
    (((1, 1), (2, 3)), 5, 5, 2, 2),
    (((2, 2), (4, 4)), 7, 7, 1, 2),
    (((2, 3), (1, 1), (0, 0, 0, 0), (2, 2)), 5, 7, 2, 1),
    (((2, 2),), 3, 2, 1, 3),
    (((1, 5), (1, 2)), 1, 13, 1, 3),  # a signal
    (((3, 1),), 5, 1, 1, 3),
)
PADDED = (
    (((3, 3), (1, 1), (1, 1, 1, 1)), 4, 5, 2, 2),
    (((5, 5), (1, 1), (2, 2, 2, 2)), 5, 5, 1, 2),
    (((3, 3), (2, 2), (1, 1, 1, 1)), 5, 6, 2, 1),
    (((3, 3), (2, 2), (1, 1, 1, 1)), 6, 5, 1, 3),
    (((2, 3), (1, 2), (0, 2, 1, 0)), 4, 6, 1, 2),
    (((3, 2), (2, 1), (2, 0, 0, 1), (1, 2)), 3, 5, 2, 2),
    (((3, 3), (1, 1), (2, 2, 2, 2), (2, 2)), 5, 5, 1, 1),
    (((2, 2), (1, 1), (1, 0, 0, 1)), 2, 3, 2, 2),  # each edge by itself
    (((2, 2), (1, 1), (0, 1, 1, 0)), 2, 3, 1, 2),
    (((3, 3), (1, 1), (1, 1, 1, 1)), 1, 4, 1, 2),  # rows that are always outside
    (((3, 3), (1, 1), (1, 1, 1, 1)), 3, 3, 1, 2),
    (((4, 4), (1, 1), (2, 1, 1, 2)), 3, 4, 2, 1),
    (((2, 1), (1, 2), (0, 1, 0, 0)), 3, 5, 1, 2),  # the first window of a line that is none comes before the last pixel
    (((1, 2), (2, 3), (0, 0, 5, 2)), 3, 5, 1, 3),  # lines that are padding only
    (((1, 3), (1, 1), (0, 2, 0, 0)), 1, 9, 2, 3),  # a causal signal
    (((1, 4), (1, 3), (0, 1, 0, 2), (1, 2)), 1, 11, 3, 1),
    (((3, 3), (3, 3), (1, 0, 3, 2)), 4, 7, 1, 2),
)


def block(geometry, height, width, channels, bits):
    g = Geometry(*geometry)
    return ParallelWindow(beat_in=Beat(channels, UInt(bits)), beat_out=Beat(channels * g.taps, UInt(bits)), geometry=g, height=height, width=width)


def run(grid, folder, monkeypatch, stores=LineStore, **options):
    """The lines wait in one kind of memory after the other."""
    cases, widths = [], []
    for k, row in enumerate(grid):
        made, (_, _, _, channels, bits) = block(*row), row
        schedule, store = made.schedule, list(stores)[k % len(stores)]
        assert made.problem(made.geometry, made.height, made.width) is None
        assert made.cycles == len(schedule.take) and schedule.gives == schedule.give.sum()
        lines = {"LINE_STORE": int(store if made.gap > 1 else LineStore.SHIFT)}
        what = {"channels": channels, "bits": bits, "take": schedule.take.tolist(), "give": schedule.give.tolist()}
        cases.append(made.parameters | lines | what)
        widths.append((made.beat_in.bits, made.beat_out.bits))
    run_bench(folder, monkeypatch, "window_parallel", cases, widths, **options)


@pytest.mark.parametrize("grid", [PLAIN, PADDED], ids=["plain", "padded"])
def test_window_parallel(grid, tmp_path, monkeypatch):
    run(grid, tmp_path, monkeypatch)


def test_window_parallel_netlist(tmp_path, monkeypatch):
    """Again on what yosys makes of it: taps cleared by reset, rows in SRL16E, LUT RAM, and in SRLC32E in a row."""
    grid = [PADDED[0], PADDED[2], (((2, 2), (1, 1), (1, 1, 0, 0)), 2, 40, 1, 2)]
    run(grid, tmp_path, monkeypatch, (LineStore.SHIFT, LineStore.RAM), netlist=synthesize)


def test_wide_windows(tmp_path, monkeypatch):
    """4096 bits a beat."""
    run([(((4, 4), (2, 2), (1, 1, 1, 1)), 5, 6, 64, 4)], tmp_path, monkeypatch, (LineStore.RAM,))


@pytest.mark.parametrize(
    ("geometry", "height", "width"),
    [(((1, 1), (1, 1), (1, 1, 1, 1)), 3, 3), (((2, 2), (1, 1), (0, 1, 0, 1)), 3, 3), (((3, 3), (1, 1), (1, 1, 1, 1)), 3, 2)],
)
def test_refused(geometry, height, width):
    assert ParallelWindow.problem(Geometry(*geometry), height, width)
