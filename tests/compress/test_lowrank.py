"""Layers of low rank: the errors of each form against bounds and slow solutions, what the chains compute, how they are lowered, stored and chosen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from running import Ran
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import hwqnn as package
from hwqnn import compress, quant
from hwqnn.compress import Batches
from hwqnn.compress.factored import Chain, LowRank
from hwqnn.compress.factored.cp import terms
from hwqnn.compress.factored.ranges import clip, run
from hwqnn.compress.factored.tensor_train import modes
from hwqnn.compress.layers import layers
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import Pin, Pins
from hwqnn.errors import InputError
from hwqnn.train import load, stored

Check = Callable[[nn.Module], None]

DENSE = {"svd": {}, "kronecker": {}, "tensor-train": {"cores": 3}}
CONV: dict[str, dict[str, int]] = {name: {} for name in ("hxw-1x1", "1x1-hxw", "horizontal-vertical", "separable", "cp", "tucker")}
SIDES = {"hxw-1x1": "ihwo", "1x1-hxw": "iohw", "horizontal-vertical": "ihow"}
"""Axes of the matrix whose singular values count, those of its rows first."""


def form(name: str, **options: Any) -> LowRank:
    made = compress.make(name, **(options or {"rank": 1}), **(DENSE | CONV)[name])
    assert isinstance(made, LowRank)
    return made


def weight(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def convolution(**options: Any) -> Any:
    return qnn.QuantConv2d(4, 6, (3, 2), **options, **quant.weight("integer", 8))


def error(method: LowRank, given: Tensor, *ranks: int) -> float:
    return float((method.product(method.factors(given, ranks), given.shape) - given).norm())


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("name", SIDES)
def test_no_split_of_the_axes_is_nearer(name: str, rank: int) -> None:
    """Eckart and Young: the error is the root of the squared singular values that are left out."""
    given = weight(6, 4, 3, 2)
    rows = {"ihwo": 24, "iohw": 4, "ihow": 12}[SIDES[name]]
    values = torch.linalg.svdvals(given.permute(["oihw".index(axis) for axis in SIDES[name]]).reshape(rows, -1))
    assert error(form(name), given, rank) == pytest.approx(float(values[rank:].square().sum().sqrt()), abs=1e-9)


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_no_dense_layer_of_that_rank_is_nearer(rank: int) -> None:
    given = weight(7, 6)
    left = torch.linalg.svdvals(given)[rank:]
    assert error(form("svd"), given, rank) == pytest.approx(float(left.norm()), abs=1e-9)
    assert torch.linalg.matrix_rank(form("svd").product(form("svd").factors(given, (rank,)), given.shape)) == rank


@pytest.mark.parametrize("rank", [1, 3])
def test_separable_layers_are_the_best_of_each_channel(rank: int) -> None:
    given = weight(6, 4, 3, 2)
    left = [torch.linalg.svdvals(given[:, channel].reshape(6, 6))[rank:] for channel in range(4)]
    assert error(form("separable"), given, rank) == pytest.approx(float(torch.cat(left).norm()), abs=1e-9)


@pytest.mark.parametrize("rank", [1, 2])
def test_kronecker_products_are_as_near_as_alternating_least_squares_finds(rank: int) -> None:
    """W about sum_r A_r x B_r: with all B fixed, the best A solve least squares in the columns vec(E x B_r), for every unit matrix E."""
    given = weight(6, 12)
    (a_shape, b_shape), random = ((2, 3), (3, 4)), torch.Generator().manual_seed(1)
    assert (modes(6, 2), modes(12, 2)) == ((2, 3), (3, 4))
    factors = {side: torch.randn(rank, *shape, generator=random, dtype=torch.float64) for side, shape in (("a", a_shape), ("b", b_shape))}

    def solved(side: str, shape: tuple[int, int]) -> Tensor:
        units = [unit.reshape(shape) for unit in torch.eye(math.prod(shape), dtype=torch.float64)]
        pairs = [(unit, other) if side == "a" else (other, unit) for other in factors["b" if side == "a" else "a"] for unit in units]
        columns = torch.stack([torch.kron(a, b).flatten() for a, b in pairs], 1)
        return torch.linalg.lstsq(columns, given.flatten(), driver="gelsd").solution.reshape(rank, *shape)

    for _ in range(300):
        factors["a"] = solved("a", a_shape)
        factors["b"] = solved("b", b_shape)
    slow = sum(torch.kron(a, b) for a, b in zip(factors["a"], factors["b"], strict=True))
    method = form("kronecker")
    fast = method.product(method.factors(given, (rank,)), given.shape)
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-6)


def test_a_train_is_the_product_of_its_cores_and_as_near_as_promised() -> None:
    """Theorem 2.2: the squared error is at most the sum of those of the best matrices of each unfolding."""
    given, method = weight(12, 30), form("tensor-train")
    outs, ins = modes(12, 3), modes(30, 3)
    assert (outs, ins) == ((2, 2, 3), (2, 3, 5))
    ranks = (3, 4)
    factors = method.factors(given, ranks)
    bonds = (1, *ranks, 1)
    whole = torch.zeros(12, 30, dtype=torch.float64)
    for row, i in enumerate(itertools.product(*map(range, outs))):
        for column, j in enumerate(itertools.product(*map(range, ins))):
            matrix = torch.eye(1, dtype=torch.float64)
            for k in range(3):
                rows = range(i[k] * bonds[k + 1], (i[k] + 1) * bonds[k + 1])
                matrix = matrix @ factors[k][list(rows), :, j[k], 0].T
            whole[row, column] = matrix
    torch.testing.assert_close(method.product(factors, given.shape), whole)
    tensor = given.reshape(*outs, *ins).permute(3, 0, 4, 1, 5, 2)
    cuts = [torch.linalg.svdvals(tensor.reshape(size, -1))[rank:].square().sum() for size, rank in zip((4, 24), ranks, strict=True)]
    best = max(cuts)
    assert float(best) <= error(method, given, *ranks) ** 2 <= float(sum(cuts))


def test_tucker_is_as_near_as_promised() -> None:
    """The squared error is at most the sum of the squares that both unfoldings leave out, and at least the greater of them."""
    given = weight(6, 4, 3, 2)
    cuts = [torch.linalg.svdvals(given.transpose(0, axis).flatten(1))[rank:].square().sum() for axis, rank in ((1, 2), (0, 3))]
    assert float(max(cuts)) <= error(form("tucker"), given, 2, 3) ** 2 <= float(sum(cuts))


def test_alternating_least_squares_finds_what_is_there() -> None:
    a, b, c = weight(6, 2), weight(4, 2, seed=1), weight(6, 2, seed=2)
    tensor = torch.einsum("ir,jr,kr->ijk", a, b, c)
    torch.testing.assert_close(torch.einsum("ir,jr,kr->ijk", *terms(tensor, 2)), tensor, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", [*DENSE, *CONV])
def test_the_full_rank_is_the_layer_itself(name: str) -> None:
    given = weight(6, 12) if name in DENSE else weight(4, 3, 2, 2)
    method = form(name)
    assert error(method, given, *method.full(given.shape)) < 1e-3 * float(given.norm())


@pytest.mark.parametrize("name", CONV)
def test_a_chain_of_convolutions_is_the_convolution_of_its_product(name: str) -> None:
    layer = convolution(stride=(2, 1), padding=(1, 2), dilation=(1, 2))
    method, x = form(name), weight(5, 4, 7, 9, seed=3)
    ranks = tuple(min(2, full) for full in method.full(layer.weight.shape))
    parts, factors = method.parts(layer, ranks), method.factors(layer.weight.detach().double(), ranks)
    assert [factor.shape for factor in factors] == [part.shape for part in parts]
    whole = method.product(factors, layer.weight.shape)
    want = F.conv2d(x, whole, None, layer.stride, layer.padding, layer.dilation)
    for part, factor in zip(parts, factors, strict=True):
        x = run(part, factor, x)
    torch.testing.assert_close(x, want)


@pytest.mark.parametrize("name", DENSE)
def test_a_chain_of_dense_layers_is_the_layer_of_its_product(name: str) -> None:
    layer = qnn.QuantLinear(30, 12, **quant.weight("integer", 8))
    method, x = form(name), weight(5, 30, seed=3)
    ranks = tuple(2 for _ in method.full(layer.weight.shape))
    parts, factors = method.parts(layer, ranks), method.factors(layer.weight.detach().double(), ranks)
    want = x @ method.product(factors, (12, 30)).T
    for part, factor in zip(parts, factors, strict=True):
        x = run(part, factor, x)
    torch.testing.assert_close(x, want)


@pytest.mark.parametrize(("size", "count"), [(784, 2), (300, 3), (7, 2), (36, 4), (1, 2)])
def test_modes_are_as_near_to_each_other_as_they_can_be(size: int, count: int) -> None:
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    ways = [way for way in itertools.combinations_with_replacement(divisors, count) if math.prod(way) == size]
    assert sum(modes(size, count)) == min(map(sum, ways))
    assert modes(size, count) in ways


def test_the_greatest_value_has_the_least_error() -> None:
    values = weight(5000)

    def squared(maximum: float) -> float:
        step = maximum / 8
        return float(np.mean([(min(max(round(v / step), -7), 7) * step - v) ** 2 for v in values.tolist()]))

    found = clip(values, 4)
    assert squared(found) <= min(squared(maximum) for maximum in np.linspace(0.5, 4, 30)) * 1.001


# What the tests below share: networks of 36 inputs, wide enough to be of low rank.


@pytest.fixture
def dense() -> nn.Module:
    torch.manual_seed(1)
    narrow = quant.weight("integer", 8, per_channel=False)
    hidden = nn.Sequential(qnn.QuantLinear(36, 12, **narrow), nn.BatchNorm1d(12), quant.act("relu", 2))
    return seen(nn.Sequential(nn.Flatten(), quant.act("dorefa", 2), hidden, qnn.QuantLinear(12, 4, **narrow)))


@pytest.fixture
def conv() -> nn.Module:
    return convolutions()


def convolutions() -> nn.Module:
    torch.manual_seed(2)
    first = nn.Sequential(qnn.QuantConv2d(1, 4, 3, padding=1, **quant.weight("integer", 8)), nn.BatchNorm2d(4), quant.act("relu", 2))
    second = nn.Sequential(qnn.QuantConv2d(4, 6, 3, stride=2, padding=1, **quant.weight("integer", 8)), nn.BatchNorm2d(6), quant.act("relu", 2))
    last = qnn.QuantLinear(54, 3, **quant.weight("integer", 8, per_channel=False))
    return seen(nn.Sequential(quant.act("dorefa", 2), first, second, nn.Flatten(), last))


def seen(model: nn.Module) -> nn.Module:
    """Batch norm statistics of random images."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(64, 1, 6, 6))
    return model.eval()


@pytest.mark.parametrize("name", [*DENSE, *CONV])
def test_hardware_computes_every_form(name: str, dense: nn.Module, conv: nn.Module, batches: Batches, check_lowering: Check) -> None:
    model = dense if name in DENSE else conv
    options = {"rank": 2} if name in DENSE else {"rank": 2, "layers": "2.0"}
    done = compress.run(model, [form(name, **options)], batches)
    assert [type(module) for module in done.model.modules()].count(Chain) == (2 if name in DENSE else 1)
    check_lowering(done.model)
    old, new = done.reports[0].total
    assert new.weights < old.weights


def test_forms_follow_each_other_and_digits_follow_them(conv: nn.Module, batches: Batches, check_lowering: Check, tmp_path: Path) -> None:
    steps = [
        compress.make("horizontal-vertical", rank=4, layers="2.0"),
        compress.make("hxw-1x1", rank=2, layers="2.0.*"),
        compress.make("svd", error=0.5),
        compress.make("signed-digit", digits=3),
    ]
    done = compress.run(conv, steps, batches)
    assert [name for name, module in done.model.named_modules() if isinstance(module, Chain)] == ["2.0", "2.0.0", "2.0.2", "4"]
    assert set(done.reports[-1].after) == {"1.0", "2.0.0.0", "2.0.0.2", "2.0.2.0", "2.0.2.2", "4.0", "4.2"}
    assert all(len(layer.quant_weight().value.unique()) <= 15 for layer in layers(done.model).values())
    check_lowering(done.model)
    stored.save(done.model, tmp_path / "a.safetensors")
    again, x = stored.load(convolutions(), tmp_path / "a.safetensors"), torch.rand(20, 1, 6, 6)
    assert torch.equal(again(x), done.model(x))
    with pytest.raises(InputError, match="cannot be factored as the stored network says"):
        stored.load(nn.Sequential(qnn.QuantLinear(36, 4, **quant.weight("integer", 8))), tmp_path / "a.safetensors")


def test_with_full_rank_and_8_bits_scores_stay(dense: nn.Module, batches: Batches) -> None:
    done = compress.run(dense, [form("svd", rank=12, bits=8, layers="2.0")], batches)
    x = torch.rand(200, 1, 6, 6)
    with torch.no_grad():
        before, after = dense[:2](x) @ dense[2][0].quant_weight().value.T, done.model[2][0](dense[:2](x))
    assert float((after - before).norm() / before.norm()) < 0.02


def test_the_values_between_are_as_large_as_their_quantizer_wants(dense: nn.Module, batches: Batches) -> None:
    method = form("svd", rank=3)
    plan = method.plan(dense, batches)
    x = torch.cat([x for x, _ in batches()])
    with torch.no_grad():
        values = dense[:2](x).double() @ plan.layers["2.0"].factors[0].T
    torch.testing.assert_close(values.square().mean(0), torch.ones(3, dtype=torch.float64))


def test_ranks_by_error_are_the_least_that_keep_it(dense: nn.Module, batches: Batches) -> None:
    plan = form("svd", error=0.55).plan(dense, batches)
    given = dense[2][0].quant_weight().value.detach().double()
    values = torch.linalg.svdvals(given).square()
    enough = next(rank for rank in range(1, 13) if values[rank:].sum() <= 0.55**2 * values.sum())
    assert plan.layers["2.0"].structure.ranks == (enough,)
    assert plan.layers["2.0"].error == pytest.approx(float((values[enough:].sum() / values.sum()).sqrt()))
    for name in ("kronecker", "tensor-train"):
        assert all(each.error <= 0.55 for each in form(name, error=0.55).plan(dense, batches).layers.values())
    stays = form("svd", error=0.01).plan(dense, batches)
    assert stays.layers == {} and stays.stay == ("2.0", "3")
    assert "stays as it is" in str(stays)


def test_a_budget_is_kept_and_used_well(dense: nn.Module, batches: Batches) -> None:
    plan = form("svd", budget=200).plan(dense, batches)
    used = sum(each.weights for each in plan.layers.values()) + sum(layers(dense)[name].weight.numel() for name in plan.stay)
    assert used <= 200
    squares = {name: torch.linalg.svdvals(layer.quant_weight().value.detach().double()).square() for name, layer in layers(dense).items()}
    ways = [(48 * a + (16 * b if b < 3 else 48), a, b) for a in range(1, 9) for b in range(1, 4)]
    best = min(left(squares["2.0"], a) + (left(squares["3"], b) if b < 3 else 0.0) for cost, a, b in ways if cost <= 200)
    assert sum(each.error**2 for each in plan.layers.values()) == pytest.approx(best)


def left(squares: Tensor, rank: int) -> float:
    """The squared relative error of a rank."""
    return float(squares[rank:].sum() / squares.sum())


def test_what_is_impossible_is_said(dense: nn.Module, conv: nn.Module, batches: Batches) -> None:
    wrong: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("svd", {"rank": 5}, "layer '3', method 'svd': rank = 5, but its greatest rank is 4"),
        ("kronecker", {"rank": 9}, "layer '3', method 'kronecker': rank = 9, but its greatest rank is 6"),
        ("svd", {"rank": 1, "layers": "hidden.*"}, "layers = 'hidden.*' is none of the layers that method 'svd' takes: 2.0, 3"),
        ("tucker", {"rank": 1}, "method 'tucker' takes QuantConv2d layers of one group, padded with zeros, and Sequential has none"),
        ("svd", {"budget": 20}, "budget = 20 weights: the smallest ranks of 2.0, 3 need 64"),
    )
    for name, options, message in wrong:
        with pytest.raises(InputError, match=message):
            form(name, **options).plan(dense, batches)
    with pytest.raises(InputError, match=r"layer '1.0', method 'horizontal-vertical': rank = 4, but its greatest rank is 3"):
        form("horizontal-vertical", rank=4).plan(conv, batches)
    with pytest.raises(InputError, match="give batches"):
        form("svd", rank=1).plan(dense, None)
    for options, message in (
        ({}, "one of rank, error and budget, not none"),
        ({"rank": 2, "error": 0.5}, "not rank and error"),
        ({"rank": 0}, "rank = 0: it must be at least 1"),
        ({"error": 1.0}, "error = 1: it is relative"),
        ({"rank": 1, "bits": 9}, "bits = 9: the values between two factors take 2 to 8"),
    ):
        with pytest.raises(InputError, match=message):
            compress.make("svd", **options)
    for cores in (1, 7):
        with pytest.raises(InputError, match=f"cores = {cores}: a train has 2 to 6"):
            compress.make("tensor-train", rank=1, cores=cores)
    with pytest.raises(InputError, match="method 'kronecker' has no option 'cores'"):
        compress.make("kronecker", rank=1, cores=3)


def test_a_quantizer_made_for_a_layers_own_weights_is_refused(dense: nn.Module, batches: Batches, tmp_path: Path) -> None:
    stored.save(dense, tmp_path / "a.safetensors")
    again = stored.load(dense, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"layer '2.0': its quantizer StoredCodes has a scale of its own, or values"):
        compress.run(again, [form("svd", rank=2)], batches)


def test_a_model_that_is_one_layer_becomes_a_chain(tmp_path: Path) -> None:
    layer, x = qnn.QuantLinear(12, 8, **quant.weight("integer", 8)), torch.rand(30, 12)
    done = compress.run(layer, [form("svd", rank=2)], lambda: iter([(x, torch.zeros(30, dtype=torch.long))]))
    assert isinstance(done.model, Chain)
    assert done.reports[0].total[1].weights == 2 * 12 + 8 * 2
    stored.save(done.model, tmp_path / "a.safetensors")
    again = stored.load(qnn.QuantLinear(12, 8, **quant.weight("integer", 8)), tmp_path / "a.safetensors")
    assert torch.equal(again(x), done.model(x))


def test_layers_with_a_bias_keep_it(batches: Batches) -> None:
    torch.manual_seed(0)
    layer = qnn.QuantLinear(36, 4, bias=True, weight_quant=quant.IntegerWeight, weight_bit_width=8, weight_per_channel=False)
    layer.bias.data = torch.tensor([1.0, -2.0, 0.5, 0.0])
    model = nn.Sequential(nn.Flatten(), quant.act("dorefa", 2), layer).eval()
    done = compress.run(model, [form("svd", rank=3)], batches)
    assert torch.equal(done.model[2][2].bias, layer.bias)
    zero = torch.zeros(1, 1, 6, 6)
    assert torch.equal(done.model(zero), model(zero))
    with pytest.raises(InputError, match="takes QuantLinear layers without a bias"):
        form("kronecker").plan(model, batches)


# Hardware sees it: LUTs that yosys counts, of frozen layers before and after.


def luts(model: nn.Module, *shape: int) -> int:
    pins = Pins({name: Pin(store=Store.FROZEN) for name, layer in layers(model).items() if getattr(layer, "groups", 1) == 1})
    acc = package.compile(model, torch.zeros(1, *shape), fps=1e5, head="scores", pins=pins, threads=1)
    return round(sum(cells.lut for cells in acc.synthesize(jobs=1).values()))


def random_data(*shape: int) -> Batches:
    return lambda: iter([(torch.rand(256, *shape), torch.zeros(256, dtype=torch.long))])


def wide(outputs: int, inputs: int) -> nn.Module:
    """A dense layer of 5-bit weights that reads bits."""
    torch.manual_seed(0)
    layer = qnn.QuantLinear(inputs, outputs, **quant.weight("integer", 5, per_channel=False))
    return nn.Sequential(quant.act("dorefa", 1), layer).eval()


def maps(inputs: int = 6, outputs: int = 10) -> nn.Module:
    """A convolution of 5-bit weights that reads bits."""
    torch.manual_seed(0)
    layer = qnn.QuantConv2d(inputs, outputs, 3, **quant.weight("integer", 5, per_channel=False))
    return nn.Sequential(quant.act("dorefa", 1), layer).eval()


@pytest.fixture(scope="module")
def dense_luts() -> int:
    return luts(wide(20, 36), 36)


@pytest.fixture(scope="module")
def conv_luts() -> int:
    return luts(maps(), 6, 4, 4)


@pytest.mark.parametrize(("name", "rank"), [("svd", 3), ("kronecker", 1)])
def test_dense_layers_take_fewer_luts(name: str, rank: int, dense_luts: int) -> None:
    after = luts(compress.run(wide(20, 36), [form(name, rank=rank, bits=3)], random_data(36)).model, 36)
    print(f"{name}: {dense_luts} > {after} LUTs")
    assert after < 0.8 * dense_luts


@pytest.mark.parametrize(("name", "rank"), [("hxw-1x1", 2), ("horizontal-vertical", 2), ("separable", 1), ("cp", 3), ("tucker", 2)])
def test_convolutions_take_fewer_luts(name: str, rank: int, conv_luts: int) -> None:
    after = luts(compress.run(maps(), [form(name, rank=rank, bits=3)], random_data(6, 4, 4)).model, 6, 4, 4)
    print(f"{name}: {conv_luts} > {after} LUTs")
    assert after < 0.8 * conv_luts


def test_a_pointwise_start_pays_where_many_channels_become_few() -> None:
    before = luts(maps(16, 4), 16, 4, 4)
    after = luts(compress.run(maps(16, 4), [form("1x1-hxw", rank=2, bits=3)], random_data(16, 4, 4)).model, 16, 4, 4)
    assert after < 0.8 * before


def test_a_tensor_train_takes_fewer_luts() -> None:
    before = luts(wide(36, 64), 64)
    after = luts(compress.run(wide(36, 64), [form("tensor-train", rank=2, bits=3)], random_data(64)).model, 64)
    assert after < 0.5 * before


RECIPE = """
[model]
kind = "cnn"
input = [1, 6, 6]
channels = [4, 6]
classes = 3
weight = { name = "integer", bits = 6 }
act = { name = "relu", bits = 3 }
dense = [12]
[data]
train = "train.npz"
test = "test.npz"
[train]
epochs = 1
batch = 20
lr = 0.02
[[compress]]
method = "tucker"
rank = 3
layers = "conv.1.*"
finetune = { epochs = 2, lr = 0.005 }
[[compress]]
method = "svd"
rank = 4
layers = "dense.*"
finetune = { epochs = 2, lr = 0.005 }
"""


def test_a_recipe_stores_its_chains_and_goes_on_with_them(hwqnn: Callable[..., Ran]) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("train", 200), ("test", 70)):
        y = np.arange(count) % 3
        x = rng.integers(0, 150, (count, 6, 6))
        x[np.arange(count), y] += 100
        np.savez(f"{name}.npz", x=x.astype(np.uint8), y=y)
    Path("small.toml").write_text(RECIPE)
    ran = hwqnn("compress", "small.toml", "--out", "out")
    assert ran.code == 0, ran
    whole = Path("out/compressed.safetensors").read_bytes()
    assert "conv.1.0.2.codes" in load_file("out/compressed.safetensors")
    again = load(Path("out"), "compressed")
    assert [name for name, module in again.named_modules() if isinstance(module, Chain)] == ["conv.1.0", "dense.0.0"]
    Path("out/compress-2-finetune.pt").unlink()  # as if it had been interrupted there
    Path("out/compressed.safetensors").unlink()
    ran = hwqnn("compress", "small.toml", "--out", "out")
    assert ran.code == 0, ran
    assert Path("out/compressed.safetensors").read_bytes() == whole
    assert hwqnn("import", "out/model.py:compressed", "--data", "test.npz").code == 0
