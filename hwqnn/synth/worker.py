"""Runs inside the child process, as a plain script: yosys over the sources in the current folder, cell counts into `cells.json`.

The flow is `synth_xilinx -family xc7 -noiopad -noclkbuf -flatten`, less what cannot change its result: the models of exotic cells
(`cells_xtra.v`, half of the time of a small block) are not read, and the memory mapping is skipped when there is no memory.

Usage: worker.py CPU_SECONDS TOP SOURCE...
"""

import json
import resource
import sys
from pathlib import Path

STACK = 100 << 20  # bytes; Linux keeps 128 MiB free for it


def main() -> None:
    cpu_seconds, top, *sources = sys.argv[1:]
    # A backstop for the parent's time limit: should the parent be killed, nobody else stops a runaway yosys.
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds)))
    # yosys walks expressions recursively: a population count of 8192 bits overruns the usual 8 MiB of stack.
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (STACK if hard == resource.RLIM_INFINITY else min(STACK, hard), hard))
    from pyosys import libyosys

    design = libyosys.Design()

    def run(command: str) -> None:
        libyosys.run_pass(command, design)

    def synth(labels: str) -> None:
        run(f"synth_xilinx -family xc7 -noiopad -noclkbuf -flatten -top {top} -run {labels}")

    def cells() -> dict[str, int]:
        run(f"tee -q -o cells.json stat -json -top {top}")
        return json.loads(Path("cells.json").read_text())["design"]["num_cells_by_type"]

    run("read_verilog -lib -specify +/xilinx/cells_sim.v")
    run("read_verilog -sv -defer " + " ".join(sources))  # a library module with its default parameters may not elaborate
    run(f"hierarchy -check -top {top}")
    synth("prepare:map_memory")
    if any(kind.startswith("$mem") for kind in cells()):
        synth("map_memory:map_ffram")
    synth("map_ffram:edif")
    Path("cells.json").write_text(json.dumps(cells()))


main()
