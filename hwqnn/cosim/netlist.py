"""The accelerator after synthesis, in a form that simulates like the emitted RTL: the same top module around the netlists of its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hwqnn import synth
from hwqnn.emit import Emitted


def write_netlist(emitted: Emitted, netlists: Mapping[str, synth.Netlist], directory: Path) -> Emitted:
    """Writes the netlists, by node name, and the models of their primitives into a folder (made if missing).

    Returns:
        `emitted` with its netlist for every wrapper module's RTL. The top module stays, so `build`, `run` and `compare` take it as they take RTL.
    Raises:
        ToolError: yosys has no simulation model of a primitive.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    nodes = []
    for node in emitted.nodes:
        path = directory / f"{node.module}.v"
        path.write_text(netlists[node.node.name].verilog)
        nodes.append(replace(node, sources=(path,), memories=()))
    primitives = directory / "primitives.v"
    primitives.write_text(synth.models({kind for netlist in netlists.values() for kind in netlist.cells if not kind.startswith("$")}))
    top = directory / f"{emitted.top}.sv"
    top.write_bytes(emitted.sources[-1].read_bytes())
    return replace(emitted, directory=directory, sources=(primitives, *(n.sources[0] for n in nodes), top), nodes=tuple(nodes))
