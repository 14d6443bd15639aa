"""The networks of recipes: every kind lowers with every sort of quantizer, and the exact reference gives torch's labels."""

from __future__ import annotations

from collections.abc import Callable

import exact_model
import numpy as np
import pytest
import torch
from torch import nn

from hwqnn.errors import InputError
from hwqnn.frontend import import_brevitas
from hwqnn.ir import Conv, Int, MatMul, Ternary, UInt
from hwqnn.layout import to_hardware
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor
from hwqnn.train.network import Cnn, Mlp, Quantizer
from hwqnn.zoo.calibrate import gather_statistics

SIGN, INTEGER, TERNARY = Quantizer("sign"), Quantizer("integer", 4), Quantizer("ternary")
DOREFA, RELU = Quantizer("dorefa", 2), Quantizer("relu", 2)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "signs": (lambda: Mlp([16, 12, 8, 4], SIGN, SIGN, input=SIGN), (16,)),
    "pixels": (lambda: Mlp([16, 12, 4], TERNARY, RELU, first=INTEGER, last=Quantizer("integer", 8)), (1, 4, 4)),
    "scaled": (lambda: Mlp([16, 12, 12, 3], Quantizer("xnor"), SIGN, input=SIGN, widen=1.5), (4, 4)),
    "gradients": (lambda: Mlp([16, 12, 3], DOREFA, DOREFA, gradient_bits=4), (16,)),
    "convolutions": (lambda: Cnn([1, 8, 8], [4, 6], 3, SIGN, SIGN, pool=[1, 2], dense=[8], pixels=SIGN), (1, 8, 8)),
    "first layer of 8 bits": (
        lambda: Cnn([3, 6, 5], [4, 5], 4, DOREFA, DOREFA, kernel=1, pool=[2], first=Quantizer("integer", 8), gradient_bits=6),
        (3, 6, 5),
    ),
    "no padding": (lambda: Cnn([1, 9, 8], [4, 5], 3, TERNARY, RELU, kernel=2, padding=0, pool=[1], dense=[6]), (1, 9, 8)),
    "wide": (lambda: Cnn([2, 4, 4], [3], 3, SIGN, RELU, kernel=5, widen=2.0, last=INTEGER), (2, 4, 4)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_lowers_to_the_labels_that_torch_gives(name: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, *shape))
    x = torch.from_numpy(images).float() / 255
    model = make()
    gather_statistics(model, x)
    model.eval()
    imported = import_brevitas(model, x[:2], name="network")
    graph = lower(imported, Head.LABEL)
    raw = to_hardware(images, imported.input.shape)
    labels = Executor(graph, threads=1).run(raw).reshape(-1)
    scores = model.double()(torch.from_numpy(images).double() / 255).detach().numpy()
    best = np.sort(scores, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-9  # float64 may round exact ties apart
    assert clear.sum() > len(images) / 2
    assert (labels == scores.argmax(1))[clear].all()
    assert len(set(labels)) > 1
    exact = [exact_model.real_outputs(imported, image.reshape(-1).tolist()) for image in raw[:4]]
    assert [max(range(len(reals)), key=lambda i: (reals[i], -i)) for reals in exact] == labels[:4].tolist()


def test_sizes_and_quantizers_go_where_they_are_asked_for() -> None:
    torch.manual_seed(0)
    model = Cnn([1, 8, 8], [4, 6], 10, TERNARY, RELU, pool=[2], dense=[7], first=Quantizer("integer", 8), last=INTEGER, widen=2.0).eval()
    graph = import_brevitas(model, torch.rand(2, 1, 8, 8), name="network")
    convolutions = [op for op in graph.ops if isinstance(op, Conv)]
    dense = [op for op in graph.ops if isinstance(op, MatMul)]
    assert [op.weight.shape for op in convolutions] == [(8, 3, 3, 1), (12, 3, 3, 8)]
    assert [op.weight.shape for op in dense] == [(14, 12 * 4 * 4), (10, 14)]
    assert [op.weight_type for op in (*convolutions, *dense)] == [Int(8), Ternary(), Ternary(), Int(4)]
    assert graph.edges[dense[1].inputs[0]].type == UInt(2)


def test_logits_have_one_factor_learned_behind_what_one_batch_is_divided_by() -> None:
    model = Mlp([2, 2], SIGN, SIGN)
    logits = model.logits
    logits.train()
    scores = torch.tensor([[3.0, -4.0], [0.0, 5.0]])
    assert torch.allclose(logits(scores), scores / (50 / 4) ** 0.5)
    assert logits.running_square.item() == pytest.approx(0.9 * 1 + 0.1 * 12.5)
    with torch.no_grad():
        logits.log_factor.fill_(1.0)
    assert torch.allclose(logits.eval()(scores), np.e * scores / 2.15**0.5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Mlp([784], SIGN, SIGN), "sizes"),
        (lambda: Mlp([784, 0, 10], SIGN, SIGN), "sizes holds 0"),
        (lambda: Mlp([784, 10], SIGN, SIGN, widen=0), "widen = 0"),
        (lambda: Mlp([784, 5, 10], SIGN, SIGN, gradient_bits=9), "gradient_bits = 9"),
        (lambda: Mlp([784, 10], Quantizer("sing"), SIGN), "did you mean 'sign'"),
        (lambda: Cnn([28, 28], [4], 10, SIGN, SIGN), "input = [28, 28]"),
        (lambda: Cnn([1, 28, 28], [], 10, SIGN, SIGN), "at least one convolution"),
        (lambda: Cnn([1, 28, 28], [4], 10, SIGN, SIGN, kernel=2), "kernel = 2"),
        (lambda: Cnn([1, 28, 28], [4], 10, SIGN, SIGN, pool=[2]), "no convolution 2"),
        (lambda: Cnn([1, 3, 3], [4, 4], 10, SIGN, SIGN, pool=[1, 2]), "leave nothing"),
        (lambda: Cnn([1, 5, 5], [4, 4], 10, SIGN, SIGN, padding=0, pool=[1]), "leave nothing of 5 x 5"),
        (lambda: Cnn([1, 5, 5], [4], 10, SIGN, SIGN, padding=3), "padding = 3"),
        (lambda: Cnn([1, 4, 4], [4], 10, SIGN, SIGN, dense=[-3]), "dense holds -3"),
    ],
)
def test_impossible_arguments(make: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)
