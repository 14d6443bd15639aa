"""What 7-series memories cost: LUT RAM, shift registers and block RAM, as yosys 0.70 infers them (UG473 and UG474 give the shapes)."""

from __future__ import annotations

from hwqnn.resources import Resources

_RAMB18 = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
"""The shapes of a RAMB18E1, bits and words; a RAMB36E1 is twice as deep, or at its widest twice as wide."""


def lut_ram(bits: int, words: int) -> int:
    """LUTs of `rtl/lut_ram.sv`: four make 32 words of six bits (RAM32M), or 64 of three (RAM64M); several banks want an enable each, and
    multiplexers."""
    banks, last = -(-words // 64), (words - 1) % 64 + 1
    deep, shallow = -(-bits // 3) * 4, -(-bits // 6) * 4
    return deep * (banks - 1) + (shallow if last <= 32 else deep) + choose_luts(bits, banks) + banks * (banks > 1)


def choose_luts(bits: int, words: int) -> int:
    """LUTs of `rtl/choose.sv`: a LUT6 for four words of a bit, what joins four of these lies beside them; two words share LUTs."""
    if words <= 1:
        return 0
    if words == 2:
        return -(-bits // 2)
    if words <= 16:
        return bits * -(-words // 4)
    slices, rest = divmod(words, 16)
    return slices * choose_luts(bits, 16) + choose_luts(bits, rest) + choose_luts(bits, slices + (rest > 0))


def single_port_ram(bits: int, words: int) -> int:
    """LUTs of a RAM that reads where it writes: a LUT holds 32 words of two bits (RAM32M, eight in four LUTs). Else a bit takes RAMs of one, two or
    four LUTs, of 64 words each (RAM64X1S, RAM128X1S, RAM256X1S); several want enables, and for three more a LUT that chooses."""
    if words <= 32:
        return -(-bits // 8) * 4
    luts, rams = min((-(-words // (64 * size)) * size + -(-(-(-words // (64 * size)) - 1) // 3), -(-words // (64 * size))) for size in (1, 2, 4))
    return bits * luts + (rams if rams > 1 else 0)


def shift_registers(bits: int, steps: int) -> int:
    """LUTs that keep `bits` for `steps`: a LUT holds 32 of a bit (SRLC32E); yosys leaves one or two in flip-flops."""
    return bits * -(-steps // 32) if steps > 2 else 0


_BYTE = 9
"""Bits of the pieces that wide words are cut into."""
_PRICES = {0.5: 129.0, 1.0: 257.0}
"""Of a RAMB18E1 and a RAMB36E1, in yosys' library; a bit of a multiplexer counts `_MUX_PRICE` for each bank but one (`memory_libmap.cc`)."""
_MUX_PRICE = 0.5
_MUX_LUTS = (0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 2.0, 5.0, 5.0, 4.2, 4.0, 5.2, 5.0, 5.0, 4.0, 7.5)
"""LUTs of a bit's multiplexer among so many banks."""


def block_ram(bits: int, words: int) -> Resources:
    """A RAM or ROM in block RAM, with what chooses among its banks; a RAMB18E1 is half a BRAM36.

    Words that are too many for a RAM's depth make several banks. Of each bank the words are cut into pieces of at most nine bits, and pieces of
    all banks fill the RAMs' width side by side. Of all shapes yosys takes the one of least price.
    """
    ramb36, banks = _cheapest(bits, words)
    if banks == 1:
        return Resources(bram36=ramb36)
    luts = _MUX_LUTS[banks] if banks < len(_MUX_LUTS) else banks / 2
    return Resources(lut=bits * luts + banks, ff=(banks - 1).bit_length(), bram36=ramb36)


def block_ram_banks(bits: int, words: int) -> int:
    """Of the same."""
    return _cheapest(bits, words)[1]


def _cheapest(bits: int, words: int) -> tuple[float, int]:
    """BRAM36 and banks."""
    _, ramb36, banks = min(
        (count * _PRICES[size] + _MUX_PRICE * bits * (banks - 1), size * count, banks)
        for size, wide, deep in _shapes()
        for banks in [-(-words // deep)]
        for count in [-(-banks * -(-bits // min(wide, _BYTE)) * min(wide, _BYTE) // wide)]
    )
    return ramb36, banks


def _shapes() -> list[tuple[float, int, int]]:
    """Size in BRAM36s, bits and words."""
    return [(0.5, wide, deep) for wide, deep in _RAMB18] + [(1.0, 72, 512), *((1.0, wide, 2 * deep) for wide, deep in _RAMB18)]
