"""What the matrix blocks compute, from nothing but their types, parameters and ROM words, as docs/architecture.md says; sums wrap as wires do."""

from __future__ import annotations

from collections.abc import Sequence

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.matrix_block import MatrixBlock
from hwqnn.dataflow.mvu import Mvu
from hwqnn.dataflow.pack import kind
from hwqnn.ir import Bipolar


def field(word: int, index: int, bits: int) -> int:
    return word >> (index * bits) & ((1 << bits) - 1)


def signed(pattern: int, bits: int) -> int:
    pattern &= (1 << bits) - 1
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


def operand(pattern: int, bits: int, kind: int) -> int:
    return (2 * pattern - 1, pattern, signed(pattern, bits))[kind]


def element(block: MatrixBlock, pattern: int, value: int) -> int:
    """What the pattern of a weight and an input's value add to the accumulator."""
    x, w = block.beat_in.type, block.matrix.weight_type
    weight = operand(pattern, w.bits, kind(w))
    if kind(x) == kind(w) == 0:
        return int(weight == value) << block.parameters["DOUBLE"]
    if block.product is Product.DSP:
        return weight * value
    most = 2 if kind(x) == 0 else 2**x.bits - 1
    shifted = value + (1, 0, 2 ** (x.bits - 1))[kind(x)]
    if kind(w) == 0:
        return shifted if weight > 0 else most - shifted
    return weight * shifted + (2 ** (w.bits - 1) * most if kind(w) == 2 else 0)


def search(value: int, word: int, lane: int, levels: int, bits: int) -> int:
    """Counts the thresholds reached; the entries past LEVELS are checked to be the greatest pattern, and unreached but for the last, which is never
    compared."""
    size = 1 << levels.bit_length()
    entries = [signed(field(word, lane * size + e, bits), bits) for e in range(size)]
    assert entries == sorted(entries)
    assert all(e == 2 ** (bits - 1) - 1 for e in entries[levels:])
    assert all(value < e for e in entries[levels:-1])
    return sum(value >= e for e in entries[:levels])


def output(block: MatrixBlock, pixel: int, row: int, lane: int, terms: Sequence[tuple[int, int]]) -> int:
    """The value that lane `lane` gives for the set `row` of outputs, after these (weight pattern, input value) terms."""
    p, memories = block.parameters, block.memories
    acc_bits, levels, out_bits = p["ACC_BITS"], p["LEVELS"], p["OUT_BITS"]
    address = row
    if p["CLASSES"] > 1:
        down, across = divmod(pixel, p["COLUMNS"])
        address += memories["ROW_FILE"].words[down] + memories["COLUMN_FILE"].words[across]
    acc = signed(field(memories["INIT_FILE"].words[address], lane, acc_bits), acc_bits)
    for pattern, value in terms:
        acc = signed(acc + element(block, pattern, value), acc_bits)
    if levels == 0:
        assert p["ODD"] == len(terms) % 2
        return signed(2 * acc + p["ODD"] if out_bits > acc_bits else acc, out_bits)
    count = int(acc >= 0) if levels == 1 else search(acc, memories["THRESHOLD_FILE"].words[row], lane, levels, p["T_BITS"])
    raw = (p["BASE"] + p["STEP"] * count) % 2**out_bits
    of = block.beat_out.type
    return 2 * raw - 1 if isinstance(of, Bipolar) else signed(raw, out_bits) if of.min < 0 else raw


def run_mvu(block: Mvu, frame: Sequence[Sequence[int]]) -> list[int]:
    """Output values of a frame of vectors."""
    p, words, simd, w_bits = block.parameters, block.weights.words, block.simd, block.matrix.weight_type.bits
    outputs = []
    assert len(frame) == p["VECTORS"] and p["X_BITS"] == simd * block.beat_in.type.bits
    for number, x in enumerate(frame):
        pixel, group = divmod(number, p["GROUPS"])
        for nf in range(p["NF"]):
            row = group * p["NF"] + nf
            for lane in range(p["PE"]):
                terms = [(field(words[row * p["SF"] + sf], lane * simd + s, w_bits), x[sf * simd + s]) for sf in range(p["SF"]) for s in range(simd)]
                outputs.append(output(block, pixel, row, lane, terms))
    return outputs


def run_depthwise(block: Depthwise, frame: Sequence[Sequence[int]]) -> list[int]:
    """Output values of a frame of beats."""
    p, words, w_bits = block.parameters, block.weights.words, block.matrix.weight_type.bits
    outputs = []
    taps, fold = p["SF"], p["GROUPS"]
    assert len(frame) == p["VECTORS"] * taps and len(words) == p["W_WORDS"]
    for tile in range(p["VECTORS"]):
        pixel, row = divmod(tile, fold)
        for lane in range(p["PE"]):
            terms = [(field(words[(row * taps + k) % len(words)], lane, w_bits), frame[tile * taps + k][lane]) for k in range(taps)]
            outputs.append(output(block, pixel, row, lane, terms))
    return outputs


def excess(x_kind: int, x_bits: int, w_kind: int, w_bits: int, w: int) -> int:
    """What an element adds beyond w * x, by the table at the head of hwqnn/gates/products.py: the same for every x."""
    top = 2 if x_kind == 0 else (1 << x_bits) - 1

    def added(x: int) -> int:
        shifted = x + (1, 0, 1 << (x_bits - 1))[x_kind]
        return ((shifted if w > 0 else top - shifted), w * shifted, w * shifted + (top << (w_bits - 1)))[w_kind]

    (constant,) = {added(x) - w * x for x in ((-1, 1), range(1 << x_bits), range(-(1 << (x_bits - 1)), 1 << (x_bits - 1)))[x_kind]}
    return constant
