"""rtl/vote.sv with its datapath, as emitted, under cocotb: as RTL in both forms, and as the netlist that yosys makes of it."""

import numpy as np
import pytest
from bench_runner import FORMS
from matrix_blocks import TARGETS
from test_mvu import run_emitted
from yosys import synthesize

from hwqnn.dataflow.design import Beat, Design, Node, Source
from hwqnn.dataflow.vote import VoteBlock
from hwqnn.emit import emit
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import UInt

# weights, bits of a label, PE, fold, vectors, clock
GRID = (
    ((1,), 1, 1, 1, 1, 100),
    ((1, 1, 1), 4, 1, 10, 1, 300),
    ((7, 5, 3, 1, 1), 4, 5, 2, 1, 100),
    ((1, 1, 1, 1, 1, 1, 1, 1), 4, 10, 1, 1, 200),
    ((15, 0, 4), 2, 1, 3, 4, 300),
    ((2, 3), 5, 2, 2, 3, 100),
    ((9, 4, 1, 3), 8, 3, 70, 1, 300),
)


def make(row, number, folder, form):
    """What the bench wants to know of a case, the widths of its beats, and its sources."""
    weights, label_bits, pe, fold, vectors, clock = row
    beats = Beat(len(weights), UInt(label_bits)), Beat(pe, UInt(sum(weights).bit_length()))
    weight, budget = np.array(weights), budget_ns(clock)
    block = VoteBlock(beat_in=beats[0], beat_out=beats[1], weight=weight, classes=pe * fold, vectors=vectors, budget_ns=budget)
    emitted = emit(Design(f"case{number}", (Node("v.vote", "v", block, "v", (Source(None),)),), 100.0), folder, TARGETS[form]).nodes[0]
    case = {"wrapper": emitted.module, "weights": list(weights), "label_bits": label_bits, "out_bits": beats[1].type.bits}
    case |= {"pe": pe, "fold": fold, "vectors": vectors, "depth": block.schedule.depth}
    return case, (beats[0].bits, beats[1].bits), emitted.sources


@pytest.mark.parametrize("form", FORMS)
def test_vote(form, tmp_path, monkeypatch):
    run_emitted("vote", [make(row, k, tmp_path, form) for k, row in enumerate(GRID)], form, tmp_path, monkeypatch)


def test_vote_netlist(tmp_path, monkeypatch):
    rows = [make(row, k, tmp_path, "xc7") for k, row in enumerate(GRID[1:5])]
    run_emitted("vote", rows, "xc7", tmp_path, monkeypatch, netlist=synthesize)
