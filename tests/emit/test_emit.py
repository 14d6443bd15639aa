"""What is written: the complete set of files, ROM contents that say what the network says, RTL without a lint warning."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from primitives import write_models

import hwqnn
from hwqnn import Accelerator, Head, Port
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.threshold import ThresholdBlock
from hwqnn.emit import Emitted, Target, emit
from hwqnn.ir import Bipolar
from hwqnn.paths import RTL
from hwqnn.tools import verilator_binary, verilator_environment

GUARD = "`ifndef HWQNN_XC7\n`define HWQNN_XC7\n`endif\n"
"""What opens a library file for 7-series."""

KINDS = {
    "binary": (small_models.binary, {}),
    "mixed": (small_models.mixed, {"fps": 5e6}),
    "scores": (small_models.mixed, {"head": Head.SCORES, "fps": 2e5}),
    "codes": (small_models.binary, {"port": Port.CODES, "fps": 1e7}),
    "slow": (small_models.mixed, {"fps": 1e5}),
}


@pytest.fixture(params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Accelerator, Emitted]:
    factory, options = KINDS[request.param]
    acc = hwqnn.compile(factory(), torch.rand(1, 16), name="net", **options)
    return acc, acc.write(tmp_path / "rtl")


def words(path: Path) -> list[int]:
    return [int(line, 16) for line in path.read_text().split()]


def field(word: int, index: int, bits: int, signed: bool = False) -> int:
    value = (word >> (index * bits)) & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def memory(node: hwqnn.emit.EmittedNode, kind: str) -> list[int]:
    (path,) = (p for p in node.memories if p.stem.endswith(f"_{kind}"))
    return words(path)


def test_weight_files_hold_the_weights(written: tuple[Accelerator, Emitted]) -> None:
    """Word nf * SF + sf, element (p, s) at bit (p * SIMD + s) * W_BITS: the weight of output nf * PE + p and input sf * SIMD + s."""
    acc, emitted = written
    checked = 0
    for node in emitted.nodes:
        block = node.node.block
        if not isinstance(block, Mvu):
            continue
        weight, bits = acc.graph.op(node.node.layer).weight, block.matrix.weight_type.bits
        outputs, inputs = weight.shape
        rom = block.weights.words if block.store is Store.FUSED else memory(node, "weight")  # fused with the products, which the benches prove
        assert len(rom) == outputs * inputs // (block.pe * block.simd)
        for o in range(outputs):
            for i in range(inputs):
                word = rom[(o // block.pe) * (inputs // block.simd) + i // block.simd]
                value = field(word, (o % block.pe) * block.simd + i % block.simd, bits, signed=bits > 1)
                assert (2 * value - 1 if isinstance(block.matrix.weight_type, Bipolar) else value) == weight[o, i]
                checked += 1
    assert checked == sum(op.weight.size for op in acc.graph.ops if hasattr(op, "weight"))
    assert acc.timing.interval < 500 or any(path.stem.endswith("_weight") for node in emitted.nodes for path in node.memories)  # many words


def test_accumulators_start_so_that_the_sign_is_the_bit(written: tuple[Accelerator, Emitted]) -> None:
    """For every sum that a 1-bit layer of 1-bit inputs can make: start + agreements >= 0 exactly when sum >= threshold."""
    _, emitted = written
    for node in emitted.nodes:
        block = node.node.block
        if not isinstance(block, Mvu) or block.threshold is None or block.levels != 1:
            continue
        bits, inputs = block.parameters["ACC_BITS"], block.matrix.op.weight.shape[1]
        rom = memory(node, "init")
        for o, threshold in enumerate(np.broadcast_to(block.threshold.thresholds[:, 0], len(block.matrix.op.weight))):
            start = field(rom[o // block.pe], o % block.pe, bits, signed=True)
            for agreements in range(inputs + 1):
                assert -(1 << (bits - 1)) <= start + agreements < 1 << (bits - 1)
                assert (start + agreements >= 0) == (2 * agreements - inputs >= threshold)


def test_threshold_files_hold_the_thresholds(written: tuple[Accelerator, Emitted]) -> None:
    """Entry e of lane p at (p * 2^b + e) * T_BITS; past the last threshold the greatest value. Nothing reaches that, but
    for the last entry, which the search never looks at."""
    _, emitted = written
    for node in emitted.nodes:
        block = node.node.block
        if isinstance(block, ThresholdBlock):
            op, lanes, lo, hi = block.op, block.lanes, block.beat_in.type.min, block.beat_in.type.max
            inputs, xnor = 0, False
        elif isinstance(block, Mvu) and block.levels > 1:
            op, lanes, xnor = block.threshold, block.pe, isinstance(block.beat_in.type, Bipolar) and isinstance(block.matrix.weight_type, Bipolar)
            inputs = block.matrix.op.weight.shape[1]
            lo, hi = (0, inputs) if xnor else (block.accumulator.lo, block.accumulator.hi)
        else:
            continue
        bits, levels = block.parameters["T_BITS"], op.levels
        entries = 1 << levels.bit_length()
        for row, word in enumerate(memory(node, "threshold")):
            for lane in range(lanes):
                thresholds = op.thresholds[(row * lanes + lane) % len(op.thresholds)]
                table = [field(word, lane * entries + e, bits, signed=True) for e in range(entries)]
                assert table[levels:] == [(1 << (bits - 1)) - 1] * (entries - levels)
                for value in range(lo, hi + 1):
                    real = 2 * value - inputs if xnor else value
                    assert sum(value >= t for t in table[:-1]) == sum(real >= t for t in thresholds)


def test_the_files_are_complete_and_no_more(written: tuple[Accelerator, Emitted]) -> None:
    _, emitted = written
    files = {p.name for p in emitted.directory.iterdir()}
    assert files == {p.name for p in emitted.sources} | {p.name for node in emitted.nodes for p in node.memories}
    text = "".join(p.read_text() for p in emitted.sources)
    assert set(re.findall(r'"(\S+\.mem)"', text)) == {f for f in files if f.endswith(".mem")}
    for path in emitted.sources:
        library = RTL / path.name
        assert not library.exists() or path.read_text() == GUARD + library.read_text()


def test_the_same_design_gives_the_same_files(written: tuple[Accelerator, Emitted], tmp_path: Path) -> None:
    acc, emitted = written
    again = acc.write(tmp_path / "again")
    assert {p.name: p.read_bytes() for p in again.directory.iterdir()} == {p.name: p.read_bytes() for p in emitted.directory.iterdir()}


def test_no_lint_warning(written: tuple[Accelerator, Emitted], tmp_path: Path) -> None:
    _, emitted = written
    sources = map(str, (write_models(tmp_path), *emitted.sources))
    command = [str(verilator_binary()), "--lint-only", "-Wall", "--no-timing", "--top-module", emitted.top, *sources]
    done = subprocess.run(command, env=verilator_environment(), cwd=emitted.directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr  # a warning ends Verilator with an error


def test_a_model_named_like_a_library_file(tmp_path: Path) -> None:
    acc = hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="fifo")
    emitted = acc.write(tmp_path)
    assert emitted.top == "fifo_accelerator"
    assert (tmp_path / "fifo.sv").read_text() == GUARD + (RTL / "fifo.sv").read_text()


def test_portable_text_is_the_library_as_it_is(tmp_path: Path) -> None:
    acc = hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="net")
    emitted = emit(acc.design, tmp_path, Target.PORTABLE)
    copied = [path for path in emitted.sources if (RTL / path.name).exists()]
    assert {"mux2.sv", "mvu.sv"} <= {path.name for path in copied}
    assert all(path.read_bytes() == (RTL / path.name).read_bytes() for path in copied)
