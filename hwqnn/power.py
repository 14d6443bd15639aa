"""Power and energy of an accelerator, estimated: switching activity counted in simulation times energies per event.

Activity is that of each block's own nets over thousands of cycles of real images (`cosim.Activity`). A block's LUTs, carry chains and flip-flops
are all taken to switch as its nets do on average; block RAMs and DSPs to work in every step that the block makes; and every flip-flop loads the
clock tree in every cycle, since nothing gates it.

The energies are round figures of the order that the Xilinx Power Estimator gives for 28 nm at 1.0 V with its default routing; nothing was measured on
a board here. Simulation without delays sees no glitches, which may double what adders take, and placement decides how long the wires are. So take a
total for right within a factor of two, and use it to compare designs. The processor beside the logic, memory and pins are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from hwqnn.cosim import Activity
from hwqnn.dataflow.design import Design
from hwqnn.resources import Resources

STATIC_W = 0.15
"""Of the programmable logic of xc7z020 at 25 °C: about 0.08 A at 1.0 V and 0.04 A at 1.8 V (typical quiescent currents, Xilinx DS187)."""
TOGGLE_J = {"lut": 0.15e-12, "carry4": 4 * 0.10e-12, "ff": 0.05e-12}
"""Joules of one change: of a LUT's output with its wires, of all four outputs of a carry chain's slice, of a flip-flop."""
STEP_J = {"bram36": 15e-12, "dsp": 10e-12}
"""Joules of one access to a RAMB36E1 (half of it for a RAMB18E1), of one operation of a DSP48E1."""
CLOCK_J, CLOCK_TREE_J = 0.015e-12, 50e-12
"""Joules of a clock cycle: for each flip-flop, and for the trunk of the tree."""
KINDS = (*TOGGLE_J, *STEP_J, "clock")
COEFFICIENTS_J = TOGGLE_J | STEP_J | {"clock_ff": CLOCK_J, "clock_tree": CLOCK_TREE_J}
"""All of them, by name."""


@dataclass(frozen=True)
class Power:
    """An estimate, at the design's clock, while frames follow one another without a pause.

    Attributes:
        static_w: watts that the part takes whatever it does.
        dynamic_w: watts by kind of cell: "lut", "carry4", "ff", "bram36", "dsp", "clock".
        layers_w: dynamic watts by layer, less the trunk of the clock tree.
        toggle_rate: changes of a net in a clock cycle, on average.
        cycles: that the activity was counted in.
        fps: frames a second.
    """

    static_w: float
    dynamic_w: dict[str, float]
    layers_w: dict[str, float]
    toggle_rate: float
    cycles: int
    fps: float

    @property
    def total_w(self) -> float:
        return self.static_w + sum(self.dynamic_w.values())

    @property
    def energy_j(self) -> float:
        """Joules a frame, static power included."""
        return self.total_w / self.fps


def estimate(design: Design, activity: Activity, cells: Mapping[str, Resources], interval: int) -> Power:
    """The power of `design`; microseconds.

    Args:
        activity: of its nodes, from a simulation of at least two frames.
        cells: of each node by its name, synthesized or estimated.
        interval: clock cycles between frames.
    Raises:
        ValueError: nothing was counted (a single frame was simulated).
    """
    if not activity.cycles:
        raise ValueError("power is estimated from the switching of a full pipeline: simulate at least two frames")
    hertz = design.clock_mhz * 1e6
    kinds, layers = dict.fromkeys(KINDS, 0.0), defaultdict[str, float](float)
    for node in design.nodes:
        has = cells[node.name]
        # a node without nets of its own (wires only) has no cells that switch either
        changes = hertz * activity.rate(node.name)
        steps = hertz * min(1.0, node.block.cycles / interval)
        watts = {kind: getattr(has, kind) * joules * changes for kind, joules in TOGGLE_J.items()}
        watts |= {kind: getattr(has, kind) * joules * steps for kind, joules in STEP_J.items()}
        watts["clock"] = has.ff * CLOCK_J * hertz
        for kind, value in watts.items():
            kinds[kind] += value
            layers[node.layer] += value
    kinds["clock"] += CLOCK_TREE_J * hertz
    return Power(STATIC_W, kinds, dict(layers), activity.rate(), activity.cycles, hertz / interval)
