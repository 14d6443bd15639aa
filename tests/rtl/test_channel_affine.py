"""rtl/channel_affine.sv with its datapath, as emitted, under cocotb: as RTL in both forms, and as the netlist that yosys makes of it. Random factors
and addends, the extreme ones among them."""

from random import Random

import numpy as np
import pytest
from bench_runner import FORMS
from matrix_blocks import TARGETS
from test_mvu import run_emitted
from yosys import synthesize

from hwqnn.dataflow.affine import ChannelAffineBlock
from hwqnn.dataflow.design import Beat, Design, Node, Source
from hwqnn.emit import emit
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import ChannelAffine, Edge
from hwqnn.ir.types import parse

# x, PE, fold, vectors, bits of a factor, of an addend, clock, DSP48E1s of a lane
GRID = (
    ("uint1", 1, 1, 1, 2, 2, 100, 0),
    ("bipolar", 2, 3, 4, 5, 6, 300, 0),
    ("int2", 5, 1, 3, 4, 9, 100, 0),
    ("uint4", 3, 5, 1, 3, 12, 200, 0),
    ("int4", 2, 70, 1, 3, 5, 100, 0),
    ("int7", 2, 1, 6, 1, 9, 300, 0),
    ("int9", 1, 10, 1, 8, 14, 100, 1),
    ("uint7", 5, 2, 3, 6, 3, 300, 1),
    ("int4", 2, 3, 4, 12, 30, 200, 1),
    ("int5", 2, 1, 6, 20, 9, 300, 1),
    ("int19", 1, 3, 2, 19, 25, 100, 2),
    ("uint20", 2, 2, 1, 24, 40, 300, 2),
    ("int8", 1, 4, 1, 34, 20, 100, 2),
)


def make(row, number, folder, form):
    """What the bench wants to know of a case, the widths of its beats, and its sources."""
    x, pe, fold, vectors, mul_bits, add_bits, clock, dsps = row
    random = Random(f"{row}")

    def numbers(bits):
        least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        return [random.choice((least, most, random.randint(least, most))) for _ in range(pe * fold)]

    mul, add, of = numbers(mul_bits), numbers(add_bits), parse(x)
    op = ChannelAffine(name="a", inputs=("x",), mul=np.array(mul), add=np.array(add))
    block = ChannelAffineBlock.make(op, Beat(pe, of), op.infer((Edge(of, (vectors, 1, pe * fold)),)), budget_ns(clock))
    assert block.dsps == dsps
    emitted = emit(Design(f"case{number}", (Node("a.a", "a", block, "a", (Source(None),)),), 100.0), folder, TARGETS[form]).nodes[0]
    case = {"wrapper": emitted.module, "mul": mul, "add": add, "x": x, "bits": of.bits, "out_bits": block.beat_out.type.bits}
    case |= {"pe": pe, "fold": fold, "vectors": vectors, "depth": block.schedule.depth}
    return case, (block.beat_in.bits, block.beat_out.bits), emitted.sources


@pytest.mark.parametrize("form", FORMS)
def test_channel_affine(form, tmp_path, monkeypatch):
    run_emitted("channel_affine", [make(row, k, tmp_path, form) for k, row in enumerate(GRID)], form, tmp_path, monkeypatch)


def test_channel_affine_netlist(tmp_path, monkeypatch):
    rows = [make(row, k, tmp_path, "xc7") for k, row in enumerate(GRID[1::2])]
    run_emitted("channel_affine", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)
