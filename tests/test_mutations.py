"""One wrong bit in a ROM, or one wrong line of RTL, and the build fails and names the block.

What a wrong ROM entry must do is predicted by the slow exact evaluator, on the network with that one weight or threshold changed: the
simulation has to report exactly the first wrong value that it predicts.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import exact_model
import numpy as np
import pytest
import small_models
import torch
from running import MODELS, Ran

import hwqnn
from hwqnn import Accelerator, accelerator, ir
from hwqnn.cosim import Mismatch
from hwqnn.dataflow import Design
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.pins import Pin, Pins
from hwqnn.emit import Emitted, EmittedNode

Run = Callable[..., Ran]
Mutation = Callable[[Emitted], None]
FRAMES = 40


def node(emitted: Emitted, layer: str) -> EmittedNode:
    """The computing block of a layer."""
    return next(n for n in emitted.nodes if n.node.layer == layer and n.node.edge is not None)


def change(path: Path, old: str, new: str) -> None:
    """Replaces the one place where `old` stands."""
    text = path.read_text()
    assert text.count(old) == 1, (path, text.count(old))
    path.write_text(text.replace(old, new))


def flip_bit(path: Path, line: int, bit: int) -> None:
    lines = path.read_text().split()
    lines[line] = f"{int(lines[line], 16) ^ (1 << bit):0{len(lines[line])}x}"
    path.write_text("\n".join(lines) + "\n")


def memory(emitted: Emitted, layer: str, kind: str) -> Path:
    return next(p for p in node(emitted, layer).memories if p.stem.endswith(f"_{kind}"))


# Every single ROM entry, predicted exactly.


@pytest.fixture(scope="module")
def acc() -> Accelerator:
    layers = ("hidden.0.0", "hidden.1.0", "output")
    pins = Pins({layer: Pin(store=Store.LUT) for layer in layers})
    return hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="binary", pins=pins)


@pytest.fixture(scope="module")
def frames(images: np.ndarray) -> np.ndarray:
    return images[:FRAMES]


@pytest.fixture
def emitted(acc: Accelerator, tmp_path: Path) -> Emitted:
    return acc.write(tmp_path / "rtl")


def first_difference(design: Design, right: list[dict[str, list[int]]], wrong: list[dict[str, list[int]]]) -> Mismatch | None:
    for n in design.nodes:
        for image, (a, b) in enumerate(zip(right, wrong, strict=True)):
            for channel, (expected, got) in enumerate(zip(a[n.edge], b[n.edge], strict=True) if n.edge is not None else ()):
                if expected != got:
                    return Mismatch(image, n.layer, n.block.module, channel, expected, got)
    return None


def changed_op(graph: ir.Graph, op: ir.Op, array: str, index: tuple[int, int], value: int) -> ir.Graph:
    values = getattr(op, array).copy()
    values[index] = value
    return graph.replace({op.name: [dataclasses.replace(op, **{array: values})]})


def wrong_weights(acc: Accelerator) -> Iterator[tuple[str, ir.Graph, str, int, int]]:
    """Each weight of each layer: (layer, the network with it negated, ROM, line, bit)."""
    for n in acc.design.nodes:
        if n.edge is None or not isinstance(op := acc.graph.op(n.layer), ir.MatMul):
            continue
        pe, simd = n.block.beat_out.elements, n.block.beat_in.elements
        outputs, inputs = op.weight.shape
        for o in range(outputs):
            for i in range(inputs):
                line, bit = (o // pe) * (inputs // simd) + i // simd, (o % pe) * simd + i % simd
                yield n.layer, changed_op(acc.graph, op, "weight", (o, i), -op.weight[o, i]), "weight", line, bit


def wrong_thresholds(acc: Accelerator) -> Iterator[tuple[str, ir.Graph, str, int, int]]:
    """Each start value of an accumulator with its lowest bit flipped: the threshold moves by two sums, one agreement."""
    for n in acc.design.nodes:
        if n.edge is None or n.edge == n.layer or not isinstance(op := acc.graph.op(n.edge), ir.Threshold):
            continue
        pe, bits, inputs = n.block.beat_out.elements, n.block.parameters["ACC_BITS"], acc.graph.op(n.layer).weight.shape[1]
        for o, (threshold,) in enumerate(op.thresholds.tolist()):
            start = -((threshold + inputs + 1) // 2)
            moved = -2 * (start ^ 1) - inputs
            yield n.layer, changed_op(acc.graph, op, "thresholds", (o, 0), moved), "init", o // pe, (o % pe) * bits


@pytest.mark.parametrize("every", [wrong_weights, wrong_thresholds])
def test_every_wrong_rom_bit_is_found_where_it_is(acc: Accelerator, emitted: Emitted, frames: np.ndarray, every: Callable[..., object]) -> None:
    flat = frames.reshape(FRAMES, -1)
    right = [exact_model.trace(acc.graph, x) for x in flat]
    total = 0
    for layer, graph, kind, line, bit in every(acc):
        predicted = first_difference(acc.design, right, [exact_model.trace(graph, x) for x in flat])
        assert predicted is not None, "these images hide the bit: choose others"
        path = memory(emitted, layer, kind)
        flip_bit(path, line, bit)
        comparison = acc.simulate(flat, emitted=emitted, jobs=1).comparison
        flip_bit(path, line, bit)
        assert comparison.first == predicted, (layer, kind, line, bit)
        assert comparison.first.layer == layer
        assert comparison.mismatches > 0
        total += 1
    assert total == {"wrong_weights": 16 * 8 + 8 * 8 + 8 * 4, "wrong_thresholds": 8 + 8}[every.__name__]
    assert acc.simulate(flat, emitted=emitted, jobs=1).comparison.mismatches == 0


# The whole command, with a fault put between emission and simulation.


@pytest.fixture
def faulty(hwqnn: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs `hwqnn build` on the binary model with RTL that `mutation` has changed, and with the weights of some layers in a ROM of LUTs."""

    fold = tmp_path / "fold.json"

    def run(mutation: Mutation, model: str = "binary", *options: object, in_luts: tuple[str, ...] = ()) -> Ran:
        def emit(design: Design, directory: Path) -> Emitted:
            written = accelerator_emit(design, directory)
            mutation(written)
            return written

        accelerator_emit = accelerator.emit
        monkeypatch.setattr(accelerator, "emit", emit)
        fold.write_text(json.dumps({"layers": {layer: {"store": "lut"} for layer in in_luts}}))
        return hwqnn("build", f"{MODELS}:{model}", "--data", data, "--no-synth", "--jobs", 1, "--fold", fold, "-o", "out", *options)

    return run


def failed_at(ran: Ran, layer: str) -> dict:
    """The build failed because of this layer, and says so on the terminal and in the report."""
    assert ran.code == 1, ran
    assert ran.err == ""
    report = json.loads(Path("out/report.json").read_text())
    assert report["verdict"]["passed"] is False
    check = report["verdict"]["checks"][0]
    assert check["name"] == "The RTL computes what the reference computes"
    assert check["passed"] is False
    assert f"layer '{layer}'" in check["detail"]
    assert "--trace" in check["detail"]
    assert check["detail"] in ran.out
    assert "FAIL" in ran.out
    assert report["exact"]["rtl_mismatches"] > 0
    return report


def bit_of(layer: str, kind: str) -> Mutation:
    return lambda emitted: flip_bit(memory(emitted, layer, kind), 0, 0)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [("hidden.0.0", "weight"), ("hidden.1.0", "weight"), ("output", "weight"), ("hidden.0.0", "init"), ("hidden.1.0", "init"), ("output", "init")],
)
def test_a_wrong_rom_bit(faulty: Callable[..., Ran], layer: str, kind: str) -> None:
    failed_at(faulty(bit_of(layer, kind), in_luts=("hidden.0.0", "hidden.1.0", "output")), layer)


def test_a_wrong_input_threshold(faulty: Callable[..., Ran]) -> None:
    """128 instead of 127 and 128 on either side: only pixels in between show it."""
    failed_at(faulty(bit_of("input", "threshold")), "input")


@pytest.mark.parametrize(
    ("layer", "kind"), [("sign", "threshold"), ("first", "threshold"), ("last", "weight"), ("last", "init"), ("scores", "mul"), ("scores", "add")]
)
def test_a_wrong_rom_bit_of_several_bits(faulty: Callable[..., Ran], layer: str, kind: str) -> None:
    """2-bit activations, 4-bit weights, and scales that differ by class."""
    failed_at(faulty(bit_of(layer, kind), "mixed", in_luts=("first", "last")), layer)


def line(file: str, old: str, new: str) -> Mutation:
    return lambda emitted: change(emitted.directory / file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new", "layer"),
    [
        ("accumulators.sv", "? init[p*ACC_BITS+:ACC_BITS] : acc_q", "? init[p*ACC_BITS+:ACC_BITS] : ~acc_q", "hidden.0.0"),
        ("mvu.sv", ".write_i(step && first_pass)", ".write_i(step)", "hidden.0.0"),
        ("activation.sv", "{acc_i[p], ODD}", "{acc_i[p], !ODD}", "output"),
        ("argmax.sv", ".SIGNED(SIGNED)) i_greater (.a_i(value)", ".SIGNED(SIGNED), .EQUAL(1'b1)) i_greater (.a_i(value)", "argmax"),
        ("argmax.sv", ".SIGNED(SIGNED)) i_greater (.a_i(value)", ".SIGNED(SIGNED == 0)) i_greater (.a_i(value)", "argmax"),
    ],
    ids=["accumulator", "buffer", "parity", "ties", "sign"],
)
def test_a_wrong_line(faulty: Callable[..., Ran], file: str, old: str, new: str, layer: str) -> None:
    failed_at(faulty(line(file, old, new)), layer)


@pytest.mark.parametrize(
    ("file", "old", "new", "model", "layer"),
    [
        ("mux2.sv", "FF00_F0F0_CCCC_AAAA", "FF00_F0F0_CCCC_AAA8", "binary", "hidden.0.0"),
        ("mux2.sv", ".I1(one_i[b])", ".I1(one_i[b+1])", "binary", "hidden.0.0"),
    ],
)
def test_a_wrong_primitive(faulty: Callable[..., Ran], file: str, old: str, new: str, model: str, layer: str) -> None:
    """One bit of a LUT, or one wrong wire: the text with the primitives is the one that is simulated. Folded little, so that all are used."""
    failed_at(faulty(line(file, old, new), model, "--fps", 2e7), layer)


@pytest.mark.parametrize(
    ("pattern", "change_to"),
    [
        (r"(LUT6_2 #\(64'h)(\w+)", lambda found: f"{found[1]}{int(found[2], 16) ^ 1 << 33:x}"),  # a bit of a full adder
        (r"\.I0\((\S+)\), \.I1\((\S+)\)", r".I0(\1), .I1(\1)"),
        (r"\.CYINIT\(.*?\)", ".CYINIT(1'b1)"),
        (r"(\w+) <= \w+\[0\];", r"\1 <= 1'b0;"),
    ],
    ids=["table", "wire", "carry", "register"],
)
def test_a_wrong_primitive_of_generated_products(faulty: Callable[..., Ran], pattern: str, change_to: str | Callable) -> None:
    def mutation(emitted: Emitted) -> None:
        path = next(p for p in node(emitted, "hidden.0.0").sources if re.search(pattern, p.read_text()) and p.name.startswith("products_"))
        path.write_text(re.sub(pattern, change_to, path.read_text(), count=1))

    failed_at(faulty(mutation, "binary", "--fps", 2e7), "hidden.0.0")


def refused_quickly(ran: Ran, *words: str) -> None:
    assert ran.code == 1
    (message,) = ran.err.splitlines()
    for word in words:
        assert word in message, message
    assert not list(Path.cwd().iterdir())


def test_a_counter_that_counts_too_far(faulty: Callable[..., Ran]) -> None:
    """The frame's last flag then comes on the wrong beat, which the receiving block's assertion sees."""
    ran = faulty(line("mvu.sv", "counter #(.COUNT(NF))", "counter #(.COUNT(NF - 1))"))
    refused_quickly(ran, "assertion", "hidden_1_0")


def test_a_stuck_input(faulty: Callable[..., Ran]) -> None:
    start = time.monotonic()
    refused_quickly(faulty(line("fifo_ram.sv", "assign s_tready_o = room_q;", "assign s_tready_o = 1'b0;")), "stuck", "layer 'input'")
    assert time.monotonic() - start < 30


def test_a_block_that_stops_after_some_frames(faulty: Callable[..., Ran]) -> None:
    def mutation(emitted: Emitted) -> None:
        top, signal = emitted.directory / f"{emitted.top}.sv", node(emitted, "output").signal
        change(top, f".m_tready_i({signal}_tready)", f".m_tready_i({signal}_tready && sent < 50)")
        change(top, f".m_tvalid_o({signal}_tvalid)", ".m_tvalid_o(offered)")
        gate = f"""  int sent;
  logic offered;
  assign {signal}_tvalid = offered && sent < 50;
  always_ff @(posedge aclk) sent <= aresetn ? sent + 32'({signal}_tvalid && {signal}_tready) : 0;
"""
        change(top, "  assign m_axis_tdata", f"{gate}  assign m_axis_tdata")

    report = failed_at(faulty(mutation), "output")
    assert "the RTL gave nothing" in report["verdict"]["checks"][0]["detail"]
    assert report["accuracy"]["rtl_images"] < report["accuracy"]["images"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("concat.sv", "if (advance) chosen_q", "chosen_q"),
        ("fifo_ram.sv", "room_q  <= pop || !last_fills", "room_q  <= 1'b1"),
        ("ring_buffer.sv", "s_tready_o = held_q[COUNT_BITS-1]", "s_tready_o = 1'b1"),
    ],
    ids=["concat", "fifo", "ring"],
)
def test_what_only_a_full_design_shows(faulty: Callable[..., Ran], file: str, old: str, new: str) -> None:
    """Blocks that are never held back unless all the buffers behind them are full: pauses must be long enough for that."""
    ran = faulty(line(file, old, new), "residual", "--fps", 2e5)  # slow enough for a ring
    assert ran.code == 1, ran
    assert "assertion" in ran.err or "stuck" in ran.err or "bits wrong" in ran.out


@pytest.mark.parametrize("port", ["tdata", "tlast", "tready"])
def test_a_wrong_output_port(faulty: Callable[..., Ran], port: str) -> None:
    """Every block right, but the accelerator's own port wrong: inverted data, no tlast, a sink that stalls ignored, so that it misses outputs."""

    def mutation(emitted: Emitted) -> None:
        path, source = emitted.directory / f"{emitted.top}.sv", emitted.nodes[-1].signal
        wrong = {
            "tdata": ("assign m_axis_tdata = {", "assign m_axis_tdata = ~{"),
            "tlast": (f"assign m_axis_tlast = {source}_tlast;", "assign m_axis_tlast = 1'b0;"),
            "tready": (f"assign {source}_tready = m_axis_tready;", f"assign {source}_tready = 1'b1;"),
        }
        assert wrong[port][0] in path.read_text()
        path.write_text(path.read_text().replace(*wrong[port]))

    ran = faulty(mutation)
    assert ran.code == 1
    if port == "tready" and ran.err:  # it was the first output that was missed, and nothing came that could be compared
        assert "stuck on the first image" in ran.err and "its result never left the output port" in ran.err
        return
    report = json.loads(Path("out/report.json").read_text())
    assert report["verdict"]["checks"][0]["passed"] is False
    assert report["exact"]["rtl_mismatches"] > 0
    assert "output port" in report["verdict"]["checks"][0]["detail"]


def test_one_cycle_late_fails_the_cycles_check_only(faulty: Callable[..., Ran]) -> None:
    """A FIFO more at the output: every bit right, every frame a cycle late."""

    def mutation(emitted: Emitted) -> None:
        path = emitted.directory / f"{emitted.top}.sv"
        head, tail = path.read_text().split("  assign m_axis_tdata = ")
        data, rest = tail.split(";\n", 1)
        source = emitted.nodes[-1].signal
        assert f"assign m_axis_tvalid = {source}_tvalid;" in rest
        path.write_text(
            f"""{head}  fifo #(.WIDTH($bits(m_axis_tdata)), .DEPTH(2)) i_late (
    .clk_i(aclk), .rst_ni(aresetn), .s_tdata_i({data}), .s_tvalid_i({source}_tvalid), .s_tlast_i({source}_tlast), .s_tready_o({source}_tready),
    .m_tdata_o(m_axis_tdata), .m_tvalid_o(m_axis_tvalid), .m_tlast_o(m_axis_tlast), .m_tready_i(m_axis_tready)
  );
endmodule
"""
        )

    ran = faulty(mutation)
    assert ran.code == 1
    report = json.loads(Path("out/report.json").read_text())
    failed = [check for check in report["verdict"]["checks"] if not check["passed"]]
    assert [check["name"] for check in failed] == ["The RTL takes the predicted cycles"]
    latency = report["performance"]["latency_cycles"]  # as measured
    assert f"latency {latency} (predicted {latency - 1})" in failed[0]["detail"]
    assert report["exact"]["rtl_mismatches"] == 0


def test_a_failed_build_still_replaces_an_earlier_one(faulty: Callable[..., Ran], built: hwqnn.build.Built) -> None:
    shutil.copytree(built.directory, "out")
    failed_at(faulty(bit_of("output", "weight"), in_luts=("output",)), "output")
    assert sorted(p.name for p in Path.cwd().iterdir()) == ["out"]
