"""What the matrix blocks compute, from nothing but their parameters and ROM words, read as docs/architecture.md says; sums wrap as wires do."""

from __future__ import annotations

from collections.abc import Sequence

from hwqnn.dataflow.depthwise import Depthwise
from hwqnn.dataflow.mvu import Mvu
from hwqnn.ir import Bipolar


def field(word: int, index: int, bits: int) -> int:
    return word >> (index * bits) & ((1 << bits) - 1)


def signed(pattern: int, bits: int) -> int:
    pattern &= (1 << bits) - 1
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


def operand(pattern: int, bits: int, kind: int) -> int:
    return (2 * pattern - 1, pattern, signed(pattern, bits))[kind]


def element(weight: int, value: int, p: dict[str, int]) -> int:
    """What one weight and one input add to the accumulator."""
    if p["X_KIND"] == p["W_KIND"] == 0:
        return int(weight == value) << p["DOUBLE"]
    if p["DSP"]:
        return weight * value
    most = 2 if p["X_KIND"] == 0 else 2 ** p["X_BITS"] - 1
    shifted = value + (1, 0, 2 ** (p["X_BITS"] - 1))[p["X_KIND"]]
    if p["W_KIND"] == 0:
        return shifted if weight > 0 else most - shifted
    return weight * shifted + (2 ** (p["W_BITS"] - 1) * most if p["W_KIND"] == 2 else 0)


def search(value: int, word: int, lane: int, levels: int, bits: int) -> int:
    """Counts the thresholds reached; the entries past LEVELS are checked to be the greatest pattern and unreached."""
    size = 1 << levels.bit_length()
    entries = [signed(field(word, lane * size + e, bits), bits) for e in range(size)]
    assert entries == sorted(entries)
    assert all(e == 2 ** (bits - 1) - 1 and value < e for e in entries[levels:])
    return sum(value >= e for e in entries[:levels])


def output(block: Mvu | Depthwise, pixel: int, row: int, lane: int, terms: Sequence[tuple[int, int]]) -> int:
    """The value that lane `lane` gives for the set `row` of outputs, after these (weight pattern, input value) terms."""
    p, memories = block.parameters, block.memories
    acc_bits, levels, out_bits = p["ACC_BITS"], p["LEVELS"], p["OUT_BITS"]
    address = row
    if p["CLASSES"] > 1:
        down, across = divmod(pixel, p["COLUMNS"])
        address += memories["ROW_FILE"].words[down] + memories["COLUMN_FILE"].words[across]
    acc = signed(field(memories["INIT_FILE"].words[address], lane, acc_bits), acc_bits)
    for weight, value in terms:
        acc = signed(acc + element(operand(weight, p["W_BITS"], p["W_KIND"]), value, p), acc_bits)
    if levels == 0:
        agreements = p["X_KIND"] == p["W_KIND"] == 0 and not p["DOUBLE"]
        return signed(2 * acc + len(terms) % 2 if agreements else acc, out_bits)
    count = int(acc >= 0) if levels == 1 else search(acc, memories["THRESHOLD_FILE"].words[row], lane, levels, p["T_BITS"])
    raw = (p["BASE"] + p["STEP"] * count) % 2**out_bits
    of = block.beat_out.type
    return 2 * raw - 1 if isinstance(of, Bipolar) else signed(raw, out_bits) if of.min < 0 else raw


def run_mvu(block: Mvu, frame: Sequence[Sequence[int]]) -> list[int]:
    """Output values of a frame of vectors."""
    p, words = block.parameters, block.memories["WEIGHT_FILE"].words
    outputs = []
    assert len(frame) == p["VECTORS"]
    for number, x in enumerate(frame):
        pixel, group = divmod(number, p["GROUPS"])
        for nf in range(p["NF"]):
            row = group * p["NF"] + nf
            for lane in range(p["PE"]):
                terms = [
                    (field(words[row * p["SF"] + sf], lane * p["SIMD"] + s, p["W_BITS"]), x[sf * p["SIMD"] + s])
                    for sf in range(p["SF"])
                    for s in range(p["SIMD"])
                ]
                outputs.append(output(block, pixel, row, lane, terms))
    return outputs


def run_depthwise(block: Depthwise, frame: Sequence[Sequence[int]]) -> list[int]:
    """Output values of a frame of beats."""
    p, words = block.parameters, block.memories["WEIGHT_FILE"].words
    outputs = []
    taps, fold = p["TAPS"], p["FOLD"]
    assert len(frame) == p["VECTORS"] * fold * taps and len(words) == p["W_WORDS"]
    for tile in range(p["VECTORS"] * fold):
        pixel, row = divmod(tile, fold)
        for lane in range(p["PE"]):
            terms = [(field(words[(row * taps + k) % len(words)], lane, p["W_BITS"]), frame[tile * taps + k][lane]) for k in range(taps)]
            outputs.append(output(block, pixel, row, lane, terms))
    return outputs
