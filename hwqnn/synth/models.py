"""What 7-series primitives do, in a netlist or instantiated by the library: the simulation models that yosys ships with its 7-series library,
and ours where it has none or they are slow."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from hwqnn.errors import ToolError
from hwqnn.synth.block_ram import block_ram
from hwqnn.synth.yosys import yosys_folder

_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule$", re.S | re.M)
_TIMING = re.compile(r"^ *specify$.*?^ *endspecify$\n", re.S | re.M)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_DEFINED = re.compile(r"^ *module +(\w+)", re.M)
_INSTANCE = re.compile(r"\b(\w+) *(?:#\(|[A-Za-z_]\w* *\()")


def models(kinds: Collection[str]) -> str:
    """Verilog modules that behave as the primitives `kinds` do, as yosys' `cells_sim.v` states them, less the timing.

    LUTs and carries are in a form that simulates faster.

    Raises:
        ToolError: pyosys is not installed, or states no behaviour of one of them.
    """
    known = _known(_library())
    for kind in sorted(kinds):
        if not re.search(r"\b(assign|always)\b", known.get(kind, "")):
            raise ToolError(f"cells of type {kind!r} cannot be simulated: yosys states no behaviour for them; if a netlist, build without --netlist")
    return "\n".join(f"{known[kind]}\n" for kind in sorted(kinds))


def primitives(sources: Collection[str]) -> set[str]:
    """The primitives that these SystemVerilog texts instantiate and do not define.

    Raises:
        ToolError: pyosys is not installed.
    """
    known = _known(_library()).keys()
    texts = [_COMMENT.sub("", text) for text in sources]
    return {name for text in texts for name in _INSTANCE.findall(text) if name in known} - {name for text in texts for name in _DEFINED.findall(text)}


def _library() -> Path:
    return yosys_folder() / "share" / "xilinx" / "cells_sim.v"


@cache
def _known(library: Path) -> dict[str, str]:
    """Each primitive's module by its name."""
    known = {found[1]: _TIMING.sub("", found[0]) for found in _MODULE.finditer(library.read_text())}
    known |= {kind: block_ram(kind) for kind in ("RAMB18E1", "RAMB36E1")}
    return known | {f"LUT{inputs}": _lut(inputs) for inputs in range(1, 7)} | {"LUT6_2": _LUT6_2, "CARRY4": _CARRY4}


def _lut(inputs: int) -> str:
    """The bit of INIT that the inputs point at (UG953). yosys writes a tree of multiplexers, which the C++ compiler takes four times as long for."""
    names = [f"I{i}" for i in reversed(range(inputs))]
    return f"""module LUT{inputs}(output O, input {", ".join(names)});
  parameter [{2**inputs - 1}:0] INIT = 0;
  assign O = INIT[{{{", ".join(names)}}}];
endmodule"""


_LUT6_2 = """module LUT6_2(output O6, output O5, input I5, I4, I3, I2, I1, I0);
  parameter [63:0] INIT = 0;
  assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
  assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
endmodule"""

# The carries of an addition: where S is 0 both operands hold DI, where it is 1 one of them is 1. An adder of the processor's does all four at once.
_CARRY4 = """module CARRY4(output [3:0] CO, output [3:0] O, input CI, input CYINIT, input [3:0] DI, input [3:0] S);
  wire [3:0] both = DI & ~S;
  wire [4:0] sum = {1'b0, S | both} + {1'b0, both} + {4'b0, CI | CYINIT};
  wire [4:0] carries = sum ^ {1'b0, S};
  assign O = sum[3:0];
  assign CO = carries[4:1];
endmodule"""
