"""Runs generated pipelines in Verilator, and proves or counts them with yosys."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from yosys import run_yosys

from hwqnn import synth
from hwqnn.tools import verilator_binary, verilator_environment

XC7 = "`define HWQNN_XC7\n"
FORMS = {"portable": "", "xc7": XC7}


@dataclass(frozen=True)
class Pipeline:
    """A module with ports clk_i, advance_i, some inputs, and sum_o.

    Attributes:
        texts: (name, SystemVerilog) of it, the last, and of what it instantiates.
        inputs: (port, bits).
    """

    texts: Sequence[tuple[str, str]]
    inputs: Sequence[tuple[str, int]]
    bits: int
    depth: int

    @property
    def name(self) -> str:
        return self.texts[-1][0]


def of(datapath) -> Pipeline:
    return Pipeline(datapath.texts, (("x_i", datapath.x_bits), ("w_i", datapath.w_bits)), datapath.sum_bits, datapath.depth)


def simulate(folder: Path, pipelines: Sequence[Pipeline], form: str, vectors: int, seed: int, limits: dict[str, int] | None = None):
    """For every pipeline a list of (inputs by port, output) for random inputs, with random pauses.

    Args:
        limits: of a port's values, exclusive; by port and pipeline's number, such as "w_i0".
    """
    random = Random(seed)
    sources = dict(text for pipeline in pipelines for text in pipeline.texts)
    primitives = synth.models(synth.primitives(list(sources.values()))) if form == "xc7" else ""
    limits = limits or {}

    def values(k: int, port: str, bits: int) -> int:
        return random.randrange(limits.get(f"{port}{k}", 1 << bits))

    fed = [[{port: values(k, port, bits) for port, bits in p.inputs} for _ in range(vectors)] for k, p in enumerate(pipelines)]
    declared, instances, shown, loads = [], [], [], []
    for k, p in enumerate(pipelines):
        for port, bits in p.inputs:
            declared.append(f"logic [{bits - 1}:0] {port}{k}, {port}{k}_all [{vectors}];")
            (folder / f"{port}{k}.hex").write_text("".join(f"{step[port]:x}\n" for step in fed[k]))
            loads.append(f'$readmemh("{folder}/{port}{k}.hex", {port}{k}_all);')
        declared.append(f"logic [{p.bits - 1}:0] sum{k};")
        ports = ", ".join(f".{port}({port}{k})" for port, _ in p.inputs)
        instances.append(f"{p.name} i{k} (.clk_i(clk), .advance_i(advance), {ports}, .sum_o(sum{k}));")
        shown.append(f'$write("%h ", sum{k});')
    drive = " ".join(f"{port}{k} = {port}{k}_all[t];" for k, p in enumerate(pipelines) for port, _ in p.inputs)
    deepest = max(p.depth for p in pipelines)
    top = f"""module bench;
  logic clk = 0, advance;
  {" ".join(declared)}
  {" ".join(instances)}
  initial begin
    {" ".join(loads)}
    for (int t = 0; t < {vectors}; t++) begin
      advance = 0; {drive.replace("_all[t]", "_all[(t * 7 + 3) % " + str(vectors) + "]")}
      if (t % 3 == 1) begin #1 clk = 1; #1 clk = 0; end
      advance = 1; {drive} #1 clk = 1; #1 clk = 0; #1;
      {" ".join(shown)} $write("\\n");
    end
    $finish;
  end
endmodule
"""
    (folder / "bench.sv").write_text(FORMS[form] + primitives + "\n".join(sources.values()) + top)
    flags = ["--binary", "-CFLAGS", "-O0 -std=c++20", "-Wno-fatal", "--output-split", "0", "--top-module", "bench", "--Mdir", str(folder / "obj")]
    command = [str(verilator_binary()), *flags, str(folder / "bench.sv")]
    built = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, timeout=500)
    assert built.returncode == 0, built.stderr[-3000:]
    lines = subprocess.run([str(folder / "obj" / "Vbench")], capture_output=True, text=True, timeout=500, check=True).stdout.splitlines()
    rows = [line.split() for line in lines[:vectors]]
    assert deepest < vectors
    return [[(fed[k][t - p.depth + 1], int(rows[t][k], 16)) for t in range(p.depth - 1, vectors)] for k, p in enumerate(pipelines)]


def prove(folder: Path, pipeline: Pipeline) -> None:
    """That the 7-series form and the portable one are the same, for all inputs, `depth` cycles later."""
    for form, prefix in FORMS.items():
        (folder / f"{form}.sv").write_text(prefix + "\n".join(text for _, text in pipeline.texts))
    steps = []
    for form in FORMS:
        steps += [
            "design -reset",
            "read_verilog +/xilinx/cells_sim.v",
            f"read_verilog -sv {form}.sv",
            f"hierarchy -top {pipeline.name}",
            "proc -norom",
            "flatten",
        ]
        steps += ["opt_clean", f"rename {pipeline.name} {form}", f"design -stash {form}"]
    steps += ["design -reset", *(f"design -copy-from {form} -as {form} {form}" for form in FORMS)]
    steps += ["miter -equiv -flatten -make_assert portable xc7 both", "hierarchy -top both", "opt -full", "dffunmap -ce-only"]
    length = pipeline.depth + 1
    steps.append(f"sat -verify -prove-asserts -set in_advance_i 1 -seq {length} -prove-skip {pipeline.depth} -timeout 200 both")
    log = run_yosys(folder, steps)
    assert "SUCCESS" in log


def lint(folder: Path, pipeline: Pipeline, form: str) -> str:
    """What `verilator --lint-only -Wall` says."""
    paths = []
    for name, text in pipeline.texts:
        paths.append(folder / f"{name}.sv")
        paths[-1].write_text(FORMS[form] + text)
    if form == "xc7":
        paths.insert(0, folder / "primitives.v")
        models = synth.models(synth.primitives([text for _, text in pipeline.texts]))
        paths[0].write_text("/* verilator lint_off DECLFILENAME */ /* verilator lint_off UNUSEDSIGNAL */\n" + models)
    command = [str(verilator_binary()), "--lint-only", "-Wall", "--top-module", pipeline.name, *map(str, paths)]
    return subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, timeout=100).stderr


def synthesized(folder: Path, pipeline: Pipeline):
    """What yosys counts."""
    for name, text in pipeline.texts:
        (folder / f"{name}.sv").write_text(XC7 + text)
    unit = synth.Unit(pipeline.name, pipeline.name, tuple(Path(f"{name}.sv") for name, _ in pipeline.texts), folder)
    return synth.synthesize([unit], jobs=1, timeout_s=300)[pipeline.name]
