"""rtl/channel_affine.sv under cocotb, with random factors and addends, the extreme ones among them."""

from random import Random

from bench_runner import run_bench
from streams import pack

# PE, FOLD, VECTORS, WIDTH, SIGNED, MUL_BITS, ADD_BITS
GRID = ((1, 1, 1, 1, 0, 2, 2), (1, 10, 1, 9, 1, 8, 14), (5, 2, 3, 7, 0, 6, 3), (2, 3, 4, 4, 1, 12, 30), (2, 1, 6, 5, 1, 3, 9))


def make(pe, fold, vectors, width, sign, mul_bits, add_bits):
    """A case and its ROM words."""
    random = Random(f"{pe} {fold} {width}")
    channels = pe * fold

    def numbers(bits):
        return [
            random.choice((-(1 << (bits - 1)), (1 << (bits - 1)) - 1, random.randrange(-(1 << (bits - 1)), 1 << (bits - 1)))) for _ in range(channels)
        ]

    mul, add = numbers(mul_bits), numbers(add_bits)
    out_bits = max(width + 1 + mul_bits, add_bits) + 1
    case = {"PE": pe, "FOLD": fold, "VECTORS": vectors, "WIDTH": width, "SIGNED": sign}
    case |= {"MUL_BITS": mul_bits, "ADD_BITS": add_bits, "OUT_BITS": out_bits}
    roms = {
        "MUL_FILE": [pack(mul[i : i + pe], mul_bits) for i in range(0, channels, pe)],
        "ADD_FILE": [pack(add[i : i + pe], add_bits) for i in range(0, channels, pe)],
    }
    return case | {"mul": mul, "add": add}, roms


def test_channel_affine(tmp_path, monkeypatch):
    cases, roms = zip(*(make(*row) for row in GRID), strict=True)
    widths = [(c["PE"] * c["WIDTH"], c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(tmp_path, monkeypatch, "channel_affine", list(cases), widths, list(roms))
