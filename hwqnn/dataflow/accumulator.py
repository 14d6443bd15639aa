"""What the sums of a matrix start from, are compared with, and how wide they are: the same for every folding of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.pack import kind
from hwqnn.ir import Bipolar, Threshold, Type, smallest


class Product(StrEnum):
    """How few-bit numbers are multiplied.

    Attributes:
        PLANES: bit plane by bit plane in LUTs, `hwqnn/gates/products.py`; agreements counted where all is bipolar.
        DSP: a DSP48 for each product.
    """

    PLANES = "planes"
    DSP = "dsp"


@dataclass(frozen=True, eq=False)
class Accumulator:
    """The accumulator in the hardware's own counting.

    When inputs and weights are bipolar the hardware counts agreements, p = popcount of XNOR, for the sum of products 2p - N. Padding that is
    bit 0 counts as -1 and leaves a different even or odd sum at each kind of position: then it adds 2p (`doubled`), unless a start value per
    position and a sign are all there is to it.

    Attributes:
        init: int64 (kinds of positions, out), the value before the first product, up to a multiple of 2**bits and what `plane_excess` tells.
        thresholds: int64 (out, levels) to compare the sum with; None when its sign or itself is the result.
        doubled: agreements count twice.
        bits: signed width. Only the final value must fit: partial sums may wrap, for two's complement addition forgives it.
        lo, hi: the final value's range over all channels.
    """

    init: np.ndarray
    thresholds: np.ndarray | None
    doubled: bool
    bits: int
    lo: int
    hi: int


def accumulator(matrix: Matrix, threshold: Threshold | None, x: Type) -> Accumulator:
    """The accumulator of a layer with inputs of type `x`, from the ranges that its weights really make."""
    n, missing = matrix.inputs, matrix.missing(x)
    levels = threshold.levels if threshold is not None else 0
    table = np.broadcast_to(threshold.thresholds, (matrix.outputs, levels)) if threshold is not None else None
    bipolar = counts_agreements(matrix, x)
    doubled = bipolar and levels != 1 and bool(missing.any())
    if bipolar and not doubled:
        lo, hi = np.zeros(matrix.outputs, dtype=np.int64), np.full(matrix.outputs, n)
        if levels == 1:
            assert table is not None
            start, table = (-(table[:, 0] + n - missing)) // 2, None  # 2p - n + missing >= t is p >= ceil((t + n - missing) / 2)
        elif table is not None:
            start, table = np.zeros_like(missing), -((-table - n) // 2)
        else:
            start = np.full_like(missing, -((n + 1) // 2))
        init = start
    else:
        lo, hi = matrix.op.channel_range(x)
        start = np.zeros_like(missing)
        if levels == 1:
            assert table is not None
            start, table = start - table[:, 0], None
        init = start + missing - n * doubled
    least, most = int((lo + start).min()), int((hi + start).max())
    return Accumulator(init, table, doubled, smallest(min(least, -1), most).bits, least, most)


def counts_agreements(matrix: Matrix, x: Type) -> bool:
    """Whether products are XNORs."""
    return isinstance(x, Bipolar) and isinstance(matrix.weight_type, Bipolar)


def plane_excess(matrix: Matrix, x: Type) -> np.ndarray:
    """What `hwqnn/gates/products.py` sums beyond each output's dot product, int64 (out,); it depends on the weights alone.

    An element adds w * x' plus: for signed w, 2**(W_BITS-1) * max; for negative bipolar w, max. And x' is x plus an offset.
    """
    w, w_type = matrix.weight, matrix.weight_type
    offset, most = {0: (1, 2), 1: (0, (1 << x.bits) - 1), 2: (1 << (x.bits - 1), (1 << x.bits) - 1)}[kind(x)]
    added = {0: (w < 0) * most, 1: np.zeros_like(w), 2: np.full_like(w, most << (w_type.bits - 1))}[kind(w_type)]
    return (w * offset + added).sum(axis=2).reshape(-1)


_DSP_WIDTHS = (18, 25)  # of a DSP48E1's operands, signed (UG479)
_LEAST_DSP_PRODUCT = 9  # bits; yosys builds smaller ones from LUTs


def products(matrix: Matrix, x: Type) -> tuple[Product, ...]:
    """The styles that this layer can be built in. What is multiplied by a bit is no product for a DSP48, nor is one that sums so small cut short."""
    one_bit = 1 in (x.bits, matrix.weight_type.bits)
    bits = sorted(of.bits + (kind(of) != 2) for of in (x, matrix.weight_type))
    lo, hi = matrix.op.channel_range(x)
    needed = min(sum(bits), int((hi - lo).max()).bit_length())
    if not one_bit and needed >= _LEAST_DSP_PRODUCT and all(have <= most for have, most in zip(bits, _DSP_WIDTHS, strict=True)):
        return (Product.PLANES, Product.DSP)
    return (Product.PLANES,)
