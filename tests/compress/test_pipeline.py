"""Methods one after another, what they report, and bit widths that decay."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from brevitas import nn as qnn
from torch import Tensor, nn

from hwqnn import compress, quant
from hwqnn.compress import METHODS, Batches, BitWidthDecay, Count, Learning, Method, Term
from hwqnn.compress.layers import prune
from hwqnn.compress.report import compare, count
from hwqnn.errors import InputError


def test_counts_by_hand() -> None:
    layer = qnn.QuantLinear(4, 2, **quant.weight("signed-digit", 4, exponent=3))
    layer.weight.data = torch.tensor([[0.0, 7.0, -7.0, 1.0], [5.0, 0.0, 8.0, 3.0]])
    # 7 = 8 - 1, 1, 5 = 4 + 1, 8, 3 = 4 - 1: 2 + 2 + 1 + 2 + 1 + 2 digits; 8 needs five bits
    assert count(nn.Sequential(layer)) == {"0": Count(weights=8, nonzero=6, bits=40, values=5, digits=10)}


def test_each_method_gets_what_the_last_one_left(mlp: nn.Module, batches: Batches) -> None:
    tuned: list[nn.Module] = []

    def finetune(model: nn.Module) -> nn.Module:
        tuned.append(model)
        return model

    done = compress.run(mlp, [compress.make("signed-digit", digits=3), compress.make("codebook", values=3)], batches, finetune)
    first, second = done.reports
    assert first.after == second.before != second.after
    assert tuned[-1] is done.model and len(tuned) == 2
    assert all(each.values <= 3 for each in second.after.values())
    assert first.total[0].weights == second.total[1].weights == 36 * 8 + 8 * 3
    assert count(mlp) == first.before
    for text in ("SignedDigits(digits=3", "2.0", "all", "k = 3, p = "):
        assert text in str(first)


@dataclass(frozen=True)
class Kept:
    """What `Lasso` found: which weights of the layer are left."""

    keep: Tensor


class Lasso:
    """Learned in the simplest way: the last layer's weights with a penalty on their sum of magnitudes, then those left above 0.01."""

    def prepare(self, model: nn.Module, examples: int) -> tuple[nn.Module, Term]:
        return copy.deepcopy(model).train(), Penalty(1 / examples)

    def plan(self, model: nn.Module, batches: Batches | None) -> Kept:
        return Kept(model[-1].weight.detach().abs() > 0.01)

    def apply(self, model: nn.Module, plan: Kept) -> nn.Module:
        after = copy.deepcopy(model).eval()
        prune(after[-1], plan.keep)
        return after

    def report(self, before: nn.Module, after: nn.Module, plan: Kept) -> compress.Report:
        return compare("lasso", before, after)


@dataclass(frozen=True)
class Penalty:
    weight: float

    def __call__(self, model: nn.Module) -> Tensor:
        return self.weight * model[-1].weight.abs().sum()

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None: ...


def test_a_learned_method_is_trained_before_its_plan(mlp: nn.Module, batches: Batches) -> None:
    def descend(model: nn.Module, term: Term) -> nn.Module:
        """Steps on the penalty alone: every magnitude falls by rate / examples a step."""
        optimizer = torch.optim.SGD([model[-1].weight], lr=1.0)
        for _ in range(20):
            optimizer.zero_grad()
            term(model).backward()
            optimizer.step()
        return model

    start = mlp[-1].weight.detach().clone()
    done = compress.run(mlp, [Lasso()], batches, learning=Learning(descend, examples=200))
    # 20 steps of 1/200 each: 0.1, with a last step back and forth where a weight has reached 0
    assert torch.equal(done.model[-1].weight != 0, start.abs() > 0.11)
    assert done.reports[0].before == count(mlp)
    old, new = done.reports[0].total
    assert new.nonzero < old.nonzero
    assert torch.equal(mlp[-1].weight, start) and not done.model.training
    with pytest.raises(InputError, match=r"Lasso.* is learned in a training"):
        compress.run(mlp, [Lasso()], batches)


def test_every_method_is_one(mlp: nn.Module) -> None:
    assert {"codebook", "digit-budget", "format", "signed-digit"} <= METHODS.keys()
    assert all(isinstance(compress.make(name), Method) for name in ("codebook", "digit-budget", "format", "signed-digit"))
    assert isinstance(BitWidthDecay(), Term)


def test_bits_fall_one_by_one_and_then_stay() -> None:
    decay = BitWidthDecay(start=4, end=2, share=0.6)
    assert [decay.bits(epoch, 10) for epoch in range(10)] == [4, 4, 3, 3, 2, 2, 2, 2, 2, 2]
    assert [BitWidthDecay(3, 3).bits(epoch, 4) for epoch in range(4)] == [3, 3, 3, 3]


def test_the_network_has_the_epoch_s_bits() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(qnn.QuantLinear(50, 20, **quant.weight("dorefa", 8)), nn.ReLU(), qnn.QuantLinear(20, 3, **quant.weight("integer", 8)))
    decay = BitWidthDecay(start=4, end=2, share=1.0)
    for epoch, bits in ((0, 4), (1, 3), (2, 2)):
        decay.step(model, epoch, 3)
        assert len(model[0].quant_weight().value.unique()) == 2**bits
        assert float(model[2].quant_weight().bit_width) == 8  # has one bit width only
    assert float(decay(model)) == 0.0


def test_bad_decays() -> None:
    wrong = (({"start": 2, "end": 3}, "from 2 to 3"), ({"start": 9}, "from 9"), ({"share": 0.0}, "within 0 of"), ({"share": 1.5}, "1.5"))
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            BitWidthDecay(**options)
    with pytest.raises(InputError, match="no weight quantizer of Sequential can change to 8 bits"):
        BitWidthDecay().step(nn.Sequential(qnn.QuantLinear(3, 3, **quant.weight("sign", 1))), 0, 2)
