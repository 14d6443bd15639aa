"""The exercise of docs/adding-an-op.md: `tests/added_op` adds an op from outside the package, and here it goes through everything."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import brevitas.nn as qnn
import numpy as np
import pytest
import small_models
import torch
from brevitas.quant import Int8WeightPerTensorFixedPoint, SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from primitives import write_models
from torch import nn

import hwqnn
from hwqnn import Accelerator, UnsupportedError, boards, ir
from hwqnn.accelerator import Port, fold_onto
from hwqnn.dataflow import stage
from hwqnn.dataflow.fold import Pins
from hwqnn.dataflow.pins import Pin
from hwqnn.errors import GraphError
from hwqnn.frontend.registry import REGISTRY as FRONTEND
from hwqnn.ir import files, ops
from hwqnn.reference import Executor, step
from hwqnn.tools import verilator_binary, verilator_environment

HERE = Path(__file__).parent / "added_op"
BOARD = boards.load("zynq7020")
RNG = np.random.default_rng(0)
X = RNG.integers(-8, 8, (100, 12))
FIRST = RNG.integers(-4, 4, (6, 12))
LAST = RNG.integers(-2, 2, (4, 6))
THRESHOLDS = np.sort(RNG.integers(0, 60, (6, 3)), axis=1)
DESCENDING = RNG.random(6) < 0.4
FOLDINGS = {
    "one lane": {"abs1": (1, 1), "abs2": (1, 1)},
    "some lanes": {"abs1": (2, 2), "act": (3, 3), "abs2": (4, 4)},
    "all lanes": {"mm1": (6, 12), "abs1": (6, 6), "act": (6, 6), "mm2": (4, 6), "abs2": (4, 4)},
}
"""Layer -> (PE, SIMD)."""


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[ModuleType]:
    """The op and its module are there for this file's tests, and no others'."""
    registries: tuple[dict, ...] = (ops.REGISTRY, step.STEPS, stage.MAKERS, FRONTEND.layers, FRONTEND.functions)
    with ExitStack() as restored, pytest.MonkeyPatch.context() as changed:
        for registry in registries:
            restored.enter_context(patch.dict(registry))
        changed.syspath_prepend(HERE)
        yield importlib.import_module("absolute")
        del sys.modules["absolute"]


@pytest.fixture(scope="module")
def graph(added: ModuleType) -> ir.Graph:
    """12 inputs, then twice a matrix and the new op; in between thresholds that differ by channel."""
    return ir.Graph(
        "magnitudes",
        (
            ir.Input(name="in", inputs=(), type=ir.Int(4), shape=(12,)),
            ir.MatMul(name="mm1", inputs=("in",), weight=FIRST, weight_type=ir.Int(3)),
            added.Absolute(name="abs1", inputs=("mm1",)),
            ir.Threshold(name="act", inputs=("abs1",), thresholds=THRESHOLDS, descending=DESCENDING, base=-1, step=1, type=ir.Int(3)),
            ir.MatMul(name="mm2", inputs=("act",), weight=LAST, weight_type=ir.Int(2)),
            added.Absolute(name="abs2", inputs=("mm2",)),
            ir.ArgMax(name="argmax", inputs=("abs2",)),
        ),
        "argmax",
    )


def expected() -> dict[str, list]:
    """The same network, number by number."""
    rows: dict[str, list] = {"abs1": [], "abs2": [], "argmax": []}
    for x in X.tolist():
        first = [abs(sum(w * v for w, v in zip(row, x, strict=True))) for row in FIRST.tolist()]
        reached = [sum(v >= t for t in row) for v, row in zip(first, THRESHOLDS.tolist(), strict=True)]
        act = [-1 + (3 - n if down else n) for n, down in zip(reached, DESCENDING.tolist(), strict=True)]
        last = [abs(sum(w * v for w, v in zip(row, act, strict=True))) for row in LAST.tolist()]
        rows["abs1"].append(first)
        rows["abs2"].append(last)
        rows["argmax"].append([last.index(max(last))])
    return rows


def folded(graph: ir.Graph, folding: str) -> Accelerator:
    pins = Pins({layer: Pin(simd=simd, pe=pe) for layer, (pe, simd) in FOLDINGS[folding].items()}, None)
    return fold_onto(graph, graph, BOARD, fps=None, clock_mhz=None, port=Port.RAW, input_scale=Fraction(1), pins=pins, threads=1)


def test_the_type_rule(added: ModuleType, graph: ir.Graph) -> None:
    assert f"%abs1: {ir.smallest(0, -graph.edges['mm1'].type.min)}[6] = Absolute(%mm1)" in str(graph)
    for of in (ir.Int(5), ir.Int(2), ir.Ternary()):
        values = {abs(v) for v in range(of.min, of.max + 1)}
        out = added.Absolute(name="a", inputs=("x",)).infer((ir.Edge(of, (3,)),))
        assert out == ir.Edge(ir.UInt(max(values).bit_length()), (3,))
    for of in (ir.UInt(4), ir.Bipolar()):
        with pytest.raises(GraphError, match=rf"Absolute 'a'.*{of}"):
            added.Absolute(name="a", inputs=("x",)).infer((ir.Edge(of, (3,)),))


def test_file_form(graph: ir.Graph, tmp_path: Path) -> None:
    files.save(graph, tmp_path / "graph.json")
    again = files.load(tmp_path / "graph.json")
    assert str(again) == str(graph)
    assert [type(op) for op in again.ops] == [type(op) for op in graph.ops]
    assert again.op("abs2").inputs == ("mm2",)


def test_reference(graph: ir.Graph) -> None:
    executor, rows = Executor(graph, threads=1), expected()
    assert len({tuple(row) for row in rows["argmax"]}) > 1
    traced = executor.trace(X)
    assert {name: traced[name].tolist() for name in rows} == rows
    assert executor.run(X).tolist() == rows["argmax"]


def test_reference_of_the_least_values(added: ModuleType) -> None:
    """-2^31, whose absolute value no int32 holds, and wider."""
    for bits in (8, 32, 40):
        of = ir.Int(bits)
        graph = ir.Graph("wide", (ir.Input(name="in", inputs=(), type=of, shape=(3,)), added.Absolute(name="a", inputs=("in",))), "a")
        x = np.array([[of.min, -1, of.max]])
        assert Executor(graph, threads=1).run(x).tolist() == Executor(graph, threads=1).trace(x)["a"].tolist() == [[2 ** (bits - 1), 1, of.max]]


@pytest.mark.parametrize("folding", FOLDINGS)
@pytest.mark.parametrize("pause_seed", [0, 1])
def test_rtl(graph: ir.Graph, folding: str, pause_seed: int) -> None:
    """Every bit of every block, and without pauses every cycle as predicted."""
    acc = folded(graph, folding)
    lanes = {node.layer: node.block.beat_in.elements for node in acc.design.nodes if node.edge}
    assert all(lanes[layer] == simd for layer, (_, simd) in FOLDINGS[folding].items())
    ran = acc.simulate(X, jobs=1, pause_seed=pause_seed)
    assert ran.outputs.tolist() == [label for [label] in expected()["argmax"]]
    assert (ran.comparison.mismatches, ran.comparison.first) == (0, None)
    assert ran.comparison.bits > len(X) * 10 * 5
    assert ran.as_predicted or pause_seed


def test_rtl_of_every_value(added: ModuleType) -> None:
    """The block alone, on all values of its input, the least one too; Python says what is right."""
    graph = ir.Graph("alone", (ir.Input(name="in", inputs=(), type=ir.Int(5), shape=(4,)), added.Absolute(name="a", inputs=("in",))), "a")
    x = np.arange(-16, 16).reshape(8, 4)
    acc = fold_onto(graph, graph, BOARD, fps=5e7, clock_mhz=None, port=Port.RAW, input_scale=Fraction(1), pins=Pins({}, None))
    ran = acc.simulate(x, jobs=1)
    assert acc.design.nodes[0].block.beat_in.elements == 2
    assert ran.outputs.tolist() == [[abs(v) for v in row] for row in x.tolist()]
    assert ran.as_predicted


def test_no_lint_warning(graph: ir.Graph, tmp_path: Path) -> None:
    emitted = folded(graph, "some lanes").write(tmp_path / "rtl")
    assert tmp_path / "rtl" / "absolute.sv" in emitted.sources
    sources = map(str, (write_models(tmp_path), *emitted.sources))
    command = [str(verilator_binary()), "--lint-only", "-Wall", "--no-timing", "--top-module", emitted.top, *sources]
    done = subprocess.run(command, env=verilator_environment(), cwd=emitted.directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_line_is_found(graph: ir.Graph, tmp_path: Path) -> None:
    """The comparison looks at the new block."""
    acc = folded(graph, "some lanes")
    emitted = acc.write(tmp_path)
    source = tmp_path / "absolute.sv"
    source.write_text(source.read_text().replace("? -x : x", "? ~x : x"))
    first = acc.simulate(X, emitted=emitted, jobs=1).comparison.first
    assert first is not None and first.got is not None
    assert (first.layer, first.block, first.expected) == ("abs1", "absolute", first.got + 1)


def test_synthesis(graph: ir.Graph, tmp_path: Path) -> None:
    """yosys takes it, and what it makes of it computes the same."""
    acc = folded(graph, "some lanes")
    cells = acc.synthesize(jobs=2)
    block = next(node.block for node in acc.design.nodes if node.layer == "abs1" and node.edge)
    assert 0 < cells["abs1.absolute"].lut <= 2 * block.estimate.lut
    assert cells["abs1.absolute"].ff >= block.beat_out.bits
    ran = acc.simulate(X, emitted=acc.write_netlist(tmp_path, jobs=2), jobs=1)
    assert ran.outputs.tolist() == [label for [label] in expected()["argmax"]]
    assert ran.comparison.mismatches == 0
    assert ran.as_predicted


class Magnitudes(nn.Module):
    """The new op once as a layer of the user's own, once as a function of torch. All scales are powers of two, so floats are exact."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.sign = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
        self.first = qnn.QuantLinear(16, 8, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_const=0.5)
        self.modulus = layer
        self.norm = nn.BatchNorm1d(8)
        self.relu = qnn.QuantReLU(bit_width=2)
        self.last = qnn.QuantLinear(8, 3, bias=False, weight_quant=Int8WeightPerTensorFixedPoint, weight_bit_width=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.abs(self.last(self.relu(self.norm(self.modulus(self.first(self.sign(2 * x.flatten(1) - 1)))))))


def test_from_brevitas_to_rtl(added: ModuleType, images: np.ndarray) -> None:
    torch.manual_seed(0)
    model = small_models.trained_looking(Magnitudes(added.Modulus())).eval()
    with torch.no_grad():
        software = model(torch.from_numpy(images).float() / 255).argmax(1).tolist()
    assert len(set(software)) == 3
    acc = hwqnn.compile(model, torch.rand(1, 16), fps=5e6)
    assert [op.name for op in acc.graph.ops if isinstance(op, added.Absolute)] == ["modulus", "Magnitudes"]
    assert acc.predict(images).tolist() == software
    ran = acc.simulate(images, jobs=1)
    assert ran.outputs.tolist() == software
    assert ran.comparison.mismatches == 0
    assert ran.as_predicted


def test_what_it_cannot_import(added: ModuleType) -> None:
    """|x + c| is not |x|: the handler says so, by the user's name for the layer."""
    model = nn.Sequential(qnn.QuantLinear(16, 8, bias=True, weight_quant=SignedBinaryWeightPerTensorConst), added.Modulus())
    nn.init.ones_(model[0].bias)
    with pytest.raises(UnsupportedError, match=r"layer '1' \(Modulus\): its input is shifted"):
        hwqnn.compile(model, torch.rand(1, 16))
