"""Signed digits: the values that they can have, the quantizer, the method and the budget, against all combinations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import nn

from hwqnn import compress, quant
from hwqnn.compress import Batches
from hwqnn.compress.budget import DigitBudget, allocate
from hwqnn.compress.digits import SignedDigits
from hwqnn.compress.fisher import Diagonal
from hwqnn.compress.fit import Rounding
from hwqnn.compress.layers import integers
from hwqnn.compress.report import digit_counts
from hwqnn.errors import InputError
from hwqnn.quant.digits import exponent_of, representable


@pytest.mark.parametrize("digits", [1, 2, 3, 5])
@pytest.mark.parametrize("terms", [None, 1, 2])
def test_the_values_are_those_of_all_digits(digits: int, terms: int | None) -> None:
    if terms is not None and terms > digits:
        return
    forms = [alphas for alphas in product((-1, 0, 1), repeat=digits) if terms is None or np.abs(alphas).sum() <= terms]
    assert representable(digits, terms) == tuple(sorted({sum(a * 2 ** (digits - 1 - m) for m, a in enumerate(alphas)) for alphas in forms}))


def test_values_by_hand() -> None:
    assert representable(3, 1) == (-4, -2, -1, 0, 1, 2, 4)
    assert representable(3, 2) == (-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6)  # 7 = 4 + 2 + 1 alone needs three


def test_digit_counts_are_the_fewest_of_all_forms() -> None:
    want = {sum(a << m for m, a in enumerate(alphas)): 0 for alphas in product((-1, 0, 1), repeat=7)}
    want = dict.fromkeys(want, 7)
    for alphas in product((-1, 0, 1), repeat=7):
        value = sum(a << m for m, a in enumerate(alphas))
        want[value] = min(want[value], int(np.abs(alphas).sum()))
    values = [v for v in want if abs(v) <= 64]
    assert digit_counts(torch.tensor(values)).tolist() == [want[v] for v in values]


def test_exponents_by_hand() -> None:
    assert [exponent_of(w) for w in (1.0, 0.76, 0.74, 1.49, 1.51, 0.0)] == [0, 0, -1, 0, 1, 0]


@pytest.mark.parametrize(
    ("name", "bits", "options"), [("signed-digit", 4, {"terms": 2}), ("signed-digit", 3, {"exponent": -2}), ("power-of-two", 4, {})]
)
def test_weights_take_the_nearest_value(name: str, bits: int, options: dict[str, int]) -> None:
    torch.manual_seed(0)
    layer = qnn.QuantLinear(40, 20, **quant.weight(name, bits, **options))
    p = options.get("exponent", exponent_of(layer.weight.abs().max().item()))
    values = np.array(representable(bits, 1 if name == "power-of-two" else options.get("terms"))) * 2.0 ** (p - bits + 1)
    weight = layer.weight.detach().double().numpy()
    want = values[np.abs(weight[..., None] - values).argmin(-1)]
    got = layer.quant_weight()
    np.testing.assert_array_equal(got.value.detach().numpy(), want)
    assert got.scale.item() == 2.0 ** (p - bits + 1)
    (got.value * torch.arange(40.0)).sum().backward()
    assert torch.equal(layer.weight.grad, torch.arange(40.0).expand(20, 40))  # straight through


def test_ties_go_to_even_so_that_rounding_has_no_bias() -> None:
    layer = qnn.QuantLinear(6, 1, **quant.weight("signed-digit", 3, exponent=2))
    layer.weight.data = torch.tensor([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5]])
    assert layer.quant_weight().value.tolist() == [[0.0, 2.0, 2.0, 0.0, -2.0, -2.0]]


def test_the_exponent_of_least_loss_by_hand() -> None:
    """One digit for 0.4, 0.4 and 4: p = 2 makes 0, 0 and 4, of squared error 0.32; p = -1 makes 0.5, 0.5 and 0.5, of 12.27. But if only the small
    ones count, p = -1 has the least, 0.02."""
    weight = torch.tensor([[0.4, 0.4, 4.0]], dtype=torch.float64)
    for h, exponent, loss in (([1.0, 1.0, 1.0], 2, 0.16), ([1.0, 1.0, 0.0], -1, 0.01)):
        fit = Rounding("nearest").fit(weight, Diagonal(torch.tensor([h], dtype=torch.float64)), representable(1))
        assert (fit.exponent, fit.loss) == (exponent, pytest.approx(loss))


def test_allocation_is_the_best_of_all_choices() -> None:
    random = np.random.default_rng(0)
    for _ in range(30):
        ways = [[(int(d), float(loss)) for d, loss in zip(random.integers(1, 9, 4), random.random(4), strict=True)] for _ in range(4)]
        budget = int(random.integers(12, 30))
        sums = [(sum(w[i][0] for w, i in zip(ways, path, strict=True)), sum(w[i][1] for w, i in zip(ways, path, strict=True)), path)
                for path in product(range(4), repeat=4)]  # fmt: skip
        legal = [loss for digits, loss, _ in sums if digits <= budget]
        if legal:
            chosen = allocate(ways, budget)
            assert sum(w[i][0] for w, i in zip(ways, chosen, strict=True)) <= budget
            assert sum(w[i][1] for w, i in zip(ways, chosen, strict=True)) == pytest.approx(min(legal))
    with pytest.raises(InputError, match="a budget of 5 digits: the layers need at least 7"):
        allocate([[(3, 0.0), (4, 0.0)], [(4, 1.0)]], 5)


METHODS = {
    "nearest": SignedDigits(2, curvature="none", rounding="nearest"),
    "diagonal": SignedDigits(3, terms=1, curvature="diagonal"),
    "path": SignedDigits(3, curvature="block", price=1e-4),
    "budget": DigitBudget(0.6, curvature="diagonal"),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_what_is_planned_is_what_hardware_computes(name: str, network: str, request: pytest.FixtureRequest, batches: Batches) -> None:
    model, method = request.getfixturevalue(network), METHODS[name]
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    plan = method.plan(model, batches)
    after = method.apply(model, plan)
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key]), f"the method changed {key} of the given model"
    for layer, each in plan.layers.items():
        got = integers(layer, dict(after.named_modules())[layer])
        assert torch.equal(got.values.flatten(1), each.fit.values)
        assert float(got.scale) == 2.0**each.fit.exponent
    report = method.report(model, after, plan)
    assert report.total[1].digits == plan.used
    assert report.total[1].digits < report.total[0].digits
    request.getfixturevalue("check_lowering")(after)


def test_a_budget_is_kept_and_a_greater_one_loses_less(mlp: nn.Module, batches: Batches) -> None:
    losses = []
    for budget in (0.4, 0.8, 1.6):
        plan = DigitBudget(budget).plan(mlp, batches)
        assert plan.used <= budget * (36 * 8 + 8 * 3)
        losses.append(plan.loss)
    assert losses[0] > losses[1] > losses[2]


def test_a_path_by_the_loss_beats_nearest_with_fewer_digits(mlp: nn.Module, batches: Batches) -> None:
    curvature = compress.fisher(mlp, batches, "kronecker")
    nearest = SignedDigits(2, curvature="none", rounding="nearest").plan(mlp, None)
    path = SignedDigits(2, price=1e-6).plan(mlp, batches)
    weights = {"2.0": 0, "3": 1}
    for layer in weights:
        target = integers(layer, dict(mlp.named_modules())[layer])
        loss = [curvature[layer].loss((target.values * target.scale).flatten(1) - plan.layers[layer].fit.weights) for plan in (nearest, path)]
        assert loss[1] < 0.7 * loss[0]
    assert path.used < nearest.used


def test_bad_options(mlp: nn.Module, batches: Batches) -> None:
    for options, message in (
        ({"digits": 9}, "weights of 9 digits: 1 to 8"),
        ({"digits": 2, "terms": 3}, "3 of 2 digits"),
        ({"curvature": "fisher"}, "no curvature 'fisher'"),
        ({"rounding": "up"}, "no rounding 'up'"),
        ({"width": 0}, "width 0"),
        ({"price": -1.0}, "price of -1"),
        ({"digit": 3}, "no option 'digit'; did you mean 'digits'"),
        ({"digits": "3"}, "digits = '3' is no int"),
        ({"digits": True}, "digits = True is no int"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("signed-digit", **options)
    with pytest.raises(InputError, match="no compression method 'signed-digits'; did you mean 'signed-digit'"):
        compress.make("signed-digits")
    with pytest.raises(InputError, match="give batches of training data"):
        SignedDigits().plan(mlp, None)
    with pytest.raises(InputError, match="a budget of 31 digits: the layers need at least"):
        DigitBudget(0.1, curvature="diagonal", fewest=8, most=8).plan(mlp, batches)
    with pytest.raises(InputError, match="a budget of 0 digits a weight"):
        DigitBudget(0.0)
    with pytest.raises(InputError, match="weights of 3 to 2 digits"):
        DigitBudget(fewest=3, most=2)
