"""Channels that go, on MNIST: LeNet-300-100 with fewer hidden neurons, picked by LASSO regression or trained away by a group lasso.

    python benchmarks/compression/channels.py [--only ROW ...] [--quick]

4-bit weights and activations, 8-bit pixels. A method takes neurons away, then the network is trained again with its zeros held. The hidden neurons
that are left are those of the first seed; the compiler removes the others. All rows are folded for the same rate, without block RAM.
"""

from __future__ import annotations

from typing import Any

from common import arguments
from learned import Case, Network, run
from torch import nn

from hwqnn import compress
from hwqnn.compress.channels import GroupLasso, LassoChannels
from hwqnn.compress.layers import layers
from hwqnn.train import Mlp, Quantizer, Settings

WEIGHT, OUTPUT, ACT = Quantizer("integer", 4), Quantizer("integer", 4, {"per_channel": False}), Quantizer("relu", 4)
NETWORK = Network(
    "LeNet-300-100, 4 bits",
    lambda: Mlp((784, 300, 100, 10), WEIGHT, ACT, last=OUTPUT),
    Settings(epochs=6, batch=200, lr=2e-3),
    Settings(epochs=6, batch=200, lr=1e-3),
)
LEARN = Settings(epochs=8, batch=200, lr=1e-3)
HARDWARE: dict[str, Any] = {"fps": 2e4, "limits": {"bram36": 0}}


def case(method: compress.Method[Any] | None, title: str) -> Case:
    return Case(method, title, NETWORK, LEARN if isinstance(method, compress.Learned) else None, HARDWARE)


CASES = {
    "dense": case(None, "all neurons"),
    "lasso-30": case(LassoChannels(0.3), "LASSO selection of 70 %"),
    "lasso-50": case(LassoChannels(0.5), "LASSO selection of 50 %"),
    "lasso-70": case(LassoChannels(0.7), "LASSO selection of 30 %"),
    "group-lasso-weak": case(GroupLasso(5e-3), "group lasso, strength 5e-3"),
    "group-lasso-strong": case(GroupLasso(2e-2), "group lasso, strength 2e-2"),
}


def neurons(model: nn.Module) -> str:
    """The hidden neurons that something reads, layer by layer."""
    read = [int((layer.weight != 0).any(0).sum()) for layer in list(layers(model).values())[1:]]
    return f"{'-'.join(map(str, read))} neurons"


if __name__ == "__main__":
    given = arguments(__doc__, list(CASES))
    run("channels", CASES, given.only, given.quick, neurons, "python benchmarks/compression/channels.py")
