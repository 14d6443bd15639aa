"""The sums of products under every convolution and matrix product: a few windows against a vector of outputs, all sums in registers.

Written as LLVM vectors, so that any processor runs it: a product of int16 pairs becomes vpdpwssd or vpmaddwd, a population count vpopcntq where there
is one. One output a lane, and so nothing is summed across lanes (the panels of Goto and van de Geijn 2008). Sums are exact modulo 2^32 or
2^64, in any order: they are right wherever the final value fits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hwqnn.kernel import kernel

ROWS = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""Windows at a time: their sums, of `VECTOR` bits each, should fill half of the registers."""

VECTOR = 512

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@kernel
def sums(x, starts, size, at, first, runs, weights, out):  # type: ignore[no-untyped-def]
    """Row i of `out` becomes the sums of window at + i of a batch of maps, position after position, image after image.

    x: the maps one after another, of `size` elements each, int16, int64 or uint64 (packed bits).
    starts: int64 (positions,), where each window starts in its map. runs: int64, where each run of elements that lie side by side starts in a window.
    first: int64 (panels,), from which element of a window's runs on each panel reads.
    weights: (panels, runs * steps, lanes, elements) of x's dtype: a step takes `elements` of a run, 2 of int16 or else 1, and multiplies them with each
        lane's; or (panels, runs, lanes): lane by lane with as many elements of x, one step a run. Of packed bits, a product counts the ones of x ^ weight.
    out: int32, or int64 for int64; (rows, panels * lanes). Rows are a multiple of `ROWS`; those past the last window repeat the last before them.
    """
    rows = np_empty(len(out), starts.dtype)
    image, position = divmod(at, len(starts))
    last = len(x) // size
    for n in range(len(rows)):
        if image < last:
            rows[n] = image * size + starts[position]
        else:
            rows[n] = rows[n - 1]
        position += 1
        if position == len(starts):
            image, position = image + 1, 0
    for t in range(len(weights)):
        for n in range(0, len(rows), ROWS):
            _accumulate(x, rows, n, first[t], runs, weights[t], out, t * weights.shape[2])
