"""Torch functions between the layers: sums, arithmetic with constants, clamps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend import joins
from hwqnn.frontend.registry import REGISTRY, Call
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import Clamp, exact

METADATA = frozenset({
    ".shape", ".dtype", ".device", ".ndim", ".layout", ".is_cuda", ".requires_grad", ".is_quantized", ".is_sparse", ".names",
    "size", "dim", "ndimension", "numel", "nelement", "stride", "__len__", "get_device", "element_size",
    "is_contiguous", "is_floating_point", "is_complex", "is_tensor", "__hash__",
})  # fmt: skip
"""Functions and attributes of a tensor that do not look at its values."""


def other(call: Call) -> np.ndarray:
    """The constant operand of a binary function."""
    if len(call.args) != 2 or set(call.kwargs) - {"alpha"}:
        raise call.fail("called with " + (", ".join(call.kwargs) or f"{len(call.args)} operands"))
    return call.constant("constant operand", call.args[1 - call.at])


def alpha(call: Call) -> Fraction:
    """The factor of the second operand in torch.add and torch.sub."""
    return call.number(call.kwargs.get("alpha", 1))


def sum_of(call: Call, first: Fraction, second: Fraction) -> Symbol:
    """first * args[0] + second * args[1]."""
    if call.at < 0:
        raise call.fail("it gets its operands by keyword or inside a list; pass them by position")
    if len(call.operands) == 2:
        a, b = (x.scaled(factor) for x, factor in zip(call.operands, (first, second), strict=True))
        return joins.add(call.builder, call.site, call.place.op_name + ".add", a, b)
    mine, its = (first, second) if call.at == 0 else (second, first)
    return call.affine(call.x, exact([mine]), other(call) * its)


@REGISTRY.function("add", "add_", "__radd__")
@REGISTRY.joining
def add(call: Call) -> Symbol:
    return sum_of(call, Fraction(1), alpha(call))


@REGISTRY.function("sub", "sub_", "subtract")
@REGISTRY.joining
def sub(call: Call) -> Symbol:
    return sum_of(call, Fraction(1), -alpha(call))


@REGISTRY.function("rsub", "__rsub__")
@REGISTRY.joining
def rsub(call: Call) -> Symbol:
    return sum_of(call, -alpha(call), Fraction(1))


@REGISTRY.function("mul", "mul_", "multiply", "__rmul__")
def mul(call: Call) -> Symbol:
    return call.affine(call.x, other(call), exact([0]))


@REGISTRY.function("div", "div_", "divide", "true_divide")
def div(call: Call) -> Symbol:
    divisor = other(call)
    if call.at != 0 or (divisor == 0).any():
        raise call.fail("only a division by a nonzero constant is supported")
    return call.affine(call.x, 1 / divisor, exact([0]))


@REGISTRY.function("neg", "neg_", "negative")
def neg(call: Call) -> Symbol:
    return call.affine(call.x, exact([-1]), exact([0]))


@REGISTRY.function("relu", "relu_")
def relu(call: Call) -> Symbol:
    return call.x.then(Clamp(Fraction(0), None))


def bounded(call: Call, names: tuple[str, str]) -> Symbol:
    """A clamp whose bounds are the arguments with these names."""
    given = dict(zip(names, call.args[1:], strict=False)) | call.kwargs
    bounds = [given.get(name) for name in names]
    if not all(bound is None or isinstance(bound, int | float) for bound in bounds):
        raise call.fail("only bounds that are numbers are supported")
    return call.x.then(Clamp(*(None if bound is None else call.number(bound) for bound in bounds)))


@REGISTRY.function("relu6", "relu6_")
def relu6(call: Call) -> Symbol:
    return call.x.then(Clamp(Fraction(0), Fraction(6)))


@REGISTRY.function("hardtanh", "hardtanh_")
def hardtanh(call: Call) -> Symbol:
    return bounded(call, ("min_val", "max_val"))


@REGISTRY.function("clamp", "clamp_", "clip")
def clamp(call: Call) -> Symbol:
    return bounded(call, ("min", "max"))


@REGISTRY.function("clone", "contiguous", "detach", "detach_", "to", "float", "double", "type", "cpu", "positive", "rename", "rename_", "alias")
def identity(call: Call) -> Symbol:
    return call.x


@REGISTRY.function("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
def dropout(call: Call) -> Symbol:
    if call.kwargs.get("training", call.args[2] if len(call.args) > 2 else True):
        raise call.fail("it still drops in eval mode; pass training=self.training")
    return call.x
