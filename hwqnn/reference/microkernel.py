"""The sums of products under every convolution and matrix product: a few windows against a vector or two of outputs, all sums in registers.

Written as LLVM vectors, which any processor runs: a product of int16 pairs becomes vpdpwssd or vpmaddwd, a count of ones vpopcntq where there
is one. Each lane has an output of its own, so nothing is summed across lanes (the micro-kernel of Goto and van de Geijn 2008). Sums are exact
modulo 2^32 or 2^64, whatever their order: right wherever the final value fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from hwqnn.kernel import kernel

ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""Windows at a time: two vectors of sums for each fill half of the registers."""

LANES = {np.dtype(np.int16): 16, np.dtype(np.int64): 8, np.dtype(np.uint64): 8}
"""Sums in a vector, by the type of what is multiplied: 512 bits of int32, or of int64."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@kernel
def sums(x, starts, size, at, total, first, runs, weights, vectors, out):  # type: ignore[no-untyped-def]
    """Row i of `out` becomes the sums of window at + i of a batch of maps, position after position, image after image.

    x: the maps one after another, of `size` elements each; int16, int64 or uint64 (packed bits).
    starts: int64 (positions,), where the window of each starts in its map; the batch has `total` windows.
    runs: int64 (runs,), where elements that lie side by side start in a window, and first: int64 (panels,), from which of them on each panel reads.
    weights: of x's dtype. (panels, runs * steps, lanes, elements): a step multiplies `elements` of a run, two of int16 or else one, with those of
        each lane. (panels, runs, lanes): each lane has an element of its own. A product of packed bits is the number of ones of x ^ weight.
    vectors: how many vectors of `LANES` are the lanes of a panel, 1 or 2.
    out: int32, or int64 where x is; (rows, panels * lanes), rows a multiple of `ROWS`. Rows past the last window repeat it.
    """
    rows = np.empty(len(out), np.int64)
    image, position = divmod(at, len(starts))
    for i in range(len(rows)):
        rows[i] = image * size + starts[position]
        if at + i < total - 1:
            position += 1
            if position == len(starts):
                image, position = image + 1, 0
    for t in range(len(weights)):
        for i in range(0, len(rows), ROWS):
            corner = i * out.shape[1] + t * weights.shape[2]
            if vectors == 2:
                _accumulate(x, rows, i, first[t], runs, weights[t], out, corner, 2)
            else:
                _accumulate(x, rows, i, first[t], runs, weights[t], out, corner, 1)


@intrinsic(prefer_literal=True)
def _accumulate(typing: Any, x: Any, rows: Any, row: Any, first: Any, runs: Any, weights: Any, out: Any, corner: Any, vectors: Any) -> Any:
    """One panel's sums of the windows that start at rows[row] + first and the next ones, written to the flat out[corner] and the rows below it."""
    if not all(array.layout == "C" for array in (x, rows, runs, weights, out)):
        raise TypingError("arrays have to be contiguous")
    lanewise = weights.ndim == 2
    lanes = vectors.literal_value * LANES[np.dtype(str(x.dtype))]
    step = 2 if x.dtype.bitwidth == 16 and not lanewise else 1
    element, sum_type = ir.IntType(x.dtype.bitwidth), ir.VectorType(_I32 if x.dtype.bitwidth == 16 else _I64, lanes)
    operand, result = ir.VectorType(element, step * lanes), ir.VectorType(ir.IntType(out.dtype.bitwidth), lanes)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def array(i: int) -> tuple[Any, list[Any]]:
            made = context.make_array(signature.args[i])(context, builder, value=args[i])
            return made.data, cgutils.unpack_tuple(builder, made.shape)

        (maps, _), (places, _), (offsets, (count,)), (panel, (length, *_)), (target, (_, width)) = map(array, (0, 1, 4, 5, 6))
        starts = [builder.add(_at(builder, places, builder.add(args[2], _I64(r))), args[3]) for r in range(ROWS)]
        accumulators = [cgutils.alloca_once_value(builder, ir.Constant(sum_type, None)) for _ in range(ROWS)]
        steps = builder.sdiv(length, count)
        with cgutils.for_range(builder, count) as run:
            offset, before = _at(builder, offsets, run.index), builder.mul(run.index, steps)
            sources = [builder.gep(maps, [builder.add(start, offset)]) for start in starts]
            with cgutils.for_range(builder, steps) as k:
                weight = _vector(builder, panel, builder.mul(builder.add(before, k.index), _I64(step * lanes)), operand)
                for source, accumulator in zip(sources, accumulators, strict=True):
                    index = builder.mul(k.index, _I64(step))
                    values = _vector(builder, source, index, operand) if lanewise else _splat(builder, source, index, operand, lanes)
                    products = _products(builder, values, weight, sum_type, x.dtype.signed)
                    builder.store(builder.add(builder.load(accumulator), products), accumulator)
        for r, accumulator in enumerate(accumulators):
            value = builder.load(accumulator)
            value = value if result == sum_type else builder.trunc(value, result)
            place = builder.gep(target, [builder.add(args[7], builder.mul(width, _I64(r)))])
            builder.store(value, builder.bitcast(place, result.as_pointer()), align=out.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, rows, types.int64, types.int64, runs, weights, out, types.int64, vectors), emit


def _at(builder: Any, data: Any, index: Any) -> Any:
    return builder.load(builder.gep(data, [index]))


def _vector(builder: Any, data: Any, index: Any, of: Any) -> Any:
    """The vector of type `of` whose first element is data[index]."""
    place = builder.bitcast(builder.gep(data, [index]), of.as_pointer())
    return builder.load(place, align=of.element.width // 8)


def _splat(builder: Any, data: Any, index: Any, of: Any, lanes: int) -> Any:
    """A vector of type `of` in which every lane has the same elements: data[index], and the next one where a lane takes two."""
    group = ir.IntType(of.element.width * of.count // lanes)
    groups = ir.VectorType(group, lanes)
    once = builder.load(builder.bitcast(builder.gep(data, [index]), group.as_pointer()), align=of.element.width // 8)
    nothing = ir.Constant(groups, ir.Undefined)
    everywhere = builder.shuffle_vector(builder.insert_element(nothing, once, _I32(0)), nothing, _places([0] * lanes))
    return builder.bitcast(everywhere, of)


def _products(builder: Any, a: Any, b: Any, sum_type: Any, signed: bool) -> Any:
    """What the elements of each lane add to its sum."""
    if not signed:
        ones = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type]), f"llvm.ctpop.v{a.type.count}i64")
        return builder.call(ones, [builder.xor(a, b)])
    wide = ir.VectorType(sum_type.element, a.type.count)
    products = builder.mul(*(value if wide == value.type else builder.sext(value, wide) for value in (a, b)))
    if wide == sum_type:
        return products
    evens, odds = (builder.shuffle_vector(products, ir.Constant(wide, ir.Undefined), _places(range(i, wide.count, 2))) for i in (0, 1))
    return builder.add(evens, odds)


def _places(indices: Iterable[int]) -> Any:
    indices = list(indices)
    return ir.Constant(ir.VectorType(_I32, len(indices)), indices)
