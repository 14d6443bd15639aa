"""Layers whose weights are logic: all outputs of a matrix with fixed weights at once, thresholds inside, as a pipelined netlist."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hwqnn.dataflow.design import Datapath, Resources
from hwqnn.gates.delay import LUT
from hwqnn.gates.frozen_heap import compress
from hwqnn.gates.frozen_lookup import at_least, lookup, rank
from hwqnn.gates.frozen_plan import Plan, Terms, compression_luts, count_luts, digits, plan
from hwqnn.gates.netlist import ONE, ZERO, Netlist, Wire
from hwqnn.gates.remembered import remembered


@dataclass(frozen=True)
class Forms:
    """The outputs of a frozen layer. Output o is sum of weights[o][i] * x[i] + constants[k][o], k being the value of w_i, or where there are
    thresholds codes[how many of thresholds[o] that has reached].

    Attributes:
        weights: (outputs, inputs).
        x_bits: of an input; `lowest` is the value of each input's least bit pattern, in ascending order of the values, and `step` between two.
        signed: the inputs' patterns are two's complement.
        constants: (kinds of positions, outputs).
        thresholds: (outputs, levels), each row ascending; empty rows for none.
        codes: (levels + 1,) bit patterns.
        out_bits: of an output; a sum is cut to so many.
    """

    weights: tuple[tuple[int, ...], ...]
    x_bits: int
    lowest: int
    step: int
    signed: bool
    constants: tuple[tuple[int, ...], ...]
    thresholds: tuple[tuple[int, ...], ...]
    codes: tuple[int, ...]
    out_bits: int

    @property
    def address_bits(self) -> int:
        """Of w_i."""
        return max(1, (len(self.constants) - 1).bit_length())

    @property
    def levels(self) -> int:
        return len(self.codes) - 1


@cache
def planned(forms: Forms) -> Plan:
    """How the sums are made: of inputs that count from 0."""
    weights = np.array(forms.weights, dtype=np.int64)
    return plan(weights, [(1 << forms.x_bits) - 1] * weights.shape[1])


@cache
def frozen(forms: Forms, budget_ns: float) -> Datapath:
    """The layer as a datapath: x_i all inputs, w_i the kind of position, sum_o all outputs, element 0 lowest."""
    inputs, outputs = len(forms.weights[0]), len(forms.weights)
    n = Netlist(budget_ns)
    x = n.input("x_i", inputs * forms.x_bits, late_ns=LUT)  # that chooses what a FIFO shows
    w = n.input("w_i", forms.address_bits)
    builder = _Builder(n, forms, planned(forms), x, w)
    n.output("sum_o", [wire for o in range(outputs) for wire in builder.output(o)])
    key = hashlib.sha256(repr((forms, budget_ns)).encode()).hexdigest()[:12]
    name = f"frozen_{key}"
    title = f"{outputs} fixed linear forms of {inputs} inputs, {forms.levels} thresholds each."
    text = n.verilog(name, _behaviour(forms), title)
    return Datapath(name, len(x), len(w), outputs * forms.out_bits, n.depth, ((name, text),), (), n.cells)


_CHEAP = 1 << 13
"""Weights that are built in half a second: no need to guess then."""


def estimate(forms: Forms, budget_ns: float) -> Resources:
    """The cells of `frozen`: exactly for small layers; within about a tenth of the LUTs, and a third of the rest, without building large ones."""
    return _estimate(forms, budget_ns)[0]


@remembered
def _estimate(forms: Forms, budget_ns: float) -> tuple[Resources, int]:
    """The cells, and at least how deep it is."""
    if sum(weight != 0 for row in forms.weights for weight in row) <= _CHEAP:
        made = frozen(forms, budget_ns)
        return made.cells, made.depth
    sums = planned(forms)
    luts = 5.0 * len(sums.rows)
    for s in sums.sums:
        heights = sums.columns(s.terms)
        luts += count_luts(heights[0]) if len(heights) == 1 else float(compression_luts(np.array(sum(heights)), np.array(s.most.bit_length())))
    luts *= _LARGER
    return Resources(lut=luts, ff=luts * (2.9 if budget_ns < 4 else 1.2), carry4=0.33 * luts), 1


_LARGER = 1.06  # built / estimated, of large layers at 100 to 200 MHz


_TABLE = 8  # bits of a sum whose code is looked up; a wider one is compared with its thresholds, which takes fewer LUTs


class _Builder:
    """Wires of a plan's numbers and of the outputs."""

    def __init__(self, n: Netlist, forms: Forms, made: Plan, x: list[Wire], w: list[Wire]) -> None:
        self.n, self.forms, self.plan, self.w = n, forms, made, w
        b = forms.x_bits
        top = [_not(n, x[i + b - 1]) if forms.signed else x[i + b - 1] for i in range(0, len(x), b)]
        self.numbers = [[*x[k * b : k * b + b - 1], top[k]] for k in range(len(made.inputs))]
        self.uses = Counter(number for terms in [s.terms for s in made.sums] + [terms for terms, _ in made.rows] for _, number in terms)
        self.kept: dict[int, list[Wire]] = {}

    def number(self, index: int) -> list[Wire]:
        """A number's bits, lowest first."""
        if index < len(self.numbers):
            return self.numbers[index]
        if index not in self.kept:
            made = self.plan.sums[index - len(self.numbers)]
            self.kept[index] = self.sum(made.terms, made.offset, made.most.bit_length())
        return self.kept[index]

    def sum(self, terms: Terms, constant: int, bits: int, extra: Sequence[Wire] = ()) -> list[Wire]:
        """(terms + constant + extra) modulo 2**bits."""
        columns: list[list[Wire]] = [[] for _ in range(bits)]
        for coefficient, index in terms:
            for digit in digits(coefficient):
                shift = abs(digit).bit_length() - 1
                for column, wire in enumerate(self.number(index)[: max(0, bits - shift)], shift):
                    columns[column].append(wire if digit > 0 else _not(self.n, wire))
                if digit < 0:  # -x is its complement + 1 - 2**bits
                    constant += digit * ((1 << len(self.number(index))) - 1)
        for column, wire in enumerate(extra[:bits]):
            columns[column].append(wire)
        return compress(self.n, columns, constant % (1 << bits))

    def output(self, o: int) -> list[Wire]:
        """The bits of output o."""
        forms = self.forms
        terms, constant = self.plan.rows[o]
        lift = forms.lowest * sum(forms.weights[o])
        terms = tuple((forms.step * c, number) for c, number in terms)
        constants = [forms.step * constant + lift + kind[o] for kind in forms.constants]
        if not forms.levels:
            return self.with_constants(terms, constants, forms.out_bits)
        factor = math.gcd(*(c for c, _ in terms)) or 1
        if forms.levels == 1:
            # g * sum + c >= t is sum + floor((c - t) / g) >= 0
            reached = self.reached(tuple((c // factor, number) for c, number in terms), [(c - forms.thresholds[o][0]) // factor for c in constants])
            return [lookup(self.n, [reached], [code >> bit & 1 for code in forms.codes]) for bit in range(forms.out_bits)]
        if any((c - constants[0]) % factor for c in constants):
            factor = 1
        terms = tuple((c // factor, number) for c, number in terms)
        thresholds = [-((constants[0] - t) // factor) for t in forms.thresholds[o]]
        lo, hi = self.range(terms)
        constants = [(c - constants[0]) // factor for c in constants]
        lo, hi = lo + min(constants), hi + max(constants)
        width = max(1, (hi - lo).bit_length())
        value = self.with_constants(terms, [c - lo for c in constants], width)
        if width <= _TABLE:
            counts = np.searchsorted(thresholds, np.arange(1 << width) + lo, side="right")
            return [lookup(self.n, value, [forms.codes[k] >> bit & 1 for k in counts]) for bit in range(forms.out_bits)]
        count = rank(self.n, value, [threshold - lo for threshold in thresholds])
        codes = [*forms.codes, *[0] * ((1 << len(count)) - len(forms.codes))]
        return [lookup(self.n, count, [code >> bit & 1 for code in codes]) for bit in range(forms.out_bits)]

    def range(self, terms: Terms) -> tuple[int, int]:
        """The least and the greatest value of a form, or a little beyond."""
        ends = [c * self.plan.most(number) for c, number in terms]
        return sum(min(0, end) for end in ends), sum(max(0, end) for end in ends)

    def with_constants(self, terms: Terms, constants: Sequence[int], bits: int) -> list[Wire]:
        """(terms + the constant that w_i chooses) modulo 2**bits."""
        least = min(constants)
        extra = [self.chosen([c - least >> bit & 1 for c in constants]) for bit in range((max(constants) - least).bit_length())]
        return self.sum(terms, least, bits, extra)

    def chosen(self, table: Sequence[int]) -> Wire:
        """The entry of `table` at address w_i."""
        return lookup(self.n, self.w, [*table, *[table[-1]] * ((1 << len(self.w)) - len(table))])

    def reached(self, terms: Terms, constants: Sequence[int]) -> Wire:
        """Whether terms + the constant that w_i chooses is at least 0."""
        lo, hi = self.range(terms)
        lo, hi = lo + min(constants), hi + max(constants)
        if lo >= 0 or hi < 0:
            return ONE if lo >= 0 else ZERO
        if len(set(constants)) == 1:
            if len(terms) == 1:
                coefficient, index = terms[0]
                bits = self.number(index)
                return lookup(self.n, bits, [int(coefficient * value + constants[0] >= 0) for value in range(1 << len(bits))])
            if len(terms) == 2:
                for a, b in (terms, terms[::-1]):
                    if abs(a[0]) == 1 and abs(b[0]) <= 2:
                        return self.compared(a, b, constants[0])
        return _not(self.n, self.with_constants(terms, constants, _signed_bits(lo, hi))[-1])

    def compared(self, a: tuple[int, int], b: tuple[int, int], constant: int) -> Wire:
        """Whether a + b + constant is at least 0, for a = +-number and b = +-number or +-2 * number.

        The constant and half of a's number's lowest bit go to where they cost little: into the heap of b's number (if it has no other reader), and
        the chain's carry input.
        """
        greater, factor = a[0] > 0, abs(b[0])
        sign = -1 if (b[0] > 0) == greater else 1
        # number_a >= factor * (sign * number_b + shift) + rest, or number_a <= that
        shift, rest = divmod(-constant if greater else constant, factor)
        terms: Terms = ((sign, b[1]),)
        lo, hi = self.range(terms)
        lo, hi = lo + shift, hi + shift
        if self.uses[b[1]] == 1 and b[1] >= len(self.numbers):
            made = self.plan.sums[b[1] - len(self.numbers)]
            terms, shift = tuple((sign * c, number) for c, number in made.terms), shift + sign * made.offset
        number = self.number(a[1])
        cin = ONE
        if factor == 2:
            low, *number = number
            if greater == (rest == 1):  # a >= 2 * r + 1, or a <= 2 * r
                cin = low if greater else _not(self.n, low)
        width = max(_signed_bits(lo, hi), len(number) + 1) if lo < 0 else max(hi.bit_length(), len(number))
        first, second = [*number, *[ZERO] * (width - len(number))], self.sum(terms, shift, width)
        if lo < 0:
            first[-1], second[-1] = ONE, _not(self.n, second[-1])
        return at_least(self.n, *((first, second) if greater else (second, first)), cin)


def _signed_bits(lo: int, hi: int) -> int:
    return max(lo.bit_length() if lo >= 0 else (-lo - 1).bit_length(), hi.bit_length()) + 1


def _not(n: Netlist, wire: Wire) -> Wire:
    return n.lut(0b01, [wire])


def _behaviour(forms: Forms) -> str:
    """The layer's definition in portable SystemVerilog: planes of input bits that have the same coefficient are counted together."""
    lines = [
        "  /* verilator lint_off UNUSEDSIGNAL */ logic signed [31:0] y; /* verilator lint_on UNUSEDSIGNAL */",
        "  always_comb begin",
        "    y = '0;",
    ]
    for o, weights in enumerate(forms.weights):
        masks: Counter[int] = Counter()
        for i, weight in enumerate(weights):
            for bit in range(forms.x_bits):
                negative = forms.signed and bit == forms.x_bits - 1
                masks[(-1 if negative else 1) * forms.step * weight << bit] += 1 << (i * forms.x_bits + bit)
        lift = sum(weights) * (forms.lowest if not forms.signed else 0)
        constants = [f"{kind[o] + lift}" for kind in forms.constants]
        chosen = "".join(f"w_i == {k} ? {c} : " for k, c in enumerate(constants[:-1])) + constants[-1]
        x_bits = len(weights) * forms.x_bits
        counts = "".join(f" + {c} * 32'($countones(x_i & {x_bits}'h{mask:x}))" for c, mask in sorted(masks.items()) if c)
        lines.append(f"    y = ({chosen}){counts};")
        if forms.levels:
            codes = [f"{forms.out_bits}'d{code}" for code in forms.codes]
            value = "".join(f"y >= {t} ? {code} : " for t, code in list(zip(forms.thresholds[o], codes[1:], strict=True))[::-1]) + codes[0]
        else:
            value = f"{forms.out_bits}'(y)"
        lines.append(f"    sum[{o * forms.out_bits}+:{forms.out_bits}] = {value};")
    return "\n".join([*lines, "  end"])
