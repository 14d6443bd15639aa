"""Which hardware an op gets: windows only where they are needed, thresholds fused only where nothing else reads the sums."""

from __future__ import annotations

import numpy as np
import pytest
from hand_made import GRAPHS, Net, cnv

from hwqnn.dataflow.design import Store
from hwqnn.dataflow.stage import stages
from hwqnn.errors import UnsupportedError
from hwqnn.ir import Add, Bipolar, Graph, Int, Threshold, UInt


def kinds(graph: Graph) -> list[tuple[str, str]]:
    return [(s.layer, s.kind) for s in stages(graph, 100.0)]


def test_cnv() -> None:
    """The convolution of a whole 3x3 map reads the stream as it comes."""
    found = [kind for _, kind in kinds(cnv())]
    conv = ["window", "mvu"]
    assert found == conv * 2 + ["pool"] + conv * 2 + ["pool"] + conv + ["mvu"] * 4 + ["argmax"]


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ({"kernel": 2}, ["pool"]),
        ({"kernel": 3}, ["pool"]),  # a row and a column are left over
        ({"kernel": 2, "stride": (1, 1)}, ["window", "pool"]),
        ({"kernel": 2, "padding": (0, 1, 0, 1)}, ["window", "pool"]),
        ({"kernel": 1, "stride": (2, 2)}, ["window", "pool"]),
    ],
)
def test_pools(window: dict[str, object], found: list[str]) -> None:
    """Windows that tile the map need not be kept."""
    net = Net(UInt(2), (4, 4, 6))
    net.pool(**window)
    assert [kind for _, kind in kinds(net.graph("net"))] == found


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ({"kernel": 1}, ["mvu"]),
        ({"kernel": 1, "groups": 2}, ["mvu"]),
        ({"kernel": 1, "stride": (2, 2)}, ["window", "mvu"]),
        ({"kernel": 1, "padding": (1, 0, 0, 0)}, ["window", "mvu"]),
        ({"kernel": 4}, ["mvu"]),
        ({"kernel": 4, "groups": 2}, ["window", "mvu"]),
        ({"kernel": 4, "padding": (1, 0, 1, 0)}, ["window", "mvu"]),
        ({"kernel": 4, "groups": 6}, ["window", "depthwise"]),
        ({"kernel": 1, "groups": 6}, ["depthwise"]),
    ],
)
def test_windows(window: dict[str, object], found: list[str]) -> None:
    net = Net(UInt(2), (4, 4, 6))
    net.conv(6, **window)
    assert [kind for _, kind in kinds(net.graph("net"))] == found


@pytest.mark.parametrize(
    ("window", "whole"),
    [
        ({"kernel": 3}, [54, 54]),  # their lines in LUTs and in block RAM
        ({"kernel": 3, "padding": (1, 1, 1, 1), "stride": (2, 2)}, [54, 54]),
        ({"kernel": 3, "groups": 2}, []),
        ({"kernel": 3, "groups": 6}, []),
        ({"kernel": 1, "stride": (2, 2)}, []),
        ({"kernel": 1, "padding": (0, 2, 0, 0)}, []),
        ({"kernel": 3, "padding": (3, 0, 0, 0)}, []),  # a window above the map
        ({"kernel": 11, "padding": (5, 5, 5, 5)}, [726, 726]),
        ({"kernel": 16, "padding": (8, 8, 8, 8)}, []),  # 256 taps of 6 channels of 3 bits
    ],
)
def test_windows_that_come_whole(window: dict[str, object], whole: list[int]) -> None:
    """In dense convolutions of moderate width, beside those that come tap by tap."""
    net = Net(UInt(3), (12, 12, 6))
    net.conv(6, **window)
    found = stages(net.graph("net"), 100.0)[0]
    assert found.kind == "window" and [f.pe for f in found.foldings if f.pe > f.simd] == whole


def test_thresholds_are_fused_only_where_nothing_else_reads_the_sums() -> None:
    net = Net(Bipolar(), (6,))
    net.dense(6)
    net.sign()
    sums = net.dense(6)
    net.add(Add, (net.sign(), sums))
    assert [kind for _, kind in kinds(net.graph("net"))] == ["mvu", "mvu", "threshold", "add"]


def test_descending_thresholds_are_not_fused() -> None:
    net = Net(Bipolar(), (6,))
    net.dense(6)
    net.add(Threshold, None, thresholds=np.zeros((1, 1), dtype=np.int64), descending=np.array([True]), base=-1, step=2, type=Bipolar())
    assert [kind for _, kind in kinds(net.graph("net"))] == ["mvu", "threshold"]


@pytest.mark.parametrize("name", GRAPHS)
def test_elements_a_frame(name: str) -> None:
    """What the blocks take and give per frame is what their stages say and their edges hold, in every folding."""
    graph = GRAPHS[name]()
    for stage in stages(graph, 100.0):
        for folding in stage.foldings[:: max(1, len(stage.foldings) // 5)]:
            schedule = (block := stage.block(folding)).schedule
            taken = schedule.take.reshape(len(schedule.take), -1).sum(axis=0) if hasattr(schedule, "take") else [schedule.takes]
            assert [int(t) * b.elements for t, b in zip(taken, block.beats_in, strict=True)] == list(stage.frame)
            if stage.edge is not None:
                assert schedule.gives * block.beat_out.elements == int(np.prod(graph.edges[stage.edge].shape))
                assert block.beat_out.type.bits >= graph.edges[stage.edge].type.bits
            assert block.cycles == schedule.cycles


@pytest.mark.parametrize(
    ("x", "weights", "bits", "frozen"),
    [
        (UInt(4), Int(4), 3, True),
        (UInt(8), Int(8), 0, True),
        (UInt(8), Int(8), 1, True),
        (UInt(8), Int(8), 2, True),
        (UInt(20), Int(16), 0, False),  # sums beyond the 32 bits of the portable text
    ],
)
def test_only_sums_that_are_not_too_wide_are_frozen(x: UInt, weights: Int, bits: int, frozen: bool) -> None:
    net = Net(x, (32,))
    net.dense(4, of=weights)
    if bits:
        net.quantize(bits)
    (stage,) = stages(net.graph("net"), 100.0)
    assert any(folding.store is Store.FROZEN for folding in stage.foldings) == frozen


def test_nothing_to_compute() -> None:
    net = Net(Bipolar(), (2, 3))
    net.flatten()
    with pytest.raises(UnsupportedError, match="graph 'net' computes nothing"):
        stages(net.graph("net"), 100.0)
