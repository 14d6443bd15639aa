"""Groups of weights under sparsity priors, on MNIST: Bayesian compression of LeNet-300-100 and LeNet-5-Caffe, normal-Jeffreys and horseshoe.

    python benchmarks/compression/bayesian.py [--only ROW ...] [--quick]

Each network is trained, then learns under its prior, loses the groups and the weights that say nothing and the bits that are only noise, and is
trained again with its zeros held. Activations have 4 bits, so all figures are of what hardware computes. The method's column tells the weights that
are left, and how many times smaller they are than all of them as 32-bit floats: by pruning; by the bits of each layer, without a word on where they
are; and stored as Deep Compression does, with Huffman codes of values and relative indices, and all tables. The literature (Louizos et al. 2017,
table 2: error, weights left, greatest rate): LeNet-300-100 1.8 %, 10.8 %, 58 x (normal-Jeffreys) and 2.0 %, 10.6 %, 59 x (horseshoe); LeNet-5-Caffe
1.0 %, 573 x and 1.0 %, 771 x.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common import arguments
from learned import SHAPE, Case, Network, run
from torch import nn

from hwqnn.compress.bayesian import GroupHorseshoe, GroupNormalJeffreys
from hwqnn.compress.report import count
from hwqnn.compress.storage import Huffman
from hwqnn.train import Cnn, Mlp, Quantizer, Settings

WEIGHT, OUTPUT = Quantizer("integer", 8), Quantizer("integer", 8, {"per_channel": False})
"""Of all layers, a scale for each channel; and of the last, one scale, so that classes compare without products."""
ACT = Quantizer("relu", 4)


DENSE = Network(
    "LeNet-300-100",
    lambda: Mlp((784, 300, 100, 10), WEIGHT, ACT, last=OUTPUT),
    Settings(epochs=5, batch=200, lr=2e-3),
    Settings(epochs=10, batch=200, lr=2e-3),
)
CONV = Network(
    "LeNet-5-Caffe",
    lambda: Cnn(SHAPE, (20, 50), 10, WEIGHT, ACT, last=OUTPUT, kernel=5, padding=0, pool=(1, 2), dense=(500,)),
    Settings(epochs=1, batch=100, lr=2e-3),
    Settings(epochs=10, batch=200, lr=2e-3),
)


FOLDED: dict[str, Any] = {"fps": 5e3, "limits": {"bram36": 0}}
JEFFREYS, HORSESHOE = "group normal-Jeffreys", "group horseshoe"
LONG = Settings(epochs=24, batch=256, lr=1e-2, schedule="linear")
CONVOLUTIONS = replace(LONG, epochs=12, batch=64)
CASES = {
    "gnj-lenet-300-100": Case(GroupNormalJeffreys(threshold=5.0), JEFFREYS, DENSE, LONG, FOLDED),
    "ghs-lenet-300-100": Case(GroupHorseshoe(weight=0.5), HORSESHOE, DENSE, LONG, FOLDED),
    "gnj-lenet-300-100-strong": Case(GroupNormalJeffreys(), JEFFREYS, DENSE, LONG, FOLDED),
    "gnj-lenet-5": Case(GroupNormalJeffreys(warm_up=0.0, weight=1.0), JEFFREYS, CONV, CONVOLUTIONS, FOLDED),
    "ghs-lenet-5": Case(GroupHorseshoe(warm_up=0.0, weight=0.6), HORSESHOE, CONV, CONVOLUTIONS, FOLDED),
}


def rates(model: nn.Module) -> str:
    """What is left of the weights, and how many times smaller that is than all of them as floats of 32 bits."""
    layers = count(model).values()
    weights, left = sum(each.weights for each in layers), sum(each.nonzero for each in layers)
    bits = sum(each.nonzero * each.bits // each.weights for each in layers)
    stored = Huffman().plan(model, None).ratio
    return f"{left / weights:.1%} left: {weights / left:.0f} x pruned, {32 * weights / bits:.0f} x with bits, {stored:.0f} x stored"


if __name__ == "__main__":
    given = arguments(__doc__, list(CASES))
    run("bayesian", CASES, given.only, given.quick, rates, "python benchmarks/compression/bayesian.py")
