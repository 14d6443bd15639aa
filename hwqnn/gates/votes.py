"""Votes counted: of the members whose label is a class, the weights' sum, as LUTs whose number is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwqnn.dataflow.design import Datapath
from hwqnn.gates import tables
from hwqnn.gates.frozen_lookup import lookup
from hwqnn.gates.heap import BitHeap
from hwqnn.gates.netlist import Netlist, Wire
from hwqnn.gates.text import named

_LUT_INPUTS = 6


@dataclass(frozen=True)
class Count:
    """What is counted: y[p] = sum of weights[m] over all m whose label is step * lanes + p.

    Attributes:
        weights: at least 0, one for each member.
        label_bits: of a label; member m's lies at bit m * label_bits of x_i.
        lanes: classes at a time.
        fold: steps; the number of the step is w_i, of as many bits as it needs, at least one.
        sum_bits: of a class's votes; holds the sum of all weights.
    """

    weights: tuple[int, ...]
    label_bits: int
    lanes: int
    fold: int
    sum_bits: int

    @property
    def step_bits(self) -> int:
        return max(1, (self.fold - 1).bit_length())


def votes(count: Count, budget_ns: float) -> Datapath:
    """The datapath: each match of a label and a class is a LUT or a few, and those of a class are the bits of a heap (`BitHeap`).

    Args:
        budget_ns: logic delay allowed between registers.
    """
    n = Netlist(budget_ns)
    x, w = n.input("x_i", len(count.weights) * count.label_bits), n.input("w_i", count.step_bits)
    heaps = [BitHeap(n) for _ in range(count.lanes)]
    for m, weight in enumerate(count.weights):
        label = x[m * count.label_bits : (m + 1) * count.label_bits]
        for heap, match in zip(heaps, _matches(n, count, label, w if count.fold > 1 else ()), strict=True):
            for column in range(weight.bit_length()):
                if weight >> column & 1:
                    heap.add(column, match)
    n.output("sum_o", [wire for heap in heaps for wire in heap.sum(count.sum_bits)])
    title = f"Votes of {len(count.weights)} members for {count.lanes} of {count.lanes * count.fold} classes.\n{n.counted}"
    module = named("votes", n.verilog("@", _behaviour(count), title))
    return Datapath(module[0], len(x), len(w), count.lanes * count.sum_bits, n.depth, (module,), (), n.cells, n.longest)


def _matches(n: Netlist, count: Count, label: Sequence[Wire], step: Sequence[Wire]) -> list[Wire]:
    """For each lane, whether the label is its class."""
    inputs, wide = [*label, *step], len(label) + len(step) > _LUT_INPUTS
    if wide:
        return [_equal(n, label, _class(n, count, step, p)) for p in range(count.lanes)]

    def function(lane: int) -> int:
        return sum((i % (1 << len(label)) == (i >> len(label)) * count.lanes + lane) << i for i in range(1 << len(inputs)))

    found: list[Wire] = []
    if len(inputs) < _LUT_INPUTS:  # two lanes a LUT
        for p in range(0, count.lanes - 1, 2):
            found += n.lut2(function(p), function(p + 1), inputs)
    return found + [n.lut(function(p), inputs) for p in range(len(found), count.lanes)]


def _class(n: Netlist, count: Count, step: Sequence[Wire], lane: int) -> list[Wire]:
    """The number of a lane's class, lowest bit first."""
    classes = [s * count.lanes + lane for s in range(1 << len(step))]
    return [lookup(n, step, [c >> bit & 1 for c in classes]) for bit in range(count.label_bits)]


def _equal(n: Netlist, a: Sequence[Wire], b: Sequence[Wire]) -> Wire:
    """Three bits of each in the first LUT, two and what came before in each of the others."""
    result = n.lut(_same(min(3, len(a))), [*a[:3], *b[:3]])
    for start in range(3, len(a), 2):
        bits = len(a[start : start + 2])
        table = _same(bits)
        result = n.lut(sum((table >> i & 1) << (2 * i + 1) for i in range(1 << 2 * bits)), [result, *a[start : start + 2], *b[start : start + 2]])
    return result


def _same(bits: int) -> int:
    return tables.table(2 * bits, lambda values: values[:bits] == values[bits:])


def _behaviour(count: Count) -> str:
    """Portable text that drives `sum`."""
    bits, label = count.sum_bits, count.label_bits
    weights = sum(weight << m * bits for m, weight in enumerate(count.weights))
    number = f"32'(w_i) * 32'd{count.lanes} + 32'(p)" if count.fold > 1 else "32'(p)"
    return f"""  localparam logic [{len(count.weights) * bits - 1}:0] WEIGHTS = {len(count.weights) * bits}'h{weights:x};
  logic [{bits - 1}:0] lane;
  always_comb begin
    for (int p = 0; p < {count.lanes}; p++) begin
      lane = '0;
      for (int m = 0; m < {len(count.weights)}; m++) begin
        if (32'(x_i[m*{label}+:{label}]) == {number}) lane = lane + WEIGHTS[m*{bits}+:{bits}];
      end
      sum[p*{bits}+:{bits}] = lane;
    end
  end
"""
