"""The sums of products under every convolution and matrix product: a few windows against a vector of outputs, all sums in registers.

Written as LLVM vectors, which any processor runs: a product of int16 pairs becomes vpdpwssd or vpmaddwd, a count of ones vpopcntq where there is
one. Each lane has an output of its own, so nothing is summed across lanes (the micro-kernel of Goto and van de Geijn 2008). Sums are exact
modulo 2^32 or 2^64, whatever their order: right wherever the final value fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from hwqnn.kernel import kernel

ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""Windows at a time: so many vectors of sums fill no more than half of the registers."""

LANES = {np.dtype(np.int16): 16, np.dtype(np.int64): 8, np.dtype(np.uint64): 8}
"""Sums in a vector, by the type of what is multiplied: 512 bits of int32, or of int64."""

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@kernel
def sums(x, starts, size, at, total, first, runs, weights, out):  # type: ignore[no-untyped-def]
    """Row i of `out` becomes the sums of window at + i of a batch of maps, position after position, image after image.

    x: the maps one after another, of `size` elements each; int16, int64 or uint64 (packed bits).
    starts: int64 (positions,), where the window of each starts in its map; the batch has `total` windows.
    runs: int64 (runs,), where elements that lie side by side start in a window, and first: int64 (panels,), from which of them on each panel reads.
    weights: of x's dtype. (panels, runs * steps, lanes, elements): a step multiplies `elements` of a run, 2 of int16 or else 1, with those of each lane.
        (panels, runs, lanes): each lane has an element of its own. A product of packed bits is the number of ones of x ^ weight.
    out: int32, or int64 where x is; (rows, panels * lanes), rows a multiple of `ROWS`. Rows past the last window repeat it.
    """
    rows = np.empty(len(out), np.int64)
    for i in range(len(rows)):
        image, position = divmod(min(at + i, total - 1), len(starts))
        rows[i] = image * size + starts[position]
    for t in range(len(weights)):
        for i in range(0, len(rows), ROWS):
            _accumulate(x, rows, i, first[t], runs, weights[t], out, i * out.shape[1] + t * weights.shape[2])


@intrinsic
def _accumulate(typing: Any, x: Any, rows: Any, row: Any, first: Any, runs: Any, weights: Any, out: Any, at: Any) -> Any:
    """One panel's sums of the windows that start at rows[row] + first and the next ones, written to the flat out[at] and the rows below it."""
    if not all(array.layout == "C" for array in (x, rows, runs, weights, out)):
        raise TypingError("arrays have to be contiguous")

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = {name: context.make_array(signature.args[i])(context, builder, value=args[i]) for name, i in _ARRAYS.items()}
        data = {name: array.data for name, array in arrays.items()}
        shape = {name: cgutils.unpack_tuple(builder, array.shape) for name, array in arrays.items()}
        load, term, step, sum_type = _product(builder, x.dtype, weights.ndim == 2)
        accumulators = [cgutils.alloca_once_value(builder, ir.Constant(sum_type, None)) for _ in range(ROWS)]
        starts = [builder.add(_element(builder, data["rows"], builder.add(args[2], _I64(r))), args[3]) for r in range(ROWS)]
        steps = builder.sdiv(shape["weights"][0], shape["runs"][0])
        with cgutils.for_range(builder, shape["runs"][0]) as run:
            offset = _element(builder, data["runs"], run.index)
            sources = [builder.gep(data["x"], [builder.add(start, offset)]) for start in starts]
            before = builder.mul(run.index, steps)
            with cgutils.for_range(builder, steps) as k:
                weight = load(data["weights"], builder.mul(builder.add(before, k.index), _I64(step * sum_type.count)), False)
                for source, accumulator in zip(sources, accumulators, strict=True):
                    value = load(source, builder.mul(k.index, _I64(step)), weights.ndim == 3)
                    builder.store(builder.add(builder.load(accumulator), term(value, weight)), accumulator)
        result = ir.VectorType(ir.IntType(out.dtype.bitwidth), sum_type.count)
        for r, accumulator in enumerate(accumulators):
            value = builder.load(accumulator)
            value = value if result == sum_type else builder.trunc(value, result)
            place = builder.gep(data["out"], [builder.add(args[7], builder.mul(shape["out"][1], _I64(r)))])
            builder.store(value, builder.bitcast(place, result.as_pointer()), align=out.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, rows, types.int64, types.int64, runs, weights, out, types.int64), emit


_ARRAYS = {"x": 0, "rows": 1, "runs": 4, "weights": 5, "out": 6}


def _element(builder: Any, data: Any, index: Any) -> Any:
    return builder.load(builder.gep(data, [index]))


def _product(builder: Any, of: Any, lanewise: bool) -> tuple[Any, Any, int, Any]:
    """How to load a vector of elements, to multiply two such vectors, the elements in a step, and the type of a vector of sums."""
    lanes = LANES[np.dtype(str(of))]
    element, sum_type = ir.IntType(of.bitwidth), ir.VectorType(_I32 if of.bitwidth == 16 else _I64, lanes)
    step = 2 if of.bitwidth == 16 and not lanewise else 1
    vector, align = ir.VectorType(element, step * lanes), of.bitwidth // 8

    def load(data: Any, index: Any, splat: bool) -> Any:
        """`step` elements for every lane, or the same ones for all."""
        place = builder.gep(data, [index])
        if not splat:
            return builder.load(builder.bitcast(place, vector.as_pointer()), align=align)
        group = ir.IntType(step * of.bitwidth)
        once = builder.load(builder.bitcast(place, group.as_pointer()), align=align)
        groups = ir.VectorType(group, lanes)
        one = builder.insert_element(ir.Constant(groups, ir.Undefined), once, _I32(0))
        return builder.bitcast(builder.shuffle_vector(one, ir.Constant(groups, ir.Undefined), _places([0] * lanes)), vector)

    def term(a: Any, b: Any) -> Any:
        if not of.signed:
            ones = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), f"llvm.ctpop.v{lanes}i64")
            return builder.call(ones, [builder.xor(a, b)])
        if of.bitwidth == 64:
            return builder.mul(a, b)
        wide = ir.VectorType(_I32, step * lanes)
        products = builder.mul(builder.sext(a, wide), builder.sext(b, wide))
        if lanewise:
            return products
        nothing = ir.Constant(wide, ir.Undefined)
        evens, odds = (builder.shuffle_vector(products, nothing, _places(range(i, 2 * lanes, 2))) for i in (0, 1))
        return builder.add(evens, odds)

    return load, term, step, sum_type


def _places(indices: Any) -> Any:
    indices = list(indices)
    return ir.Constant(ir.VectorType(_I32, len(indices)), indices)
