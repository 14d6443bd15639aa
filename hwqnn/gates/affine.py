"""Per lane mul * x + add as LUTs whose number is known: partial products and the addend in a heap; a sum, where x is a bit; tables of x, where words
are constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hwqnn.dataflow.design import Datapath
from hwqnn.gates import delay, first_stage, tables
from hwqnn.gates.first_stage import Term
from hwqnn.gates.heap import BitHeap
from hwqnn.gates.netlist import ZERO, Netlist, Wire
from hwqnn.gates.plan import limits
from hwqnn.gates.text import named

_LUT_INPUTS = 6


@dataclass(frozen=True)
class Affine:
    """What is computed: y[p] = mul[p] * x[p] + add[p] modulo 2**sum_bits.

    Attributes:
        signed: whether x is; words are.
        mul_bits, add_bits: of a word, at most sum_bits.
    """

    lanes: int
    x_bits: int
    signed: bool
    mul_bits: int
    add_bits: int
    sum_bits: int

    @property
    def w_bits(self) -> int:
        return self.lanes * (self.mul_bits + self.add_bits)


def variable(affine: Affine, budget_ns: float, late_ns: float) -> Datapath:
    """The datapath for words that come from elsewhere: w_i holds all factors, then all addends.

    Args:
        budget_ns: logic delay allowed between registers.
        late_ns: how much later than a register's output w_i may be there.
    """
    one, lanes = Affine(1, affine.x_bits, affine.signed, affine.mul_bits, affine.add_bits, affine.sum_bits), affine.lanes
    n = _lane(one, budget_ns, late_ns)
    lane = named("affine", n.verilog("@", _products(one), f"{_title(one)}, words from elsewhere. {n.counted}"))
    x, mul, add, y = affine.x_bits, affine.mul_bits, affine.add_bits, affine.sum_bits
    text = f"""// {lanes} x {lane[0]}
module @ (
  input  logic clk_i, input  logic advance_i,
  input  logic [{lanes * x - 1}:0] x_i,
  input  logic [{affine.w_bits - 1}:0] w_i,
  output logic [{lanes * y - 1}:0] sum_o
);
  for (genvar p = 0; p < {lanes}; p++) begin : gen_lane
    {lane[0]} i_lane (
      .clk_i, .advance_i, .x_i(x_i[p*{x}+:{x}]), .w_i({{w_i[{lanes * mul}+p*{add}+:{add}], w_i[p*{mul}+:{mul}]}}), .sum_o(sum_o[p*{y}+:{y}])
    );
  end
endmodule
"""
    module = named("affine", text)
    return Datapath(module[0], lanes * x, affine.w_bits, lanes * y, n.depth, (lane, module), (), n.cells * lanes, n.longest)


def constant(affine: Affine, mul: Sequence[int], add: Sequence[int], budget_ns: float) -> Datapath:
    """The datapath for one word for each lane, which is in its LUTs: w_i is not read."""
    n = Netlist(budget_ns)
    x = n.input("x_i", affine.lanes * affine.x_bits, delay.LUT)
    n.input("w_i", affine.w_bits)
    sums: list[Wire] = []
    for p in range(affine.lanes):
        lane = x[p * affine.x_bits : (p + 1) * affine.x_bits]
        sums += (_tabled if len(lane) <= _LUT_INPUTS else _scaled)(n, affine, lane, mul[p], add[p])
    n.output("sum_o", sums)
    text = n.verilog("@", _constants(affine, mul, add), f"{affine.lanes} x {_title(affine)}. {n.counted}")
    module = named("affine", text)
    return Datapath(module[0], len(x), affine.w_bits, affine.lanes * affine.sum_bits, n.depth, (module,), (), n.cells, n.longest)


@cache
def _lane(affine: Affine, budget_ns: float, late_ns: float) -> Netlist:
    n = Netlist(budget_ns)
    x, w = n.input("x_i", affine.x_bits, delay.LUT), n.input("w_i", affine.w_bits, late_ns)  # x comes out of a FIFO's LUT
    mul, add = w[: affine.mul_bits], w[affine.mul_bits :]
    sums = _chosen(n, affine, x[0], mul, add) if affine.x_bits == 1 and not affine.signed else _multiplied(n, affine, x, mul, add)
    n.output("sum_o", sums)
    return n


def _chosen(n: Netlist, affine: Affine, x: Wire, mul: Sequence[Wire], add: Sequence[Wire]) -> list[Wire]:
    """add, or add + mul, by an adder: the LUTs of its carry chain have room for x."""
    longest, carry, sums = limits(n.budget_ns).binary, ZERO, list[Wire]()
    for start in range(0, affine.sum_bits, longest):
        columns = range(start, min(start + longest, affine.sum_bits))
        operands = [word[min(column, len(word) - 1)] for word in (mul, add) for column in columns]
        x, carry, *operands = n.together([x, carry, *operands], delay.LUT + delay.chain(len(columns)))
        pairs = list(zip(operands[: len(columns)], operands[len(columns) :], strict=True))
        found, carries = n.carry([n.lut(_MASKED_SUM, [x, m, a], own=True) for m, a in pairs], [a for _, a in pairs], carry)
        sums, carry = [*sums, *found], carries[-1]
    return sums


_MASKED_SUM = tables.table(3, lambda bits: (bits[0] & bits[1]) ^ bits[2])


def _multiplied(n: Netlist, affine: Affine, x: Sequence[Wire], mul: Sequence[Wire], add: Sequence[Wire]) -> list[Wire]:
    """Partial products of signed bits count negative: then the complement is added."""
    heap, columns = BitHeap(n), dict[int, list[Term]]()
    for i in range(affine.x_bits):
        for j in range(affine.mul_bits):
            negative = (affine.signed and i == affine.x_bits - 1) != (j == affine.mul_bits - 1)
            columns.setdefault(i + j, []).append((0b0111 if negative else 0b1000, (x[i], mul[j])))
            heap.add_constant(-negative << i + j)
    for column in range(min(affine.sum_bits, len(columns))):
        first_stage.add(n, heap, column, columns[column])
    for column, bit in enumerate(add[:-1]):
        heap.add(column, bit)
    heap.subtract(len(add) - 1, add[-1])
    return heap.sum(affine.sum_bits)


def _tabled(n: Netlist, affine: Affine, x: Sequence[Wire], mul: int, add: int) -> list[Wire]:
    """Each bit of the result is a function of so few: one LUT, or half of one where it depends on five bits of x."""
    results = [mul * _value(affine, code) + add for code in range(1 << len(x))]
    functions = [sum((y >> bit & 1) << code for code, y in enumerate(results)) for bit in range(affine.sum_bits)]
    needed = {f: [k for k in range(len(x)) if tables.depends(f, k, len(x))] for f in functions}
    halves = [f for f, inputs in needed.items() if len(inputs) > 1 and _LUT_INPUTS - 1 not in inputs]
    made: dict[int, Wire] = {}
    for first, second in zip(halves[::2], halves[1::2], strict=False):
        made[first], made[second] = n.lut2(first, second, x)
    return [made[f] if f in made else n.lut(f, x) for f in functions]


def _scaled(n: Netlist, affine: Affine, x: Sequence[Wire], mul: int, add: int) -> list[Wire]:
    """x once for each digit of the factor: 1 or -1, and never two in a row."""
    heap, column = BitHeap(n), 0
    heap.add_constant(add)
    while mul:
        digit = (2 - mul % 4) * (mul % 2)
        for i, bit in enumerate(x):
            negative = affine.signed and i == len(x) - 1
            if digit:
                (heap.subtract if (digit < 0) != negative else heap.add)(column + i, bit)
        mul, column = (mul - digit) // 2, column + 1
    return heap.sum(affine.sum_bits)


def _value(affine: Affine, code: int) -> int:
    return code - (1 << affine.x_bits if affine.signed and code >> affine.x_bits - 1 else 0)


def _title(affine: Affine) -> str:
    return f"mul * x + add, x of {affine.x_bits} {'signed' if affine.signed else 'unsigned'} bits, words of {affine.mul_bits} and {affine.add_bits}"


def _x(affine: Affine, text: str) -> str:
    return f"{affine.sum_bits}'({f'$signed({text})' if affine.signed else text})"


def _products(affine: Affine) -> str:
    """Portable text that drives `sum` of one lane."""
    mul, y = affine.mul_bits, affine.sum_bits
    return f"  assign sum = {_x(affine, 'x_i')} * {y}'($signed(w_i[{mul - 1}:0])) + {y}'($signed(w_i[{affine.w_bits - 1}:{mul}]));\n"


def _constants(affine: Affine, mul: Sequence[int], add: Sequence[int]) -> str:
    """Portable text that drives `sum`."""
    x, y = affine.x_bits, affine.sum_bits
    bits = affine.lanes * y
    factors, addends = (sum(word % (1 << y) << p * y for p, word in enumerate(words)) for words in (mul, add))
    return f"""  localparam logic [{bits - 1}:0] MUL = {bits}'h{factors:x}, ADD = {bits}'h{addends:x};
  always_comb begin
    for (int p = 0; p < {affine.lanes}; p++) sum[p*{y}+:{y}] = {_x(affine, f"x_i[p*{x}+:{x}]")} * MUL[p*{y}+:{y}] + ADD[p*{y}+:{y}];
  end
"""
