"""Weights that learn their own noise, on MNIST: sparse variational dropout and variational network quantization of LeNet-300-100 and LeNet-5-Caffe.

    python benchmarks/compression/variational.py [--only ROW ...] [--quick]

Each network is trained, then learns under its prior, then is trained again with the noise off and the zeros held. Behind that it is what hardware
has, integer weights and 4-bit activations, and all figures are of it. `left` are the weights that are not 0, of the first seed. Weights of the
sparse networks are logic, at 100,000 frames/s; those of LeNet-300-100 with 8-bit pixels and of the ternary one are in memory, at 10,000.
The literature: sparse variational dropout 1.8 % error with 2.2 % of the weights left (LeNet-300-100), 0.7 to 1.0 % with 0.7 % left (LeNet-5-Caffe);
variational network quantization 0.73 % error, ternary weights, 28 % left (LeNet-5). Checkpoints stay in the cache folder, so that a run that stopped
goes on, and a row that is made again measures only its hardware.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common import arguments
from learned import SHAPE, Case, Network, run
from torch import nn

from hwqnn.compress.dropout import SparseVariationalDropout
from hwqnn.compress.report import NOTHING, count
from hwqnn.compress.spikes import VariationalQuantization
from hwqnn.dataflow.design import Store
from hwqnn.train import Cnn, Mlp, Quantizer, Settings

ACT = Quantizer("relu", 4)


def lenet_300_100(bits: int, pixels: Quantizer | None = None) -> nn.Module:
    return Mlp((784, 300, 100, 10), **weights(bits), act=ACT, input=pixels)


def lenet_5() -> nn.Module:
    return Cnn(SHAPE, (20, 50), 10, **weights(5), act=ACT, kernel=5, padding=0, pool=(1, 2), dense=(500,))


def weights(bits: int) -> dict[str, Quantizer]:
    """A scale for each channel; but one for the last layer, so that classes compare without products."""
    return {"weight": Quantizer("integer", bits), "last": Quantizer("integer", bits, {"per_channel": False})}


DENSE = Network("LeNet-300-100", lambda: lenet_300_100(8), Settings(epochs=5, batch=200, lr=2e-3), Settings(epochs=6, batch=200, lr=1e-3))
DENSE_BINARY = replace(DENSE, name="LeNet-300-100, 1-bit pixels", make=lambda: lenet_300_100(5, Quantizer("sign")))
CONV = Network("LeNet-5-Caffe", lenet_5, Settings(epochs=3, batch=200, lr=2e-3), Settings(epochs=4, batch=100, lr=1e-3))


FROZEN: dict[str, Any] = {"store": Store.FROZEN, "fps": 1e5}
CASES = {
    "dropout-lenet-300-100": Case(
        SparseVariationalDropout(threshold=1.3, start=-8.0), "sparse variational dropout", DENSE,
        Settings(epochs=20, batch=200, lr=1.5e-3, schedule="linear"), {"fps": 1e4}, seeds=3,  # 8-bit pixels times 8-bit weights are too much logic
    ),
    "dropout-lenet-300-100-binary": Case(
        SparseVariationalDropout(threshold=1.3, start=-8.0), "sparse variational dropout", DENSE_BINARY,
        Settings(epochs=20, batch=200, lr=1.5e-3, schedule="linear"), FROZEN,
    ),
    "dropout-lenet-5": Case(
        SparseVariationalDropout(threshold=0.8, weight=2.0, start=-8.0), "sparse variational dropout", CONV,
        Settings(epochs=10, batch=50, lr=2e-3, schedule="linear"), FROZEN,
    ),
    "ternary-lenet-5": Case(
        VariationalQuantization(warm_up=0.3, spike=2.5), "variational network quantization", CONV,
        Settings(epochs=3, batch=100, lr=1e-3, schedule="linear"), {"fps": 1e4},  # too many for logic
    ),
}  # fmt: skip
"""The trainings of sparse variational dropout are short, 10 to 20 epochs instead of hundreds: at their end many weights are on their way out, with
log alpha between 1 and 3. So the threshold is lower than the paper's 3."""


def left(model: nn.Module) -> str:
    """The part of the weights that is left."""
    found = sum(count(model).values(), NOTHING)
    return f"{found.nonzero / found.weights:.2%} left"


if __name__ == "__main__":
    given = arguments(__doc__, list(CASES))
    run("variational", CASES, given.only, given.quick, left, "python benchmarks/compression/variational.py")
