"""Prints a `Design` as SystemVerilog: the accelerator, one wrapper module for each block, and the ROM files. It decides nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from hwqnn.dataflow.design import Block, Datapath, Design, Node, Source
from hwqnn.emit.names import identifier, unique
from hwqnn.ir import Bipolar
from hwqnn.paths import RTL

_PORTS = ("s_tdata_i", "s_tvalid_i", "s_tlast_i", "s_tready_o", "m_tdata_o", "m_tvalid_o", "m_tlast_o", "m_tready_i")


class Target(Enum):
    """What the library's modules are made of; the value opens every copied file, so that each tool that reads it reads the same text.

    Attributes:
        XC7: the 7-series' LUTs and carry chains, instantiated where a mapper finds nothing as small.
        PORTABLE: plain SystemVerilog, for any vendor.
    """

    XC7 = "`ifndef HWQNN_XC7\n`define HWQNN_XC7\n`endif\n"
    PORTABLE = ""


@dataclass(frozen=True, eq=False)
class EmittedNode:
    """A node in RTL: `signal` prefixes its output stream in the top module, `module` is its wrapper."""

    node: Node
    signal: str
    module: str
    sources: tuple[Path, ...]
    memories: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Emitted:
    """Everything written.

    Attributes:
        directory: where all files lie side by side (ROM files are read by bare name).
        top: the accelerator's module.
        sources: every SystemVerilog file, the library and what is generated for single blocks first.
        nodes: the design's nodes in order.
        result: the node that computes what leaves the accelerator.
        input_bytes, output_bytes: width of a beat at the accelerator's own ports.
    """

    directory: Path
    top: str
    sources: tuple[Path, ...]
    nodes: tuple[EmittedNode, ...]
    result: Node
    input_bytes: int
    output_bytes: int


def padded_bits(bits: int) -> int:
    """Rounded up to whole bytes."""
    return -(-bits // 8) * 8


def emit(design: Design, directory: Path, target: Target = Target.XC7) -> Emitted:
    """Writes the RTL of `design` into the folder `directory` (made if missing). The same design gives byte-identical files."""
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    top = identifier(design.name)
    if any((folder / f"{top}.sv").exists() for folder in (RTL, *(n.block.library for n in design.nodes))):  # a model called "fifo"
        top += "_accelerator"
    signals = unique([node.name for node in design.nodes])
    library: dict[str, Path] = {}
    nodes = []
    for node, signal in zip(design.nodes, signals, strict=True):
        needed = library_texts(node.block)
        for name, text in needed.items():
            if name not in library:
                library[name] = directory / f"{name}.sv"
                library[name].write_text(target.value + text)
        nodes.append(_emit_node(node, signal, f"{top}_{signal}", directory, tuple(library[name] for name in needed)))
    top_path = directory / f"{top}.sv"
    top_path.write_text(_top(design, top, nodes))
    beat_in, beat_out = design.nodes[0].block.beat_in, design.nodes[-1].block.beat_out
    return Emitted(
        directory,
        top,
        (*sorted(library.values()), *(n.sources[-1] for n in nodes), top_path),
        tuple(nodes),
        design.result,
        padded_bits(beat_in.bits) // 8,
        beat_out.elements * padded_bits(beat_out.type.bits) // 8,
    )


def library_texts(block: Block) -> dict[str, str]:
    """SystemVerilog by module name, in a stable order: what is generated for the block, its module, and all that this instantiates."""
    known = {path.stem: path for folder in (RTL, block.library) for path in folder.glob("*.sv")}
    found = dict(block.datapath.texts) if block.datapath else {}
    waiting = [block.module] + ([block.datapath.module] if block.datapath else [])
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = known[name].read_text()
        words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"//[^\n]*|/\*.*?\*/", "", found[name], flags=re.S)))
        waiting += sorted(words & known.keys())
    return {name: found[name] for name in sorted(found)}


def _emit_node(node: Node, signal: str, module: str, directory: Path, library: tuple[Path, ...]) -> EmittedNode:
    block = node.block
    values = {name: str(value) for name, value in block.parameters.items()}
    memories = []
    for parameter, memory in block.memories.items():
        path = directory / f"{module}_{parameter.removesuffix('_FILE').lower()}.mem"
        digits = -(-memory.width // 4)
        path.write_text("".join(f"{word:0{digits}x}\n" for word in memory.words))
        memories.append(path)
        values[parameter] = f'"{path.name}"'
    ports = {port: port for port in ("clk_i", "rst_ni", *_PORTS)}
    declared = beside = ""
    if block.datapath is not None:
        ports |= {"dp_advance_o": "dp_advance", "dp_x_o": "dp_x", "dp_w_o": "dp_w", "dp_sum_i": "dp_sum"}
        declared, beside = _datapath(block.datapath)
    inputs, outputs = _width(len(block.beats_in)), _width(block.outputs)
    path = directory / f"{module}.sv"
    path.write_text(
        f"""// {node.block.module} of layer {json.dumps(node.layer)}
module {module} (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic [{sum(beat.bits for beat in block.beats_in) - 1}:0] s_tdata_i,
  input  logic {inputs}s_tvalid_i,
  input  logic {inputs}s_tlast_i,
  output logic {inputs}s_tready_o,
  output logic [{block.beat_out.bits - 1}:0] m_tdata_o,
  output logic {outputs}m_tvalid_o,
  output logic m_tlast_o,
  input  logic {outputs}m_tready_i
);
{declared}{_instance(block.module, values, ports)}{beside}endmodule
"""
    )
    return EmittedNode(node, signal, module, (*library, path), tuple(memories))


def _datapath(path: Datapath) -> tuple[str, str]:
    """The wires that join a datapath to its block, and its instance."""
    widths = (("dp_advance", 1), ("dp_x", path.x_bits), ("dp_w", path.w_bits), ("dp_sum", path.sum_bits))
    wires = "".join(f"  logic [{bits - 1}:0] {name};\n" for name, bits in widths)
    ports = {"clk_i": "clk_i", "advance_i": "dp_advance", "x_i": "dp_x", "w_i": "dp_w", "sum_o": "dp_sum"}
    return wires, _instance(path.module, {name: str(value) for name, value in path.parameters}, ports)


def _instance(module: str, parameters: dict[str, str], ports: dict[str, str]) -> str:
    """Of a module, named after it."""
    values, wires = (",\n".join(f"    .{name}({value})" for name, value in table.items()) for table in (parameters, ports))
    return f"  {module} {f'#({chr(10)}{values}{chr(10)}  ) ' if values else ''}i_{module} (\n{wires}\n  );\n"


def _top(design: Design, top: str, nodes: list[EmittedNode]) -> str:
    beat_in, beat_out = design.nodes[0].block.beat_in, design.nodes[-1].block.beat_out
    in_bits, element = padded_bits(beat_in.bits), padded_bits(beat_out.type.bits)
    out_bits = beat_out.elements * element
    unused = f"  logic unused_padding;\n  assign unused_padding = ^s_axis_tdata[{in_bits - 1}:{beat_in.bits}];\n" if in_bits > beat_in.bits else ""
    named = {n.node.name: n for n in nodes}
    lines = []
    for n in nodes:
        s, streams = n.signal, [_Ends.of(source, named, beat_in.bits) for source in n.node.inputs]
        outputs = _width(n.node.block.outputs)
        lines.append(f"""
  // layer {json.dumps(n.node.layer)}
  logic [{n.node.block.beat_out.bits - 1}:0] {s}_tdata /* verilator public_flat_rd */;
  logic {outputs}{s}_tvalid /* verilator public_flat_rd */;
  logic {outputs}{s}_tready /* verilator public_flat_rd */;
  logic {s}_tlast;
  {n.module} i_{s} (
    .clk_i(aclk),
    .rst_ni(aresetn),
    .s_tdata_i({_joined(e.tdata for e in streams)}),
    .s_tvalid_i({_joined(e.tvalid for e in streams)}),
    .s_tlast_i({_joined(e.tlast for e in streams)}),
    .s_tready_o({_joined(e.tready for e in streams)}),
    .m_tdata_o({s}_tdata),
    .m_tvalid_o({s}_tvalid),
    .m_tlast_o({s}_tlast),
    .m_tready_i({s}_tready)
  );
""")
    source = nodes[-1].signal
    bits, signed = beat_out.type.bits, beat_out.type.min < 0
    elements = []
    for i in reversed(range(beat_out.elements)):
        msb, lsb = (i + 1) * bits - 1, i * bits
        if isinstance(beat_out.type, Bipolar):  # a bit, +1 or -1 as a byte
            elements.append(f"{{7{{!{source}_tdata[{lsb}]}}}}, 1'b1")
            continue
        fill = f"{source}_tdata[{msb}]" if signed else "1'b0"
        pad = f"{{{element - bits}{{{fill}}}}}, " if element > bits else ""
        elements.append(f"{pad}{source}_tdata[{msb}:{lsb}]")
    return f"""// {json.dumps(design.name)}, written by hwqnn. AXI4-Stream in and out; element 0 in the least significant bits.
// Input beat: {beat_in.elements} x {beat_in.type}. Output beat: {beat_out.elements} x {beat_out.type}, each in whole bytes.
module {top} (
  input  logic aclk,
  input  logic aresetn,
  input  logic [{in_bits - 1}:0] s_axis_tdata,
  input  logic s_axis_tvalid,
  input  logic s_axis_tlast,
  output logic s_axis_tready,
  output logic [{out_bits - 1}:0] m_axis_tdata,
  output logic m_axis_tvalid,
  output logic m_axis_tlast,
  input  logic m_axis_tready
);
{unused}{"".join(lines)}
  assign m_axis_tdata = {{{", ".join(elements)}}};
  assign m_axis_tvalid = {source}_tvalid;
  assign m_axis_tlast = {source}_tlast;
  assign {source}_tready = m_axis_tready;
endmodule
"""


@dataclass(frozen=True)
class _Ends:
    """The wires of a stream that a node reads."""

    tdata: str
    tvalid: str
    tlast: str
    tready: str

    @staticmethod
    def of(source: Source, named: dict[str, EmittedNode], input_bits: int) -> _Ends:
        if source.node is None:
            return _Ends(f"s_axis_tdata[{input_bits - 1}:0]", "s_axis_tvalid", "s_axis_tlast", "s_axis_tready")
        producer = named[source.node]
        s, port = producer.signal, f"[{source.port}]" if producer.node.block.outputs > 1 else ""
        return _Ends(f"{s}_tdata", f"{s}_tvalid{port}", f"{s}_tlast", f"{s}_tready{port}")


def _joined(wires: Iterable[str]) -> str:
    """Several wires side by side, the first in the least significant bits."""
    *rest, first = reversed(list(wires))
    return f"{{{', '.join([*rest, first])}}}" if rest else first


def _width(streams: int) -> str:
    """The range of a handshake wire of so many streams."""
    return f"[{streams - 1}:0] " if streams > 1 else ""
