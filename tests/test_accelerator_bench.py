"""Whole accelerators under cocotb, between the AXI4-Stream agents of cocotbext-axi: frames, labels, pauses, resets."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from cocotb_tools.runner import get_results, get_runner
from network_checks import HUGE
from networks import Builder
from primitives import write_models

from hwqnn import boards, zoo
from hwqnn.accelerator import Accelerator, Port, fold_onto
from hwqnn.boards import Board
from hwqnn.dataflow.fold import NO_PINS
from hwqnn.frontend import import_brevitas
from hwqnn.ir import Bipolar, Graph, Input, Int, Rounding, SignQuantizer, Type, UInt, UniformQuantizer
from hwqnn.passes import Head, lower
from hwqnn.paths import SIM
from hwqnn.tools import verilator_environment


def words(values: list[int], of: Type, per_beat: int, bits: int) -> list[int]:
    """A frame's beats as integers, each value in `bits` bits, sign-extended."""
    patterns = [int(v > 0) if isinstance(of, Bipolar) else v % (1 << bits) for v in values]
    return [sum(p << (i * bits) for i, p in enumerate(patterns[k : k + per_beat])) for k in range(0, len(values), per_beat)]


def run_bench(made: Accelerator, images: np.ndarray, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails unless every test of sim/tb_accelerator.py passes."""
    emitted = made.write(folder / "rtl")
    entry, end = made.design.nodes[0].block.beat_in, made.design.nodes[-1].block.beat_out
    trace = made.executor.trace(images)
    inputs, outputs = trace[made.hardware.input.name].tolist(), trace[made.graph.output].tolist()
    frames = {
        "inputs": [words(x, entry.type, entry.elements, entry.type.bits) for x in inputs],
        "outputs": [words(y, end.type, end.elements, -(-end.type.bits // 8) * 8) for y in outputs],
    }
    (folder / "frames.json").write_text(json.dumps(frames))
    for name, value in verilator_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(SIM)
    runner = get_runner("verilator")
    # compiling is most of the time; and CFG_CXXFLAGS_PCH_I is what Verilator's configure finds out and the wheel leaves empty
    monkeypatch.setenv("MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0 CFG_CXXFLAGS_PCH_I=-include")
    arguments = ["-Wno-fatal", "--assert"]
    build, log = folder / "build", folder / "test.log"
    sources = [write_models(folder), *emitted.sources]
    runner.build(sources=sources, hdl_toplevel=emitted.top, build_dir=build, build_args=arguments, log_file=folder / "build.log")
    with suppress(SystemExit):  # the runner's answer to a failed test; ours is the log
        runner.test(
            hdl_toplevel=emitted.top,
            test_module="tb_accelerator",
            build_dir=build,
            test_dir=emitted.directory,  # where $readmemh finds the ROM files
            extra_env={"HWQNN_FRAMES": str(folder / "frames.json")},
            log_file=log,
            results_xml=str(folder / "results.xml"),
        )
    ran, failed = get_results(folder / "results.xml")
    assert ran == 5 and failed == 0, log.read_text()[-6000:]


def fold(imported: Graph, head: Head, port: Port, board: Board, fps: float | None = None) -> Accelerator:
    return fold_onto(imported, lower(imported, head), board, fps=fps, clock_mhz=None, port=port, input_scale=Fraction(1), pins=NO_PINS, threads=1)


def small() -> Graph:
    """uint8 pixels, 3-bit codes, signed and binary weights, a scale for each class."""
    builder = Builder(np.random.default_rng(5), [Input(name="x", inputs=(), type=UInt(8), shape=(12,))])
    builder.requantize("quant", (), UniformQuantizer(Fraction(1), 0, 0, 7, Rounding.HALF_EVEN))
    builder.matmul("fc1", 10, Int(3))
    builder.requantize("act1", ("norm",), SignQuantizer(Fraction(1)))
    builder.matmul("fc2", 6, Bipolar())
    return builder.graph(("affine",))


@pytest.mark.parametrize(("head", "port"), [(Head.LABEL, Port.RAW), (Head.SCORES, Port.CODES)])
def test_small_network(head: Head, port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).integers(0, 256, (25, 12))
    made = fold(small(), head, port, HUGE, fps=2e7)
    if head is Head.LABEL:
        assert len(set(made.predict(images).tolist())) > 1
    run_bench(made, images, tmp_path, monkeypatch)


def test_tfc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = zoo.MODELS["tfc-w1a1"]
    imported = import_brevitas(
        zoo.load("tfc-w1a1"), torch.zeros(1, *entry.input_shape), name="tfc", input_type=UInt(8), input_scale=entry.input_scale
    )  # fmt: skip
    images = np.random.default_rng(2).integers(0, 256, (6, 784))
    run_bench(fold(imported, Head.LABEL, Port.RAW, boards.load("zynq7020")), images, tmp_path, monkeypatch)
