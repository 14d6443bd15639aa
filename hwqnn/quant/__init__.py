"""Quantizers for Brevitas' layers, from one bit to signed digits: `weight(name, bits)` and `act(name, bits)`, or the injectors themselves."""

from hwqnn.quant.activations import DorefaAct, SignAct, StochasticSignAct
from hwqnn.quant.balanced import BalancedWeight
from hwqnn.quant.binary import OptimalBinaryWeight, SignWeight, StochasticSignWeight
from hwqnn.quant.codebook import CodebookWeight
from hwqnn.quant.digits import PowerOfTwoWeight, SignedDigitWeight
from hwqnn.quant.discrete import LearnedDiscreteWeight
from hwqnn.quant.dorefa import DorefaWeight, QuantizedGradient
from hwqnn.quant.general import GeneralWeight
from hwqnn.quant.integer import IntegerWeight
from hwqnn.quant.latent import clip_latent_weights, set_bit_width
from hwqnn.quant.norms import settle_norms
from hwqnn.quant.registry import ACTS, WEIGHTS, act, weight
from hwqnn.quant.ternary import OptimalTernaryWeight, TernaryWeight
from hwqnn.quant.xnor import InputScaled, XnorWeight

__all__ = [
    "ACTS", "WEIGHTS", "BalancedWeight", "CodebookWeight", "DorefaAct", "DorefaWeight", "GeneralWeight", "InputScaled", "IntegerWeight",
    "LearnedDiscreteWeight", "OptimalBinaryWeight", "OptimalTernaryWeight", "PowerOfTwoWeight", "QuantizedGradient", "SignAct",
    "SignWeight", "SignedDigitWeight", "StochasticSignAct", "StochasticSignWeight", "TernaryWeight", "XnorWeight", "act",
    "clip_latent_weights", "set_bit_width", "settle_norms", "weight",
]  # fmt: skip
