"""rtl/depthwise.sv under cocotb: convolutions with padding, thresholds and multipliers of every kind; average pools, whose weights are one word."""

from bench_runner import run_bench
from test_mvu import BIPOLAR, SIGNED, UNSIGNED, make

# PE, FOLD, TAPS, X_KIND, X_BITS, W_KIND, W_BITS, LEVELS, BASE, STEP, OUT_BITS (0: the sum's own), rows, columns, kinds of rows and of columns, DSP
GRID = (
    (1, 1, 1, UNSIGNED, 1, BIPOLAR, 1, 1, 0, 1, 1, 1, 1, (1, 1), 0),
    (3, 2, 9, BIPOLAR, 1, BIPOLAR, 1, 1, 0, 1, 1, 3, 3, (3, 3), 0),
    (2, 3, 4, BIPOLAR, 1, BIPOLAR, 1, 0, 0, 1, 0, 2, 3, (2, 2), 0),
    (2, 1, 3, BIPOLAR, 1, BIPOLAR, 1, 0, 0, 1, 0, 2, 2, (1, 1), 0),
    (4, 2, 3, SIGNED, 4, SIGNED, 4, 15, -8, 1, 4, 2, 2, (1, 1), 0),
    (1, 5, 2, UNSIGNED, 8, BIPOLAR, 1, 3, 0, 1, 2, 1, 5, (1, 1), 0),
    (2, 2, 5, BIPOLAR, 1, SIGNED, 2, 2, 0, 1, 2, 1, 4, (1, 3), 0),
    (2, 2, 6, SIGNED, 8, SIGNED, 8, 0, 0, 1, 0, 2, 2, (1, 1), 1),
    (3, 1, 9, UNSIGNED, 8, SIGNED, 5, 1, 0, 1, 1, 3, 1, (1, 1), 1),
)
# PE, FOLD, TAPS, X_KIND, X_BITS, LEVELS, OUT_BITS, pixels
AVERAGES = ((3, 2, 4, UNSIGNED, 4, 0, 0, 4), (1, 3, 9, SIGNED, 3, 3, 2, 2), (4, 1, 49, BIPOLAR, 1, 1, 1, 1))


def convolution(pe, fold, taps, x_kind, x_bits, w_kind, w_bits, levels, base, step, out_bits, rows, columns, kinds, dsp, ones=False):
    """A depthwise convolution has the ROMs of a matrix with as many inputs as taps, one of them a step."""
    operands = (x_kind, x_bits, w_kind, w_bits)
    case, roms = make(pe, 1, fold, taps, *operands, levels, base, step, out_bits, rows=rows, columns=columns, kinds=kinds, dsp=dsp, ones=ones)
    for name in ("SIMD", "GROUPS"):
        del case[name]
    if ones:
        del roms["WEIGHT_FILE"][1:]
    return case | {"FOLD": case.pop("NF"), "TAPS": case.pop("SF"), "W_WORDS": len(roms["WEIGHT_FILE"])}, roms


def average(pe, fold, taps, x_kind, x_bits, levels, out_bits, pixels):
    """A sum of all taps: each has a weight of one unsigned bit, which is 1."""
    return convolution(pe, fold, taps, x_kind, x_bits, UNSIGNED, 1, levels, 0, 1, out_bits, pixels, 1, (1, 1), 0, ones=True)


def test_depthwise(tmp_path, monkeypatch):
    """What has two forms is the same as in the mvu, whose bench runs both."""
    cases, roms = zip(*(convolution(*row) for row in GRID), *(average(*row) for row in AVERAGES), strict=True)
    widths = [(c["PE"] * c["X_BITS"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "depthwise", list(cases), widths, list(roms), form="xc7")
