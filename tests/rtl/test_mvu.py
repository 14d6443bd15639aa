"""rtl/mvu.sv under cocotb: all folding extremes, all kinds of operands, both kinds of multipliers, every way to end, groups and padding."""

from math import ceil
from random import Random

import pytest
from bench_runner import FORMS, run_bench
from streams import pack
from test_threshold import rows_of, search_words

BIPOLAR, UNSIGNED, SIGNED = range(3)

# PE, SIMD, NF, SF, X_KIND, X_BITS, W_KIND, W_BITS, LEVELS, BASE, STEP, OUT_BITS (0: the sum's own)
BINARY = (
    (1, 1, 1, 1, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1),
    (1, 7, 1, 3, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1),
    (4, 16, 2, 5, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1),
    (1, 64, 10, 1, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1),
    (3, 5, 3, 7, BIPOLAR, 1, BIPOLAR, 1, 0, 0, 1, 0),
    (1, 8, 10, 8, BIPOLAR, 1, BIPOLAR, 1, 0, 0, 1, 0),
    (2, 33, 1, 2, BIPOLAR, 1, BIPOLAR, 1, 3, 0, 1, 2),
    (2, 3, 17, 1, BIPOLAR, 1, BIPOLAR, 1, 7, -3, 1, 4),
)
INTEGER = (
    (1, 1, 2, 1, UNSIGNED, 8, BIPOLAR, 1, 1, 0, 1, 1),
    (2, 6, 2, 3, SIGNED, 4, SIGNED, 2, 2, -1, 1, 2),
    (3, 4, 1, 4, BIPOLAR, 1, SIGNED, 3, 0, 0, 1, 0),
    (1, 5, 4, 2, UNSIGNED, 2, UNSIGNED, 2, 3, 0, 1, 2),
    (2, 2, 2, 2, SIGNED, 8, SIGNED, 8, 255, -128, 1, 8),
    (2, 3, 3, 2, UNSIGNED, 3, BIPOLAR, 1, 0, 0, 1, 0),
)
# the same, then groups, rows, columns, kinds of rows and of columns, DSP
CONVOLUTION = (
    (2, 6, 1, 3, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1, 1, 4, 3, (3, 3), 0),
    (1, 5, 2, 2, BIPOLAR, 1, BIPOLAR, 1, 0, 0, 1, 0, 1, 3, 3, (2, 3), 0),
    (2, 3, 2, 3, BIPOLAR, 1, BIPOLAR, 1, 3, 0, 1, 2, 2, 2, 4, (2, 2), 0),
    (1, 4, 1, 1, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1, 3, 2, 2, (1, 1), 0),
    (3, 2, 1, 4, BIPOLAR, 1, SIGNED, 3, 1, 0, 1, 1, 1, 3, 3, (3, 3), 0),
    (1, 3, 3, 2, BIPOLAR, 1, SIGNED, 2, 5, 0, 1, 3, 2, 1, 4, (1, 3), 0),
    (2, 2, 2, 2, SIGNED, 4, SIGNED, 3, 0, 0, 1, 0, 2, 2, 3, (1, 1), 0),
    (1, 2, 1, 3, UNSIGNED, 2, BIPOLAR, 1, 3, 0, 1, 2, 5, 1, 2, (1, 1), 0),
)
MULTIPLIERS = (
    (2, 1, 3, 5, UNSIGNED, 8, SIGNED, 8, 0, 0, 1, 0, 1, 1, 1, (1, 1), 1),
    (2, 3, 1, 4, SIGNED, 5, SIGNED, 4, 3, 0, 1, 2, 1, 3, 2, (1, 1), 1),
    (1, 2, 2, 2, UNSIGNED, 8, BIPOLAR, 1, 1, 0, 1, 1, 2, 2, 2, (1, 1), 1),
    (1, 1, 2, 7, BIPOLAR, 1, SIGNED, 8, 0, 0, 1, 0, 1, 2, 3, (2, 2), 1),
    (2, 4, 1, 1, SIGNED, 8, UNSIGNED, 6, 7, -4, 1, 3, 1, 1, 1, (1, 1), 1),
)


def values(kind, bits):
    """All the numbers that a code of this kind can mean."""
    return ((-1, 1), range(1 << bits), range(-(1 << (bits - 1)), 1 << (bits - 1)))[kind]


def signed_bits(low, high):
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


def excess(x_kind, x_bits, w_kind, w_bits, w):
    """What an element adds beyond w * x, by the table at the head of rtl/dot_product.sv: the same for every x."""
    top = 2 if x_kind == BIPOLAR else (1 << x_bits) - 1

    def added(x):
        shifted = x + (1, 0, 1 << (x_bits - 1))[x_kind]
        return ((shifted if w > 0 else top - shifted), w * shifted, w * shifted + (top << (w_bits - 1)))[w_kind]

    (constant,) = {added(x) - w * x for x in values(x_kind, x_bits)}
    return constant


def make(
    pe, simd, nf, sf, x_kind, x_bits, w_kind, w_bits, levels, base, step, out_bits, groups=1, rows=1, columns=1, kinds=(1, 1), dsp=0, ones=False
):
    """A case and its ROM words.

    There are `rows` * `columns` pixels, and `kinds` of rows and of columns, each pair with padding of its own; `ones` makes all weights 1.
    """
    random = Random(f"{pe} {simd} {nf} {sf} {levels} {groups} {rows}")
    outputs, inputs = groups * pe * nf, simd * sf
    x_values, w_values = values(x_kind, x_bits), [1] if ones else values(w_kind, w_bits)
    weights = [random.choices(w_values, k=inputs) for _ in range(outputs)]
    sums = [sum(w * x for w, x in zip(row, random.choices(x_values, k=inputs), strict=True)) for row in weights for _ in range(20)]
    thresholds = [sorted(random.randint(min(sums) - 1, max(sums) + 1) for _ in range(levels)) for _ in range(outputs)]

    row_kinds, column_kinds = ([random.randrange(k) for _ in range(n)] for k, n in zip(kinds, (rows, columns), strict=True))
    padding = [[i for i in range(inputs) if random.random() < 0.4] if max(kinds) > 1 else [] for _ in range(kinds[0] * kinds[1])]
    # What each sum lacks in each place, for padding is code 0: only a bipolar 0 means something else, -1.
    missing = [[sum(row[i] for i in taps) if x_kind == BIPOLAR else 0 for row in weights] for taps in padding]

    # The unit counts agreements p when all is bipolar: 2p - inputs + missing is the sum. It adds 2p where that is not all the same even or odd.
    binary = x_kind == w_kind == BIPOLAR
    double = int(binary and levels != 1 and len(padding) > 1)
    inner = [[ceil((t + inputs) / 2) if binary and not double else t for t in row] for row in thresholds]
    reach = inputs if binary else inputs * max(abs(w * x) for w in w_values for x in (x_values[0], x_values[-1]))
    if levels == 1:
        starts = [[-ceil((row[0] + inputs - m) / 2) if binary else -row[0] for row, m in zip(thresholds, lacks, strict=True)] for lacks in missing]
    else:
        starts = [[-((inputs + 1) // 2) if binary and not double and levels == 0 else 0] * outputs for _ in missing]
    everything = [s for row in starts for s in row]
    acc_bits = signed_bits(min(everything) - (0 if binary and not double else reach), max(everything) + reach)
    t_bits = acc_bits + 1
    inits = starts
    if not binary or double:
        constant = [inputs if double else 0 if dsp else sum(excess(x_kind, x_bits, w_kind, w_bits, w) for w in row) for row in weights]
        inits = [[s + m - c for s, m, c in zip(row, lacks, constant, strict=True)] for row, lacks in zip(starts, missing, strict=True)]

    def code(w):
        return (w + 1) // 2 if w_kind == BIPOLAR else w

    roms = {
        "WEIGHT_FILE": [
            pack([code(w) for p in range(pe) for w in weights[n * pe + p][s * simd : (s + 1) * simd]], w_bits)
            for n in range(groups * nf)
            for s in range(sf)
        ],
        "INIT_FILE": [pack([i % (1 << acc_bits) for i in lanes], acc_bits) for row in inits for lanes in rows_of(row, pe)],
    }
    if levels > 1:
        roms["THRESHOLD_FILE"] = search_words(rows_of(inner, pe), levels, t_bits)
    if len(padding) > 1:
        roms["ROW_FILE"] = [kind * kinds[1] * groups * nf for kind in row_kinds]
        roms["COLUMN_FILE"] = [kind * groups * nf for kind in column_kinds]
    case = {"PE": pe, "SIMD": simd, "NF": nf, "SF": sf, "GROUPS": groups, "VECTORS": rows * columns * groups, "CLASSES": len(padding)}
    case |= {"COLUMNS": columns, "X_BITS": x_bits, "X_KIND": x_kind, "W_BITS": w_bits, "W_KIND": w_kind, "ACC_BITS": acc_bits, "DOUBLE": double}
    case |= {"DSP": dsp, "LEVELS": levels, "T_BITS": t_bits, "BASE": base, "STEP": step, "OUT_BITS": out_bits or acc_bits + (binary and not double)}
    case |= {"weights": weights, "thresholds": thresholds}
    case["padded"] = [padding[r * kinds[1] + c] for r in row_kinds for c in column_kinds]
    return case, roms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grid", [BINARY, INTEGER, CONVOLUTION], ids=["binary", "integer", "convolution"])
def test_mvu(grid, form, tmp_path, monkeypatch):
    cases, roms = zip(*(make(*row) for row in grid), strict=True)
    widths = [(c["SIMD"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "mvu", list(cases), widths, list(roms), form=form)


def test_mvu_of_multipliers(tmp_path, monkeypatch):
    """These have one form."""
    test_mvu(MULTIPLIERS, "portable", tmp_path, monkeypatch)
