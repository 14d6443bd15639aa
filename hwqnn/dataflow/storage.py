"""What 7-series memories cost: LUT RAM, shift registers and block RAM, as yosys 0.70 infers them (UG473 and UG474 give the shapes)."""

from __future__ import annotations

_RAMB18 = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
"""The shapes of a RAMB18E1, bits and words; a RAMB36E1 is twice as deep, or at its widest twice as wide."""


def lut_ram(bits: int, words: int) -> int:
    """LUTs of a RAM: four make 32 words of six bits (RAM32M), or 64 of three (RAM64M). Banks of these want enables, and a multiplexer: one LUT
    for three more banks; of more than twelve, yosys makes one for every two."""
    if words <= 32:
        return -(-bits // 6) * 4
    banks = -(-words // 64)
    return -(-bits // 3) * 4 * banks + bits * (-(-(banks - 1) // 3) if banks <= 12 else banks // 2) + banks * (banks > 1)


def single_port_ram(bits: int, words: int) -> int:
    """LUTs of a RAM that reads where it writes: a LUT holds 32 words of two bits (RAM32M, eight in four LUTs), or 64 of one (RAM64X1S); four
    of these are joined for free, more want a multiplexer and enables."""
    if words <= 32:
        return -(-bits // 8) * 4
    banks = -(-words // 64)
    joined = banks + -(-(-(-banks // 4) - 1) // 3) + (banks == 3)
    return bits * joined + (0 if banks in (1, 2, 4) else banks)


def shift_registers(bits: int, steps: int) -> int:
    """LUTs that keep `bits` for `steps`: a LUT holds 32 of a bit (SRLC32E); yosys leaves one or two in flip-flops."""
    return bits * -(-steps // 32) if steps > 2 else 0


def block_ram(bits: int, words: int) -> tuple[float, int]:
    """BRAM36s of a RAM or ROM (a RAMB18E1 is half of one), and LUTs behind them.

    Words that are too many for a RAM's depth lie side by side in one wide word of it, and a multiplexer chooses among these banks by the upper
    address bits: so the count is ceil(bits * banks / width) in the shape that takes the fewest, with banks = ceil(words / depth). A LUT6 chooses
    a bit among four banks.
    """
    count, banks = min((-(-bits * -(-words // deep) // wide) * size, -(-words // deep)) for size, wide, deep in _shapes())
    return count, bits * -(-(banks - 1) // 3)


def _shapes() -> list[tuple[float, int, int]]:
    """Size in BRAM36s, bits and words."""
    return [(0.5, wide, deep) for wide, deep in _RAMB18] + [(1.0, 72, 512), *((1.0, wide, 2 * deep) for wide, deep in _RAMB18)]
