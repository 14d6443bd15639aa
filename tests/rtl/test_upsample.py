"""rtl/upsample.sv under cocotb: what it puts out, against repetition written out; when, against the schedule that the timing engine uses."""

from bench_runner import run_bench

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.ir import UInt

# factor, height, width, channels, elements a beat, in block RAM
GRID = (
    ((1, 1), 1, 1, 1, 1, False),
    ((2, 2), 3, 4, 4, 2, False),
    ((3, 1), 2, 5, 3, 3, False),
    ((1, 3), 3, 3, 4, 1, False),
    ((1, 2), 1, 7, 6, 2, False),
    ((2, 3), 4, 1, 6, 6, False),
    ((4, 4), 2, 2, 2, 1, False),
    ((2, 2), 3, 4, 4, 2, True),
)


def make(factor, height, width, channels, elements, bram):
    beat = Beat(elements, UInt(3))
    block = UpsampleBlock(beat_in=beat, beat_out=beat, factor=factor, height=height, width=width, channels=channels, bram=bram)
    schedule = block.schedule
    ring = {"need": schedule.need.tolist(), "free": schedule.free.tolist(), "capacity": schedule.capacity, "depth": schedule.depth}
    return block.parameters | ring


def test_upsample(tmp_path, monkeypatch):
    cases = [make(*row) for row in GRID]
    run_bench(tmp_path, monkeypatch, "upsample", cases, [(c["E"] * c["BITS"],) * 2 for c in cases])
