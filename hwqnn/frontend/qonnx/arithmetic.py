"""Element by element with constants: sums, products, batch norm, ReLU. The sum of two tensors that depend on the input is in `joins.py`."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend.qonnx.joins import sum_of
from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, Call, custom, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import BatchNorm, Clamp, exact

ZERO, ONE = exact([0]), exact([1])


def other(call: Call) -> tuple[Symbol, np.ndarray]:
    """The symbol and the constant operand."""
    return call.along(1 - call.at, "constant operand")


@standard("Add")
def add(call: Call) -> Symbol:
    if call.joins:
        return sum_of(call, Fraction(1))
    x, constant = other(call)
    return x.affine(ONE, constant)


@standard("Sub")
def sub(call: Call) -> Symbol:
    if call.joins:
        return sum_of(call, Fraction(-1))
    x, constant = other(call)
    return x.affine(ONE, -constant) if call.at == 0 else x.affine(-ONE, constant)


@standard("Mul")
def mul(call: Call) -> Symbol:
    x, factor = other(call)
    return x.affine(factor, ZERO)


@standard("Div")
def div(call: Call) -> Symbol:
    x, divisor = other(call)
    if call.at != 0 or (divisor == 0).any():
        raise call.fail("only a division by a nonzero constant is supported")
    return x.affine(1 / divisor, ZERO)


@standard("Neg")
def neg(call: Call) -> Symbol:
    return call.x.affine(-ONE, ZERO)


@standard("Relu")
def relu(call: Call) -> Symbol:
    return call.x.then(Clamp(Fraction(0), None))


@standard("BatchNormalization")
def batch_norm(call: Call) -> Symbol:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias, one of each for every channel, which is the first axis of a sample."""
    return normalized(call, 0)


@custom("BatchNormalization", domains=(CHANNELS_LAST,))
def batch_norm_of_last_axis(call: Call) -> Symbol:
    return normalized(call, -1)


def normalized(call: Call, axis: int) -> Symbol:
    if call.attribute("training_mode", 0):
        raise call.fail("it normalizes with the batch at hand (training_mode); export the model in eval mode")
    channels = call.x.shape[axis]
    named = []
    for at, name in enumerate(("scale", "bias", "mean", "variance"), 1):
        values = call.array(at, name).reshape(-1)
        if len(values) != channels:
            call.bad(f"{len(values)} values of its {name} for {channels} channels")
        named.append(values.reshape([-1 if i == axis % len(call.x.shape) else 1 for i in range(len(call.x.shape))]))
    x, (gamma, beta, mean, variance) = call.meeting("scale, bias, mean or variance", *named)
    epsilon = Fraction(call.attribute("epsilon", np.float32(1e-5).item()))
    if (named[3] + float(epsilon) <= 0).any():
        call.bad(f"variance + epsilon is not positive in channel {int(np.argmax(named[3].reshape(-1) + float(epsilon) <= 0))}")
    return x.then(BatchNorm(gamma, beta, mean, variance + epsilon))
