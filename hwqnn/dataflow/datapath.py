"""The products of a matrix block as a datapath: in LUTs, by hwqnn/gates, or in DSP48s, by `rtl/products_dsp.sv` and `rtl/sums_dsp.sv`."""

from __future__ import annotations

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.cost import adder_carry4
from hwqnn.dataflow.delays import BLOCK, MULTIPLY
from hwqnn.dataflow.design import Datapath, Resources, Store
from hwqnn.dataflow.pack import kind
from hwqnn.gates import delay
from hwqnn.gates.products import MOST_DIRECT, Lanes, fused, fused_cost, variable, variable_cost
from hwqnn.ir import Bipolar, Type

_CHAIN = 3
"""Products that DSP48E1s add among themselves (`rtl/products_dsp.sv`)."""


def step_bits(product: Product, simd: int, x: Type, w: Type, acc_bits: int) -> int:
    """Bits of the sum of `simd` products, no more than the accumulator's: unsigned in LUTs (hwqnn/gates/products.py); those of DSPs,
    signed, have all of them."""
    if product is Product.DSP:
        return acc_bits
    if isinstance(x, Bipolar) and isinstance(w, Bipolar):
        most = simd
    else:
        x_max = 2 if isinstance(x, Bipolar) else (1 << x.bits) - 1
        w_max = 1 if isinstance(w, Bipolar) else (1 << w.bits) - 1
        most = simd * x_max * w_max
    return min(most.bit_length(), acc_bits)


def make_datapath(product: Product, lanes: Lanes, words: tuple[int, ...], budget_ns: float) -> Datapath:
    """The datapath.

    Args:
        words: of weights, to be fused with the products; empty where they come from outside.
        budget_ns: logic delay allowed between registers.
    """
    if product is Product.DSP:
        return _dsp(lanes)
    return fused(lanes, words, budget_ns) if words else variable(lanes, budget_ns)


def datapath_cost(product: Product, store: Store, lanes: Lanes, words: int, budget_ns: float) -> tuple[Resources, int]:
    """Cells and depth of what `make_datapath` makes, for so many words of weights: exact for lanes of up to `_EXACT` products of bits
    (`_EXACT_FUSED`).

    Wider lanes are counted as that much more of one of so many, for the solver asks for all widths: a heap of bits takes about as many LUTs for each,
    within 3 % from 128 bits to 3,000 (and flip-flops, within 20 %). The depth is then no more than a lower bound.
    """
    if product is Product.DSP:
        made = _dsp(lanes)
        return made.cells, made.depth
    fused = store is Store.FUSED
    simd = min(lanes.simd, max(1, (_EXACT_FUSED if fused else _EXACT) // (lanes.x_type.bits * lanes.w_type.bits)))
    bits = step_bits(product, simd, lanes.x_type, lanes.w_type, lanes.sum_bits)
    cells, depth = _lane_cost(fused, Lanes(1, simd, lanes.x_type, lanes.w_type, True, bits), words, budget_ns)
    return cells * (lanes.pe * lanes.simd / simd), depth


_EXACT = 512
_EXACT_FUSED = 128
"""Their heaps take longer to plan."""


def _lane_cost(in_luts: bool, lane: Lanes, words: int, budget_ns: float) -> tuple[Resources, int]:
    """Of one lane, its weights from elsewhere or in its LUTs."""
    if in_luts and words <= MOST_DIRECT:
        return fused_cost(lane, 1 << (words - 1).bit_length(), budget_ns)
    cells, depth = variable_cost(lane, budget_ns)
    return (cells + Resources(lut=-(-lane.lane_w_bits // 2)) if in_luts else cells), depth  # a LUT reads two bits of the words


def source_ns(store: Store) -> float:
    """How much later than a register's output the operands may be there without a register of their own: a few inputs come through some logic,
    weights in block RAM through its output."""
    return BLOCK - delay.CLOCK_TO_OUT if store is Store.BRAM else 2 * delay.LUT


def needs_register(product: Product, store: Store, lanes: Lanes, words: int, budget_ns: float) -> bool:
    """Whether operands get a register of their own: not where everything, with what lies before, fits between two registers."""
    rest = budget_ns - source_ns(store)
    if product is Product.DSP:
        return rest < delay.CLOCK_TO_OUT + MULTIPLY
    return datapath_cost(product, store, lanes, words, rest)[1] > 1


def _product_bits(x: Type, w: Type) -> int:
    """Of the product of two signed numbers that hold these."""
    return sum(of.bits + (kind(of) != 2) for of in (x, w))


def sums_beside(product: Product, simd: int) -> bool:
    """Whether the datapath holds the accumulators too: a DSP48 for each."""
    return product is Product.DSP and simd == 1


def _dsp(lanes: Lanes) -> Datapath:
    """Of `rtl/sums_dsp.sv`, or of `rtl/products_dsp.sv`, where the DSP48s add up to `_CHAIN` products and a tree of adders the rest."""
    x, w, several = lanes.x_type, lanes.w_type, lanes.simd > 1
    parameters = {
        "PE": lanes.pe,
        **({"SIMD": lanes.simd} if several else {"SHARED": int(lanes.shared)}),
        "X_BITS": x.bits,
        "X_KIND": kind(x),
        "W_BITS": w.bits,
        "W_KIND": kind(w),
        "SUM_BITS": lanes.sum_bits,
    }
    chain = min(_CHAIN, lanes.simd)
    terms, depth = -(-lanes.simd // chain), chain + several
    bits = min(_product_bits(x, w) + (chain - 1).bit_length(), lanes.sum_bits)
    lane = Resources(dsp=lanes.simd)
    while terms > 1:
        bits, depth = min(bits + 1, lanes.sum_bits) if terms > 2 else lanes.sum_bits, depth + 1
        lane += Resources(lut=bits, carry4=adder_carry4(bits)) * (terms // 2)
        terms = (terms + 1) // 2
        lane += Resources(ff=bits * terms)
    start = 0 if several else lanes.pe * lanes.sum_bits + 2
    return Datapath(
        module="products_dsp" if several else "sums_dsp",
        x_bits=(1 if lanes.shared else lanes.pe) * lanes.simd * x.bits,
        w_bits=lanes.pe * lanes.simd * w.bits + start,
        sum_bits=lanes.pe * lanes.sum_bits,
        depth=depth,
        texts=(),
        parameters=tuple(parameters.items()),
        cells=lane * lanes.pe,
    )
