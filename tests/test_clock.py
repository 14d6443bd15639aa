"""The estimated clock: blocks joined as yosys joins them, a slow block found and named, and RTL that reacts to the target."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hand_made import Net
from yosys import SPLIT_LUT6_2, run_yosys

from hwqnn import boards, clock, synth
from hwqnn.dataflow import Design, fold
from hwqnn.emit import Emitted, emit
from hwqnn.gates.delay import ROUTING, ROUTING_RANGE, budget_ns
from hwqnn.ir import ArgMax, Bipolar, Graph, UInt


@cache
def network() -> Graph:
    """Bytes, two dense layers, a label."""
    net = Net(UInt(8), (48,), seed=4)
    net.sign()
    for size in (24, 10):
        net.dense(size, of=Bipolar())
        if size > 10:
            net.sign()
    net.add(ArgMax, None)
    return net.graph("small")


def synthesized(folder: Path, mhz: float) -> tuple[Design, Emitted, dict[str, synth.Netlist]]:
    design = fold.solve(network(), boards.load("zynq7020"), clock_mhz=mhz, fps=1e6, limits={"bram36": 0}).design  # yosys knows no timing of block RAM
    emitted = emit(design, folder / "rtl")
    units = [synth.Unit(n.node.name, n.module, n.sources, emitted.directory, n.memories) for n in emitted.nodes]
    return design, emitted, synth.netlists(units, jobs=2, timeout_s=300)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[float, tuple[Design, Emitted, dict[str, synth.Netlist]]]:
    return {mhz: synthesized(tmp_path_factory.mktemp(f"at{mhz:g}"), mhz) for mhz in (100.0, 200.0, 300.0)}


def test_blocks_are_joined_as_yosys_joins_them(built: dict, tmp_path: Path) -> None:
    """Yosys' sta over the flattened whole, from the top module that was emitted."""
    design, emitted, netlists = built[100.0]
    assert len(design.nodes) > 3
    for n in emitted.nodes:
        (tmp_path / f"{n.module}.v").write_text(netlists[n.node.name].verilog)
    (tmp_path / "top.sv").write_text(emitted.sources[-1].read_text())
    (tmp_path / "split.v").write_text(SPLIT_LUT6_2)
    files = " ".join(f"{n.module}.v" for n in emitted.nodes)
    log = run_yosys(
        tmp_path,
        [
            "read_verilog -overwrite -lib -specify +/xilinx/cells_sim.v",
            f"read_verilog {files}",
            "read_verilog -sv top.sv",
            f"hierarchy -top {emitted.top}",
            "proc",
            "flatten",
            "opt_clean",
            "techmap -map split.v t:LUT6_2",
            "sta",
        ],
    )
    latest = int(re.search(r"Latest arrival time in '.*' is (\d+):", log)[1])
    joined = replace(clock.joined(design, netlists, wires=0.0), outside_ps=0)
    # yosys counts nets that nothing reads, too, unless it has thrown them away
    assert latest in (joined.longest().ps, int(joined.arrival.max()))


def test_the_estimate(built: dict) -> None:
    design, _, netlists = built[100.0]
    found = clock.estimate(design, netlists)
    assert sum(step.ns for step in found.path) == pytest.approx(found.logic_ns)
    assert {(step.layer, step.block) for step in found.path} <= {(node.layer, node.block.module) for node in design.nodes}
    low, high = found.range_mhz
    assert low < found.mhz < high
    if found.path[0].cells[0].startswith("FD"):  # all of it counts
        assert found.mhz == pytest.approx(1000 / found.logic_ns / ROUTING)
        assert (high, low) == pytest.approx([1000 / found.logic_ns / routing for routing in ROUTING_RANGE])
    assert str(found) == f"{found.mhz:.0f} MHz ({low:.0f} to {high:.0f}, not placed or routed)"


def test_a_slow_ready_is_found_and_named(built: dict) -> None:
    """Forty LUTs in a row on the ready that the second layer gives the first: the path ends before them, in what gives the data."""
    design, _, netlists = built[100.0]
    reader = next(node for node in design.nodes if node.inputs[0].node is not None)
    writer = next(node for node in design.nodes if node.name == reader.inputs[0].node)
    text = netlists[reader.name].verilog
    chain = "".join(f"  LUT1 slow{i} (\n    .I0(late{i}),\n    .O({f'late{i + 1}' if i < 39 else 's_tready_o'})\n  );\n" for i in range(40))
    wires = "".join(f"  wire late{i};\n" for i in range(40))
    body = text.replace("s_tready_o", "late0").replace("late0", "s_tready_o", 1)  # the port keeps its name in the head, and its declarations below
    body = re.sub(r"  output late0;\n  wire late0;\n", "  output s_tready_o;\n  wire s_tready_o;\n", body)
    slowed = netlists | {reader.name: synth.Netlist({}, body.replace("\nendmodule", f"\n{wires}{chain}endmodule"))}
    found = clock.estimate(design, slowed)
    assert found.logic_ns > 40 * 0.127
    assert [step.layer for step in found.path][-2:] == [reader.layer, writer.layer]
    assert found.path[-2].cells.count("LUT1") == 40
    assert found.mhz < clock.estimate(design, netlists).mhz


def test_targets_give_different_rtl_and_rising_clocks(built: dict) -> None:
    texts = {mhz: sorted(path.read_text() for path in emitted.sources) for mhz, (_, emitted, _) in built.items()}
    assert texts[100.0] != texts[200.0] != texts[300.0]
    found = [clock.estimate(design, netlists).mhz for design, _, netlists in built.values()]
    assert found[0] >= 100
    assert min(found[1:]) > 1.2 * found[0]
    assert max(found) >= 200


def test_the_allowance() -> None:
    """The middle of what was measured, as a ratio; pipelines are cut for it."""
    assert np.sqrt(np.prod(ROUTING_RANGE)) == pytest.approx(ROUTING, rel=0.01)
    assert budget_ns(100.0) * ROUTING == pytest.approx(10.0)
