"""rtl/threshold.sv under cocotb: thresholds and flip bits per channel or shared by all steps, one comparison to eight."""

from random import Random

from bench_runner import run_bench
from streams import pack

# PE, FOLD, VECTORS, WIDTH, SIGNED, LEVELS, FLIP, BASE, STEP, OUT_BITS, ROWS
GRID = (
    (1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 1),
    (4, 7, 1, 8, 0, 1, 1, 0, 1, 1, 1),
    (3, 4, 1, 8, 1, 2, 1, -1, 1, 2, 4),
    (2, 5, 3, 6, 0, 3, 1, 0, 1, 2, 5),
    (1, 3, 4, 12, 1, 7, 0, -7, 2, 4, 1),
    (2, 17, 1, 9, 1, 6, 1, -3, 1, 3, 17),
    (2, 2, 5, 9, 0, 255, 1, -128, 1, 8, 2),
)


def rows_of(table, lanes):
    return [table[i : i + lanes] for i in range(0, len(table), lanes)]


def search_words(rows, levels, bits):
    """ROM words of the binary search: each lane's thresholds, filled up to a power of two with the greatest value."""
    unreachable = (1 << (bits - 1)) - 1
    entries = 1 << levels.bit_length()
    return [pack([t for lane in row for t in lane + [unreachable] * (entries - levels)], bits) for row in rows]


def make(pe, fold, vectors, width, sign, levels, flip, base, step, out_bits, rows):
    random = Random(f"{pe} {fold} {width} {levels}")
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if sign else (0, (1 << width) - 1)
    t_bits = width + 2
    # equal neighbours, the lowest value (always reached) and one past the highest (never) are all legal thresholds
    thresholds = [sorted(random.randint(low, high + 1) for _ in range(levels)) for _ in range(pe * rows)]
    flips = [random.randint(0, 1) for _ in range(pe * rows)]
    case = {"PE": pe, "FOLD": fold, "VECTORS": vectors, "WIDTH": width, "SIGNED": sign, "LEVELS": levels, "T_BITS": t_bits, "FLIP": flip}
    case |= {"BASE": base, "STEP": step, "OUT_BITS": out_bits, "ROWS": rows, "thresholds": thresholds, "flip": flips}
    roms = {"THRESHOLD_FILE": search_words(rows_of(thresholds, pe), levels, t_bits)}
    if flip:
        roms["FLIP_FILE"] = [pack(row, 1) for row in rows_of(flips, pe)]
    return case, roms


def test_threshold(tmp_path, monkeypatch):
    cases, roms = zip(*(make(*row) for row in GRID), strict=True)
    widths = [(c["PE"] * c["WIDTH"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "threshold", list(cases), widths, list(roms))
