"""Element by element with constants: sums, products, batch norm, ReLU."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from hwqnn.frontend.qonnx.registry import Call, standard
from hwqnn.frontend.symbolic import Symbol
from hwqnn.ir import BatchNorm, Clamp, exact

ZERO, ONE = exact([0]), exact([1])


def other(call: Call) -> np.ndarray:
    return call.along(1 - call.at, "constant operand")


@standard("Add")
def add(call: Call) -> Symbol:
    return call.x.affine(ONE, other(call))


@standard("Sub")
def sub(call: Call) -> Symbol:
    return call.x.affine(ONE, -other(call)) if call.at == 0 else call.x.affine(-ONE, other(call))


@standard("Mul")
def mul(call: Call) -> Symbol:
    return call.x.affine(other(call), ZERO)


@standard("Div")
def div(call: Call) -> Symbol:
    divisor = other(call)
    if call.at != 0 or (divisor == 0).any():
        raise call.fail("only a division by a nonzero constant is supported")
    return call.x.affine(1 / divisor, ZERO)


@standard("Neg")
def neg(call: Call) -> Symbol:
    return call.x.affine(-ONE, ZERO)


@standard("Relu")
def relu(call: Call) -> Symbol:
    return call.x.then(Clamp(Fraction(0), None))


@standard("BatchNormalization")
def batch_norm(call: Call) -> Symbol:
    """scale * (x - mean) / sqrt(variance + epsilon) + bias, one of each for every channel, which is the first axis of a sample."""
    if call.attribute("training_mode", 0):
        raise call.fail("it normalizes with the batch at hand (training_mode); export the model in eval mode")
    channels, places = call.x.shape[0], call.x.size // call.x.shape[0]
    named = []
    for at, name in enumerate(("scale", "bias", "mean", "variance"), 1):
        values = call.exact(call.array(at, name), name)
        if len(values) != channels:
            call.bad(f"{len(values)} values of its {name} for {channels} channels")
        named.append(np.repeat(values, places))
    gamma, beta, mean, variance = named
    variance = variance + Fraction(call.attribute("epsilon", np.float32(1e-5).item()))
    if (variance <= 0).any():
        call.bad(f"variance + epsilon is not positive in channel {int(np.argmax(variance <= 0)) // places}")
    return call.x.then(BatchNorm(gamma, beta, mean, variance))
