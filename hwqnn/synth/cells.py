"""From a netlist of 7-series primitives to the resources they take (Xilinx UG474, UG473 and UG953)."""

from __future__ import annotations

from collections.abc import Mapping

from hwqnn.errors import ToolError
from hwqnn.resources import Resources

# Two LUTs of at most five shared inputs could share one LUT6; yosys does not pair them, so neither do we: the count is an upper bound.
# An inverter counts as a LUT: a vendor tool absorbs most of them, but may need one.
_LUTS = {
    "INV LUT1 LUT2 LUT3 LUT4 LUT5 LUT6 LUT6_2 SRL16E SRLC16E SRLC32E RAM16X1S RAM32X1S RAM64X1S ROM16X1 ROM32X1 ROM64X1": 1,
    "RAM16X1D RAM32X1D RAM64X1D RAM128X1S ROM128X1": 2,
    "RAM32M RAM64M RAM128X1D RAM256X1S ROM256X1": 4,
}
COST: dict[str, Resources] = {
    **{name: Resources(lut=luts) for names, luts in _LUTS.items() for name in names.split()},
    **{name + edge: Resources(ff=1) for name in ("FDRE", "FDSE", "FDCE", "FDPE") for edge in ("", "_1")},
    **{name: Resources() for name in ("MUXF7", "MUXF8")},  # inside the slice, beside the LUTs that feed them
    "$scopeinfo": Resources(),  # no hardware: yosys notes which module a flattened cell came from
    "CARRY4": Resources(carry4=1),
    "RAMB18E1": Resources(bram36=0.5),
    "RAMB36E1": Resources(bram36=1.0),
    "DSP48E1": Resources(dsp=1),
}
_LATCHES = {"LDCE", "LDPE"}


def count(name: str, netlist: Mapping[str, int]) -> Resources:
    """The resources of block `name` whose final netlist holds `netlist[type]` cells of each type.

    Raises:
        ToolError: a cell type whose cost is not known (a silent zero would be a lie), or a latch, which this library never means.
    """
    total = Resources()
    for kind, times in netlist.items():
        if kind in _LATCHES:
            raise ToolError(f"block {name!r}: yosys inferred {times} latches ({kind}); a combinational process does not assign in every branch")
        if kind not in COST:
            raise ToolError(f"block {name!r}: the netlist holds {times} cells of type {kind!r}, whose cost is not known; add it to {__name__}.COST")
        total += COST[kind] * times
    return total
