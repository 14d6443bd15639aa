"""Activation layers: the sign, drawn or not, and integers in fixed or learned ranges."""

from __future__ import annotations

from brevitas import nn as qnn
from brevitas.core.quant import BinaryQuant
from brevitas.inject.enum import ScalingImplType
from brevitas.quant import (
    Int8ActPerTensorFloatMinMaxInit,
    SignedBinaryActPerTensorConst,
    Uint8ActPerTensorFloatMaxInit,
)
from torch import Tensor, nn

from hwqnn.quant import ste
from hwqnn.quant.binary import STE, draw_signs
from hwqnn.quant.registry import acts


class StochasticBinaryQuant(BinaryQuant):
    """+1 with the probability of the hard sigmoid, drawn anew in training; the sign in eval mode (BNN, Courbariaux et al. 2016, eq. 2 and 3).

    The gradient passes where |x| <= 1.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if not self.training:
            return super().forward(x)
        return ste.clipped(x, draw_signs(x)), self.scaling_impl(x), self.zero_point(), self.bit_width()


class SignAct(SignedBinaryActPerTensorConst):
    """sign(x), whose gradient passes where |x| <= 1 (BNN, eq. 1 and 4)."""


class IdentitySignAct(SignedBinaryActPerTensorConst):
    """sign(x), whose gradient always passes."""

    tensor_quant = BinaryQuant


class StochasticSignAct(SignedBinaryActPerTensorConst):
    tensor_quant = StochasticBinaryQuant


class DorefaAct(Uint8ActPerTensorFloatMaxInit):
    """quantize_k of x clipped to [0, 1] (DoReFa-Net, Zhou et al. 2016, eq. 10): integers of the constant scale 1 / (2^k - 1)."""

    scaling_impl_type = ScalingImplType.CONST
    max_val = 1.0


@acts("sign", bits=(1,), paper="BNN, Courbariaux et al. 2016, eq. 1 and 4", ste=STE)
def sign(_bits: int, ste: str = "clipped") -> nn.Module:
    return qnn.QuantIdentity(act_quant={"clipped": SignAct, "identity": IdentitySignAct}[ste])


@acts("stochastic-sign", bits=(1,), paper="BNN, Courbariaux et al. 2016, eq. 2 and 3")
def stochastic_sign(_bits: int) -> nn.Module:
    return qnn.QuantIdentity(act_quant=StochasticSignAct)


@acts("dorefa", bits=range(1, 9), paper="DoReFa-Net, Zhou et al. 2016, eq. 5 and 10")
def dorefa(bits: int) -> nn.Module:
    return qnn.QuantReLU(act_quant=DorefaAct, bit_width=bits)


@acts("relu", bits=range(1, 9), paper="Esser et al. 2020 (LSQ), unsigned", maximum=float)
def relu(bits: int, maximum: float = 2.0) -> nn.Module:
    """A ReLU that saturates; its scale starts at maximum / (2^bits - 1) and is learned."""
    return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloatMaxInit, bit_width=bits, max_val=float(maximum))


@acts("integer", bits=range(2, 9), paper="Esser et al. 2020 (LSQ), signed", maximum=float)
def integer(bits: int, maximum: float = 2.0) -> nn.Module:
    """Signed integers; their scale starts at maximum / 2^(bits-1) and is learned."""
    return qnn.QuantIdentity(act_quant=Int8ActPerTensorFloatMinMaxInit, bit_width=bits, min_val=-float(maximum), max_val=float(maximum))
