"""rtl/mvu.sv under cocotb: all folding extremes, all kinds of operands, every way to end."""

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


def make(pe, simd, nf, sf, x_kind, x_bits, w_kind, w_bits, levels, base, step, out_bits):
    random = Random(f"{pe} {simd} {nf} {sf} {levels}")
    outputs, inputs = pe * nf, simd * sf
    x_values, w_values = values(x_kind, x_bits), values(w_kind, w_bits)
    weights = [random.choices(w_values, k=inputs) for _ in range(outputs)]
    sums = [sum(w * x for w, x in zip(row, random.choices(x_values, k=inputs), strict=True)) for row in weights for _ in range(20)]
    thresholds = [sorted(random.randint(min(sums) - 1, max(sums) + 1) for _ in range(levels)) for _ in range(outputs)]

    # The unit counts agreements p when all is bipolar: 2p - inputs >= t becomes p >= ceil((t + inputs) / 2).
    binary = x_kind == w_kind == BIPOLAR
    inner = [[-((-t - inputs) // 2) if binary else t for t in row] for row in thresholds]
    start = -((inputs + 1) // 2) if binary and levels == 0 else 0
    init = [-row[0] for row in inner] if levels == 1 else [start] * outputs
    reach = inputs if binary else inputs * max(abs(w * x) for w in w_values for x in (x_values[0], x_values[-1]))
    acc_bits = signed_bits(min(init) - (0 if binary else reach), max(init) + reach)
    t_bits = acc_bits + 1
    if not binary:
        init = [i - sum(excess(x_kind, x_bits, w_kind, w_bits, w) for w in row) for i, row in zip(init, weights, strict=True)]

    def code(w):
        return (w + 1) // 2 if w_kind == BIPOLAR else w

    roms = {
        "WEIGHT_FILE": [
            pack([code(w) for p in range(pe) for w in weights[n * pe + p][s * simd : (s + 1) * simd]], w_bits) for n in range(nf) for s in range(sf)
        ],
        "INIT_FILE": [pack([i % (1 << acc_bits) for i in row], acc_bits) for row in rows_of(init, pe)],
    }
    if levels > 1:
        roms["THRESHOLD_FILE"] = search_words(rows_of(inner, pe), levels, t_bits)
    case = {"PE": pe, "SIMD": simd, "NF": nf, "SF": sf, "X_BITS": x_bits, "X_KIND": x_kind, "W_BITS": w_bits, "W_KIND": w_kind}
    case |= {"ACC_BITS": acc_bits, "LEVELS": levels, "T_BITS": t_bits, "BASE": base, "STEP": step}
    case |= {"OUT_BITS": out_bits or acc_bits + binary, "weights": weights, "thresholds": thresholds}
    return case, roms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("grid", [BINARY, INTEGER], ids=["binary", "integer"])
def test_mvu(grid, form, tmp_path, monkeypatch):
    cases, roms = zip(*(make(*row) for row in grid), strict=True)
    widths = [(c["SIMD"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "mvu", list(cases), widths, list(roms), form=form)
