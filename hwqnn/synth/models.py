"""What the primitives of a netlist do: the simulation models that yosys ships with its 7-series library."""

from __future__ import annotations

import re
from collections.abc import Collection

from hwqnn.errors import ToolError
from hwqnn.synth.yosys import yosys_folder

_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule$", re.S | re.M)
_TIMING = re.compile(r"^ *specify$.*?^ *endspecify$\n", re.S | re.M)


def models(kinds: Collection[str]) -> str:
    """Verilog modules that behave as the primitives `kinds` do, as yosys' `cells_sim.v` states them, less the timing; LUTs in a shorter form.

    Raises:
        ToolError: pyosys is not installed, or states no behaviour of one of them (block RAMs are such).
    """
    library = yosys_folder() / "share" / "xilinx" / "cells_sim.v"
    known = {found[1]: _TIMING.sub("", found[0]) for found in _MODULE.finditer(library.read_text())}
    known |= {f"LUT{inputs}": _lut(inputs) for inputs in range(1, 7)}
    for kind in sorted(kinds):
        if not re.search(r"\b(assign|always)\b", known.get(kind, "")):
            raise ToolError(
                f"a netlist holds cells of type {kind!r}, which {library} has no behaviour for: it cannot be simulated, build without --netlist"
            )
    return "\n".join(f"{known[kind]}\n" for kind in sorted(kinds))


def _lut(inputs: int) -> str:
    """The bit of INIT that the inputs point at (UG953). yosys writes a tree of multiplexers, which the C++ compiler takes four times as long for."""
    names = [f"I{i}" for i in reversed(range(inputs))]
    return f"""module LUT{inputs}(output O, input {", ".join(names)});
  parameter [{2**inputs - 1}:0] INIT = 0;
  assign O = INIT[{{{", ".join(names)}}}];
endmodule"""
