"""Dot products as datapaths: bit planes of few-bit operands, all in one heap (Zhou et al., "DoReFa-Net", 2016).

In terms of numbers, with x' = x for unsigned x, x + 2**(x_bits-1) for signed x (its top bit inverted), x + 1 for bipolar x (its bit, doubled), and
max the greatest x', an element adds

    w * x'                            unsigned w
    w * x' + 2**(w_bits-1) * max      signed w (the inverted products of its top bit)
    w > 0 ? x' : max - x'             bipolar w (XNOR in place of AND)
    1 if w == x else 0                both bipolar

so no product bit is negative; what that is beyond w * x depends on the weights alone, and the accumulator's initial value takes it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hwqnn.dataflow.design import Datapath
from hwqnn.gates import first_stage, tables
from hwqnn.gates.first_stage import Term
from hwqnn.gates.heap import BitHeap
from hwqnn.gates.netlist import Netlist, Wire
from hwqnn.gates.remembered import remembered
from hwqnn.gates.text import named
from hwqnn.ir import Bipolar, Type, UInt
from hwqnn.resources import Resources

MOST_DIRECT = 8
"""Words of weights up to which products read the address itself; more are read by a ROM of two bits a LUT, before the products."""


@dataclass(frozen=True)
class Lanes:
    """So many dot products at a time.

    Attributes:
        pe: sums.
        simd: terms of a sum.
        shared: all sums read the same simd inputs; else sum p reads elements p * simd and up.
        sum_bits: of a sum, which is modulo 2**sum_bits.
    """

    pe: int
    simd: int
    x_type: Type
    w_type: Type
    shared: bool
    sum_bits: int

    @property
    def x_bits(self) -> int:
        return self.simd * self.x_type.bits * (1 if self.shared else self.pe)

    @property
    def lane_w_bits(self) -> int:
        return self.simd * self.w_type.bits

    def one(self) -> Lanes:
        """A lane by itself."""
        return Lanes(1, self.simd, self.x_type, self.w_type, True, self.sum_bits)


def variable(lanes: Lanes, budget_ns: float) -> Datapath:
    """Products with weights that come from elsewhere: element (p, s) at bit (p * simd + s) * w_bits of w_i. Sums lie one after another in sum_o."""
    cells, depth = variable_cost(lanes, budget_ns)
    n = _variable_lane(lanes.one(), budget_ns)
    lane_text = n.verilog("@", _behaviour(lanes.one(), "w_i"), f"{_title(lanes.one())}, weights from elsewhere. {n.counted}")
    lane = named("products", lane_text)
    x = lanes.simd * lanes.x_type.bits
    x_slice = "x_i" if lanes.shared else f"x_i[p*{x}+:{x}]"
    module = named(
        "products",
        f"""// {lanes.pe} x {lane[0]}{", of the same inputs" if lanes.shared else ""}
module @ (
  input  logic clk_i, input  logic advance_i,
  input  logic [{lanes.x_bits - 1}:0] x_i,
  input  logic [{lanes.pe * lanes.lane_w_bits - 1}:0] w_i,
  output logic [{lanes.pe * lanes.sum_bits - 1}:0] sum_o
);
  for (genvar p = 0; p < {lanes.pe}; p++) begin : gen_lane
    {lane[0]} i_lane (
      .clk_i, .advance_i, .x_i({x_slice}), .w_i(w_i[p*{lanes.lane_w_bits}+:{lanes.lane_w_bits}]), .sum_o(sum_o[p*{lanes.sum_bits}+:{lanes.sum_bits}])
    );
  end
endmodule
""",
    )
    return Datapath(module[0], lanes.x_bits, lanes.pe * lanes.lane_w_bits, lanes.pe * lanes.sum_bits, depth, (lane, module), (), cells, n.longest)


def fused(lanes: Lanes, words: tuple[int, ...], budget_ns: float) -> Datapath:
    """Products with the weights in their own LUTs: w_i is the address of a word of `words`, laid out as `variable`'s w_i.

    The address has as many bits as it needs, at least one; past the last word sums may be anything.
    """
    n = _fused(lanes, words, budget_ns)
    address_bits = max(1, (len(words) - 1).bit_length())
    w_bits = lanes.pe * lanes.lane_w_bits
    cases = "".join(f"      {address_bits}'d{a}: w = {w_bits}'h{word:x};\n" for a, word in enumerate(words[:-1]))
    rom = (
        f"  logic [{w_bits - 1}:0] w;\n  always_comb begin\n    case (w_i)\n{cases}      default: w = {w_bits}'h{words[-1]:x};\n    endcase\n  end\n"
    )
    title = f"{lanes.pe} x {_title(lanes.one())}{', of the same inputs' if lanes.shared else ''}; {len(words)} words of weights. {n.counted}"
    module = named("products", n.verilog("@", rom + _behaviour(lanes, "w"), title))
    return Datapath(module[0], lanes.x_bits, address_bits, lanes.pe * lanes.sum_bits, n.depth, (module,), (), n.cells, n.longest)


@remembered
def variable_cost(lanes: Lanes, budget_ns: float) -> tuple[Resources, int]:
    """(cells, depth) of `variable`, exactly."""
    n = _variable_lane(lanes.one(), budget_ns)
    return n.cells * lanes.pe, n.depth


@remembered
def fused_cost(lanes: Lanes, depth: int, budget_ns: float) -> tuple[Resources, int]:
    """(cells, depth) of `fused` with `depth` words, by their number alone. LUTs and CARRY4 are bounds: words that agree let LUTs vanish, and lanes
    share some (of 64 agreements, random words: 1 to 7 % of 2 to 8 words, 30 % of a single one). The depth is the least; sparse words of few bits may
    add to it.
    """
    n, _ = _any_fused(lanes.one(), depth, budget_ns)
    return n.cells * lanes.pe, n.depth


@cache
def _variable_lane(lane: Lanes, budget_ns: float) -> Netlist:
    n = Netlist(budget_ns)
    x, w = n.input("x_i", lane.x_bits), n.input("w_i", lane.lane_w_bits)
    n.output("sum_o", _heap(n, lane, x, [(0b10, (bit,)) for bit in w]).sum(lane.sum_bits))
    return n


@cache
def _any_fused(lane: Lanes, depth: int, budget_ns: float) -> tuple[Netlist, tuple[int, ...]]:
    """A lane no smaller than with any words, and the heights of its heap."""
    n = Netlist(budget_ns)
    x = n.input("x_i", lane.x_bits * lane.w_type.bits)  # one for each product, so that none is the same as another
    address = n.input("w_i", max(1, (depth - 1).bit_length()))
    heap = _heap(n, lane, x, _weights(n, lane, None, depth, 0, address), apart=True)
    heights = heap.heights(lane.sum_bits)
    n.output("sum_o", heap.sum(lane.sum_bits, heights))
    return n, heights


def _fused(lanes: Lanes, words: Sequence[int], budget_ns: float) -> Netlist:
    """At least as deep as any words make it, with no more LUTs and CARRY4."""
    largest, heights = _any_fused(lanes.one(), len(words), budget_ns)
    n = _fused_lanes(lanes, words, budget_ns, None, largest.depth)
    most = largest.cells * lanes.pe
    if n.depth > largest.depth or n.cells.lut > most.lut or n.cells.carry4 > most.carry4:  # a lower heap is not always cheaper: build the full one
        n = _fused_lanes(lanes, words, budget_ns, heights, largest.depth)
    return n


def _fused_lanes(lanes: Lanes, words: Sequence[int], budget_ns: float, heights: tuple[int, ...] | None, depth: int) -> Netlist:
    n = Netlist(budget_ns)
    x, address = n.input("x_i", lanes.x_bits), n.input("w_i", max(1, (len(words) - 1).bit_length()))
    x_bits, sums = lanes.simd * lanes.x_type.bits, list[Wire]()
    for p in range(lanes.pe):
        weights = _weights(n, lanes, words, len(words), p, address)
        sums += _heap(n, lanes, x if lanes.shared else x[p * x_bits : (p + 1) * x_bits], weights).sum(lanes.sum_bits, heights)
    n.output("sum_o", sums, depth)
    return n


def _weights(n: Netlist, lanes: Lanes, words: Sequence[int] | None, depth: int, p: int, address: Sequence[Wire]) -> list[Term]:
    """The bits of lane p's weights. Without words: such as are of no help to any LUT."""
    address = address if depth > 1 else []
    bits = range(p * lanes.lane_w_bits, (p + 1) * lanes.lane_w_bits)
    if words is None:
        parity = tables.count_bit(len(address), 0)
        both = (parity, parity ^ (1 << (1 << len(address))) - 1)
        single = int(not isinstance(lanes.w_type, Bipolar))  # the only word: 1 & x is x, and 0 ~^ x its complement
        roms = [both[bit & 1 if address else single] for bit in bits]
    else:
        roms = [sum((words[min(a, depth - 1)] >> bit & 1) << a for a in range(1 << len(address))) for bit in bits]
    if depth <= MOST_DIRECT:
        return [(rom, tuple(address)) for rom in roms]
    return [(0b10, (bit,)) for bit in _read(n, roms, address, alone=words is None)]


def _read(n: Netlist, roms: Sequence[int], address: Sequence[Wire], alone: bool) -> list[Wire]:
    """The bits of a word."""
    bits = [bit for first, second in zip(roms[::2], roms[1::2], strict=False) for bit in n.lut2(first, second, address, own=alone)]
    return bits + [n.lut(rom, address, own=alone) for rom in roms[len(bits) :]]


def _heap(n: Netlist, lane: Lanes, x: Sequence[Wire], w: Sequence[Term], apart: bool = False) -> BitHeap:
    """One lane's heap, given its bits of x and of w; or, apart, bits of x for every bit of a weight."""
    x_type, w_type = lane.x_type, lane.w_type
    shift = int(isinstance(x_type, Bipolar) and not isinstance(w_type, Bipolar))
    agree = isinstance(w_type, Bipolar)
    columns: dict[int, list[Term]] = {}
    for m in range(x_type.bits):
        for j in range(w_type.bits):
            invert_x = _signed(x_type) and m == x_type.bits - 1
            invert = _signed(w_type) and j == w_type.bits - 1
            for s in range(lane.simd):
                bit = s * x_type.bits + m + (j * lane.simd * x_type.bits if apart else 0)
                product = _product(x[bit], w[s * w_type.bits + j], agree, invert_x, invert)
                columns.setdefault(m + j + shift, []).append(product)
    heap = BitHeap(n)
    for column, products in columns.items():
        first_stage.add(n, heap, column, products)
    return heap


def _signed(of: Type) -> bool:
    return not isinstance(of, Bipolar | UInt)


def _product(x: Wire, w: Term, agree: bool, invert_x: bool, invert: bool) -> Term:
    """Of a bit and a bit of a weight."""
    table, inputs = w
    result = 0
    for i in range(2 << len(inputs)):
        a, b = (i & 1) ^ invert_x, table >> (i >> 1) & 1
        result |= ((a == b if agree else a & b) ^ invert) << i
    return result, (x, *inputs)


def _title(lane: Lanes) -> str:
    return f"Sums of {lane.simd} products, x {lane.x_type}, weights {lane.w_type}, in {lane.sum_bits} bits"


def _behaviour(lanes: Lanes, w: str) -> str:
    """Portable text that drives `sum`, given the name of the weights' vector."""
    x_bits, w_bits, bits = lanes.x_type.bits, lanes.w_type.bits, lanes.sum_bits
    top = f" ^ {x_bits}'d{1 << x_bits - 1}" if _signed(lanes.x_type) else ""
    x = f"x_i[{'' if lanes.shared else f'p*{lanes.simd * x_bits}+'}s*{x_bits}+:{x_bits}]{top}"
    weight = f"{w}[p*{lanes.lane_w_bits}+s*{w_bits}+j]"
    both = isinstance(lanes.x_type, Bipolar) and isinstance(lanes.w_type, Bipolar)
    shift = int(isinstance(lanes.x_type, Bipolar) and not both)
    product = f"x {'~^' if isinstance(lanes.w_type, Bipolar) else '&'} {{{x_bits}{{{weight}}}}}"
    if _signed(lanes.w_type):
        product = f"({product}) ^ {{{x_bits}{{j == {w_bits - 1}}}}}"
    return f"""  logic [{bits - 1}:0] lane;
  logic [{x_bits - 1}:0] x, products;
  always_comb begin
    for (int p = 0; p < {lanes.pe}; p++) begin
      lane = '0;
      for (int s = 0; s < {lanes.simd}; s++) begin
        x = {x};
        for (int j = 0; j < {w_bits}; j++) begin
          products = {product};
          lane = lane + ({bits}'(products) << (j + {shift}));
        end
      end
      sum[p*{bits}+:{bits}] = lane;
    end
  end
"""
