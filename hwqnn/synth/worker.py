"""Runs inside the child process, as a plain script: yosys over the sources in the current folder. Writes `yosys:cells.json`, the number of cells of
each type, and `yosys:netlist.v`, the netlist as one flat Verilog module.

The flow is `synth_xilinx -family xc7 -noiopad -noclkbuf -flatten`, less what cannot change its result: the models of exotic cells
(`cells_xtra.v`, half of the time of a small block) are not read, and the memory mapping is skipped when there is no memory. Less what nobody reads
of a large ROM: yosys would make logic of the whole file in each module that reads a part of it, and clean up for an hour. And less a bug
of yosys 0.70: its `abc9` drops the wire from a SRLC32E's Q31 to the next one in a shift register of more than 32 bits, which then shifts in
zeros. So meanwhile they are black boxes.

Usage: worker.py CPU_SECONDS TOP SOURCE...
"""

import json
import resource
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

CELLS = "yosys:cells.json"  # no unit's file can have a colon in its name
NETLIST = "yosys:netlist.v"
OPAQUE = "yosys:opaque.v"
SRL = """(* blackbox *) module SRLC32E_opaque(output Q, Q31, input [4:0] A, input CE, CLK, D);
  parameter INIT = 0, IS_CLK_INVERTED = 0;
endmodule
"""
ROM = {"\\WR_PORTS": 0, "\\RD_PORTS": 1, "\\RD_CLK_ENABLE": 0}
LARGE = 400_000  # bits of a ROM, for which yosys takes half a minute; smaller ones it is left, for what it makes of them has fewer LUTs
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

    def cells() -> Counter[str]:
        run(f"tee -q -o {CELLS} stat -json")  # with -top, yosys 0.70 dies of some hierarchies (IndexError: map::at)
        return total(json.loads(Path(CELLS).read_text())["modules"], "\\" + top)

    run("read_verilog -lib -specify +/xilinx/cells_sim.v")
    run("read_verilog -sv -defer " + " ".join(sources))  # a library module with its default parameters may not elaborate
    run(f"hierarchy -check -top {top}")
    # Made of primitives, which nothing improves: a lane that a block has dozens of is carried through once.
    run("setattr -mod -set keep_hierarchy 1 products_*")
    synth("prepare:map_memory")
    for module in design.selected_modules():
        narrow(libyosys, module)
    if any(kind.startswith("$mem") for kind in cells()):
        synth("map_memory:map_ffram")
    synth("map_ffram:map_luts")
    Path(OPAQUE).write_text(SRL)
    run(f"read_verilog -lib {OPAQUE}")
    run("chtype -set SRLC32E_opaque t:SRLC32E")
    synth("map_luts:finalize")
    run("chtype -set SRLC32E t:SRLC32E_opaque")
    synth("finalize:edif")
    # A single module: submodules of several blocks could share a name. Modules are marked, and instances.
    run("setattr -mod -unset keep_hierarchy *")
    run("setattr -unset keep_hierarchy")
    run("flatten")
    run("delete t:$scopeinfo")
    run("opt_clean -purge")
    Path(CELLS).write_text(json.dumps(cells()))
    run(f"write_verilog -noattr {NETLIST}")


def narrow(yosys: ModuleType, module: Any) -> None:
    """Large ROMs without a clock lose the bits of their words that nobody reads."""
    data, init, width = (yosys.IdString(name) for name in ("\\RD_DATA", "\\INIT", "\\WIDTH"))
    cells = module.selected_cells()

    def large_rom(cell: Any) -> bool:
        if str(cell.type) != "$mem_v2" or any(cell.getParam(yosys.IdString(name)).as_int() != want for name, want in ROM.items()):
            return False
        return cell.getParam(init).size() >= LARGE

    roms = [cell for cell in cells if large_rom(cell)]
    if not roms:
        return
    signals = [signal for cell in cells for port, signal in cell.connections().items() if cell not in roms or port != data]
    signals += [source for _, source in module.connections()]
    signals += [yosys.SigSpec(wire) for wire in module.selected_wires() if wire.port_output]
    read = {bit for signal in signals for bit in signal.to_sigbit_vector()}
    for rom in roms:
        word = rom.getPort(data)
        kept = [i for i, bit in enumerate(word.to_sigbit_vector()) if bit in read]
        bits, size = rom.getParam(init).as_string()[::-1], word.size()
        rom.setParam(init, yosys.Const.from_string("".join(bits[a + i] for a in range(0, len(bits), size) for i in kept)[::-1]))
        rom.setParam(width, yosys.Const(len(kept), 32))
        for name in ("ARST", "SRST", "INIT"):
            rom.setParam(yosys.IdString(f"\\RD_{name}_VALUE"), yosys.Const.from_string("x" * len(kept)))
        narrowed = yosys.SigSpec()
        for i in kept:
            narrowed.append(word.extract(i, 1))
        rom.setPort(data, narrowed)


def total(modules: dict, name: str) -> Counter[str]:
    """The primitives below module `name`, by type: a module marked `keep_hierarchy` is still an instance in its parent."""
    found: Counter[str] = Counter()
    for kind, times in modules[name]["num_cells_by_type"].items():
        module = kind if kind in modules else "\\" + kind  # a public name is printed without its backslash
        for primitive, inside in (total(modules, module) if module in modules else {kind: 1}).items():
            found[primitive] += times * inside
    return found


main()
