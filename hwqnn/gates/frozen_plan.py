"""How to compute many fixed linear forms of the same numbers with few additions: a straight line program of sums.

Equal columns are added once. A group of k rows with entries +1 and -1 has at most 2**(k-1) different columns up to sign, however many there are:
so the inputs are first counted class by class, and the k rows are forms of the counts (Lupanov's decomposition of a rectifier network, 1956, the
"method of four Russians"; between filters of binary convolutions it is known as filter repetition). The rows of a group are then split again, and
rows that are left together are computed from one of them: y_i = +-y_r + 2 * (the columns in which they differ), of which there are at most half.
Weights of several bits are canonical signed digits first, a row for each digit; zeros are in no class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

Terms = tuple[tuple[int, int], ...]
"""(coefficient, number) pairs: a linear form of numbers."""


@dataclass(frozen=True)
class Sum:
    """The number offset + sum of coefficient * number, which is at least 0 and at most `most`. The offset is just what taking complements instead of
    negative numbers adds, so that nothing is built for it."""

    terms: Terms
    offset: int
    most: int


@dataclass(frozen=True)
class Plan:
    """Numbers 0 to len(inputs) - 1 are the inputs, which are from 0 to `inputs[i]`; each sum is the next number.

    Attributes:
        rows: each output as a form of numbers, and a constant.
    """

    inputs: tuple[int, ...]
    sums: tuple[Sum, ...]
    rows: tuple[tuple[Terms, int], ...]

    def most(self, number: int) -> int:
        """The greatest value of a number."""
        return self.inputs[number] if number < len(self.inputs) else self.sums[number - len(self.inputs)].most

    def columns(self, terms: Terms) -> list[int]:
        """How many bits a sum of `terms` has in each column."""
        heights: list[int] = []
        for coefficient, number in terms:
            for digit in digits(coefficient):
                top = abs(digit).bit_length() - 1 + self.most(number).bit_length()
                heights += [0] * (top - len(heights))
                for column in range(abs(digit).bit_length() - 1, top):
                    heights[column] += 1
        return heights


def digits(value: int) -> list[int]:
    """The canonical signed digits of `value`: powers of two with signs, no two neighbours (Reitwiesner 1960)."""
    found, power = [], 1
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            found.append(digit * power)
            value -= digit
        value >>= 1
        power *= 2
    return found


def compression_luts(bits: np.ndarray, result: np.ndarray) -> np.ndarray:
    """About how many LUTs add `bits` bits of several columns up to `result` bits: counters take away two bits a LUT, and an adder is left."""
    return np.where(bits > result, 0.5 * bits + 1, 0.0)


def count_luts(bits: int) -> float:
    """The same for bits of one column."""
    return 0.5 * bits - 0.25 * bits.bit_length() if bits > 1 else 0.0


def plan(matrix: np.ndarray, most: Sequence[int]) -> Plan:
    """A plan of matrix @ x for 0 <= x <= most.

    Args:
        matrix: int64 (outputs, inputs).
        most: (inputs,), each input's greatest value.
    """
    expanded = [(row, int(p), plane) for row, weights in enumerate(matrix) for p, plane in _planes(weights)]
    rows = np.array([plane for _, _, plane in expanded], dtype=np.int64).reshape(len(expanded), matrix.shape[1])
    program = _Program(tuple(int(m) for m in most))
    forms = program.forms(rows)
    outputs: list[tuple[list[tuple[int, int]], int]] = [([], 0) for _ in matrix]
    for (row, power, _), (terms, constant) in zip(expanded, forms, strict=True):
        old, total = outputs[row]
        outputs[row] = (old + [(power * c, number) for c, number in terms], total + power * constant)
    return Plan(program.inputs, tuple(program.sums), tuple((tuple(terms), constant) for terms, constant in outputs))


def _planes(weights: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """(power of two, entries -1, 0 and +1) of each signed digit that occurs."""
    planes: dict[int, np.ndarray] = {}
    for i, weight in enumerate(weights.tolist()):
        for digit in digits(weight):
            planes.setdefault(abs(digit), np.zeros(len(weights), dtype=np.int64))[i] = math.copysign(1, digit)
    return sorted(planes.items())


_LARGEST_GROUP = 8  # 128 classes; more rows share less than they add


@dataclass(frozen=True, eq=False)
class _Node:
    """Rows that share their classes of columns.

    Attributes:
        classes: (signs, columns) of each class, most of the signs positive.
        rows: int64 (rows, classes), entries -1, 0, +1.
        halves: two nodes that go on from the classes, or none.
        order: where there are no halves, (row, reference, sign) one after another: the row is sign times the reference and the rest.
        luts: estimated.
    """

    classes: tuple[tuple[np.ndarray, np.ndarray], ...]
    rows: np.ndarray
    halves: tuple[_Node, ...]
    order: tuple[tuple[int, int, int], ...]
    luts: float


def _node(rows: np.ndarray, most: np.ndarray) -> _Node:
    """The best node for `rows`, int64 (rows, columns), of columns from 0 to `most`."""
    used = np.flatnonzero(rows.any(axis=0))
    pattern = rows[:, used]
    lead = pattern[(pattern != 0).argmax(axis=0), np.arange(len(used))]
    kinds, kind = np.unique(pattern * lead, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    bits, classes, counts = _bits(most), [], np.zeros(kinds.shape[1], dtype=np.int64)
    luts = 0.0
    for c in range(kinds.shape[1]):
        members = np.flatnonzero(kind == c)
        sign = 1 if lead[members].sum() >= 0 else -1
        kinds[:, c] *= sign
        classes.append((sign * lead[members], used[members]))
        counts[c] = most[used[members]].sum()
        if most[used[members]].max() == 1:
            luts += count_luts(len(members))
        else:
            luts += float(compression_luts(bits[used[members]].sum(), np.asarray(int(counts[c]).bit_length())))
    order, leaf = _order(kinds, counts)
    halves: tuple[_Node, ...] = ()
    if len(rows) > _LEAF:
        middle = (len(rows) + 1) // 2
        split = _node(kinds[:middle], counts), _node(kinds[middle:], counts)
        if (apart := sum(half.luts for half in split)) < leaf:
            halves, leaf = split, apart
    return _Node(tuple(classes), kinds, halves, order, luts + leaf)


_LEAF = 3  # rows that are computed from one of them at once
_REACHED = 2.0  # LUTs that compare a number of ten bits with a constant
_COMPARE = 8.0  # and with another number and a constant


def _order(rows: np.ndarray, most: np.ndarray) -> tuple[tuple[tuple[int, int, int], ...], float]:
    """(`_Node.order`, LUTs) from the best reference."""
    bits = _bits(most)
    luts = np.zeros((len(rows), len(rows), 3))  # of a row, by reference and 1 + sign
    for sign in (-1, 0, 1):
        rest = rows[:, None, :] - sign * rows[None, :, :]
        rest = np.where((rest % 2).any(axis=2, keepdims=True), rest, rest // 2)
        total, result = (rest != 0) @ bits, _bits(np.abs(rest) @ most)
        luts[:, :, 1 + sign] = compression_luts(total, result) + (_COMPARE if sign else _REACHED)
    alone = luts[:, :, 1].diagonal()
    best: tuple[float, tuple[tuple[int, int, int], ...]] = (math.inf, ())
    for r in range(len(rows)):
        signs = luts[:, r, :].argmin(axis=1) - 1
        signs[r] = 0
        total = float(alone[r]) + sum(float(luts[i, r, 1 + s]) for i, s in enumerate(signs) if i != r)
        if total < best[0]:
            best = total, ((r, r, 0), *((i, r, int(s)) for i, s in enumerate(signs) if i != r))
    return best[1], best[0]


def _bits(most: np.ndarray) -> np.ndarray:
    return np.ceil(np.log2(most + 1)).astype(np.int64)


def _groupings(rows: int) -> Iterator[list[list[int]]]:
    """Ways to put rows into groups of about equal size: neighbours, which share much where they are digits of one output with few different weights;
    or from all over the matrix."""
    for size in range(1, min(_LARGEST_GROUP, max(1, rows)) + 1):
        count = -(-rows // size)
        yield [list(range(rows))[start::count] for start in range(count)]
        if 1 < size < rows:
            yield [list(range(start, min(rows, start + size))) for start in range(0, rows, size)]


@dataclass(eq=False)
class _Program:
    inputs: tuple[int, ...]
    sums: list[Sum] = field(default_factory=list)
    known: dict[Terms, int] = field(default_factory=dict)

    def most(self, number: int) -> int:
        return self.inputs[number] if number < len(self.inputs) else self.sums[number - len(self.inputs)].most

    def forms(self, rows: np.ndarray) -> list[tuple[Terms, int]]:
        """Each of `rows` (entries -1, 0 and +1) as a form of numbers."""
        items, most = np.arange(len(self.inputs)), np.array(self.inputs)
        groups = min(_groupings(len(rows)), key=lambda groups: sum(_node(rows[g], most).luts for g in groups))
        forms = [form for group in groups for form in self._emit(_node(rows[group], most), items)]
        order = [row for group in groups for row in group]
        return [form for _, form in sorted(zip(order, forms, strict=True))]

    def _emit(self, node: _Node, items: np.ndarray) -> list[tuple[Terms, int]]:
        numbers, constants = [], []
        for signs, members in node.classes:
            number, _, constant = self._add(tuple((int(s), int(items[m])) for s, m in zip(signs, members, strict=True)))
            numbers.append(number)
            constants.append(constant)
        shift = node.rows @ np.array(constants, dtype=np.int64) if numbers else np.zeros(len(node.rows), dtype=np.int64)
        forms = [form for half in node.halves for form in self._emit(half, np.array(numbers))] or self._leaf(node, numbers)
        return [(terms, constant + int(s)) for (terms, constant), s in zip(forms, shift, strict=True)]

    def _leaf(self, node: _Node, numbers: list[int]) -> list[tuple[Terms, int]]:
        forms: dict[int, tuple[Terms, int]] = {}
        for row, reference, sign in node.order:
            form = node.rows[row] - (sign * node.rows[reference] if sign else 0)
            factor = 2 if not (form % 2).any() else 1
            number, direction, constant = self._add(tuple((int(c) // factor, n) for c, n in zip(form, numbers, strict=True) if c))
            terms: Terms = ((direction * factor, number),) if number >= 0 else ()
            constant *= factor
            if sign:
                base, start = forms[reference]
                terms, constant = tuple((sign * c, n) for c, n in base) + terms, constant + sign * start
            forms[row] = (terms, constant)
        return [forms[row] for row in range(len(node.rows))]

    def _add(self, terms: Terms) -> tuple[int, int, int]:
        """(number, sign, constant) with sign * number + constant = the form. The number -1 stands for no terms at all."""
        if not terms:
            return -1, 1, 0
        if len(terms) == 1 and abs(terms[0][0]) == 1:
            return terms[0][1], terms[0][0], 0
        sign = 1 if sum(c > 0 for c, _ in terms) * 2 >= len(terms) else -1
        terms = tuple(sorted((sign * c, n) for c, n in terms))
        ranges = [(c, (1 << self.most(n).bit_length()) - 1 if c < 0 else self.most(n)) for c, n in terms]
        offset = sum(-c * top for c, top in ranges if c < 0)
        if terms not in self.known:
            self.known[terms] = len(self.inputs) + len(self.sums)
            self.sums.append(Sum(terms, offset, sum(abs(c) * top for c, top in ranges)))
        return self.known[terms], sign, -sign * offset
