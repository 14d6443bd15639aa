"""The training loop against gradient descent written out by hand; resuming bit for bit; divergence; what a checkpoint may be used for."""

from __future__ import annotations

import copy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from hwqnn.compress.layers import prunable, prune
from hwqnn.data import Dataset
from hwqnn.errors import CheckError, InputError
from hwqnn.train import Mlp, Quantizer, Settings, evaluate, fit
from hwqnn.train.augment import flip, shift
from hwqnn.train.images import Images
from hwqnn.train.loop import Epoch
from hwqnn.train.recipe import TERMS

SIGN, STOCHASTIC = Quantizer("sign"), Quantizer("stochastic-sign")


def clusters(count: int, seed: int) -> Dataset:
    """uint8 (N, 4, 4): three classes, each its own bright rows, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    x = rng.integers(0, 150, (count, 4, 4))
    x[np.arange(count), y] += 100
    return Dataset("clusters", x.astype(np.uint8), y.astype(np.int64), Fraction(1, 255))


TRAIN, TEST = clusters(300, 0), clusters(90, 1)
SETTINGS = Settings(epochs=4, batch=30, lr=0.02, augment="shift")


def network(weight: Quantizer = SIGN, act: Quantizer = SIGN, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Mlp([16, 24, 3], weight, act, last=Quantizer("integer", 8))


def same(a: nn.Module, b: nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Softmax(nn.Module):
    """A linear layer of floats, without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 3, bias=False)
        nn.init.zeros_(self.layer.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.flatten(1))


def test_steps_are_those_of_momentum_descent_on_the_mean_cross_entropy() -> None:
    """Whole-batch steps in float64, written out: v = 0.9 v + g + decay w, w = w - lr v, on the cosine's rates."""
    settings = Settings(epochs=3, batch=len(TRAIN), optimizer="sgd", lr=0.5, weight_decay=0.1, schedule="cosine")
    fitted = fit(Softmax(), TRAIN, TEST, settings)
    x, target = TRAIN.x.reshape(-1, 16) / 255.0, np.eye(3)[TRAIN.y]
    w, v, losses = np.zeros((3, 16)), np.zeros((3, 16)), []
    for epoch in range(3):
        p = np.exp(x @ w.T)
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log((p * target).sum(1)).mean())
        v = 0.9 * v + (p - target).T @ x / len(x) + 0.1 * w
        w = w - 0.5 * (1 + np.cos(np.pi * epoch / 3)) / 2 * v
    assert np.allclose(fitted.model.layer.weight.detach().numpy(), w, atol=1e-5)
    assert np.allclose([e.loss for e in fitted.history], losses, atol=1e-5)
    right = ((TEST.x.reshape(-1, 16) / 255.0 @ w.T).argmax(1) == TEST.y).mean() * 100
    assert fitted.accuracy == pytest.approx(right)
    assert [e.epoch for e in fitted.history] == [1, 2, 3]


@pytest.mark.parametrize("act", [SIGN, STOCHASTIC])
def test_binary_networks_learn(act: Quantizer) -> None:
    fitted = fit(network(act=act), TRAIN, TEST, replace(SETTINGS, epochs=10, augment="none"))
    assert fitted.accuracy > 90
    assert not fitted.model.training
    assert fitted.accuracy == evaluate(fitted.model, Images.of(TEST))
    assert fitted.history[-1].loss < fitted.history[0].loss


def test_a_run_that_was_killed_in_its_first_epoch_begins_again(tmp_path: Path) -> None:
    class Killed:
        """Stops the training in its first epoch."""

        def __call__(self, model: nn.Module) -> torch.Tensor:
            raise KeyboardInterrupt

        def step(self, model: nn.Module, epoch: int, epochs: int) -> None: ...

    learned = Quantizer("integer", 6), Quantizer("relu", 2)  # scales that are learned
    kept = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        fit(network(*learned), TRAIN, TEST, SETTINGS, terms=[Killed()], checkpoint=kept)
    resumed = fit(network(*learned), TRAIN, TEST, SETTINGS, checkpoint=kept)
    assert same(resumed.model, fit(network(*learned), TRAIN, TEST, SETTINGS).model)


def test_what_was_pruned_stays_zero_and_what_was_not_trains() -> None:
    model = network(Quantizer("integer", 6), Quantizer("relu", 2))
    for layer in prunable(model).values():
        prune(layer, torch.rand_like(layer.weight) < 0.5)
        prune(layer, torch.rand_like(layer.weight) < 0.8)  # what the first took stays taken
    before = {name: (layer.weight.clone(), layer.kept) for name, layer in prunable(model).items()}
    after = prunable(fit(copy.deepcopy(model), TRAIN, TEST, SETTINGS).model)
    for name, (weight, kept) in before.items():
        assert 0.25 < kept.double().mean() < 0.55
        assert torch.equal(weight != 0, kept)
        now = after[name].weight
        assert not now[~kept].any()
        assert (now[kept] != weight[kept]).double().mean() > 0.4  # of units that are never on, no weight trains
        assert not after[name].quant_weight().value[~kept].any()


@pytest.mark.parametrize("quantizer", [SIGN, Quantizer("xnor"), Quantizer("dorefa", 2), Quantizer("balanced", 3)])
def test_weights_that_cannot_be_zero_are_not_prunable(quantizer: Quantizer) -> None:
    with pytest.raises(InputError, match=r"layer 'hidden\.0\.0': its quantizer \w+ has no 0; use integer, or ternary"):
        prunable(network(quantizer))


def test_latent_weights_are_clipped_where_the_quantizer_asks() -> None:
    model = fit(network(), TRAIN, TEST, replace(SETTINGS, lr=1.0, epochs=1)).model
    assert model.hidden[0][0].weight.abs().max() == 1
    assert model.output.weight.abs().max() > 1


@pytest.mark.parametrize(
    ("weight", "act", "optimizer"), [(SIGN, SIGN, "adam"), (STOCHASTIC, STOCHASTIC, "sgd"), (Quantizer("learned-discrete", 2), SIGN, "adamw")]
)
@pytest.mark.parametrize("when", ["between epochs", "in an epoch"])
def test_an_interrupted_training_goes_on_bit_for_bit(weight: Quantizer, act: Quantizer, optimizer: str, when: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, optimizer=optimizer)
    whole = fit(network(weight, act), TRAIN, TEST, settings)

    def stop_between(epoch: Epoch, _: float) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    class StopWithin:
        calls = 0

        def __call__(self, _: nn.Module) -> torch.Tensor:
            self.calls += 1
            if self.calls == 23:  # ten steps an epoch
                raise KeyboardInterrupt
            return torch.zeros(())

        def step(self, model: nn.Module, epoch: int, epochs: int) -> None: ...

    path = tmp_path / "checkpoint.pt"
    between = when == "between epochs"
    with pytest.raises(KeyboardInterrupt):
        fit(
            network(weight, act),
            TRAIN,
            TEST,
            settings,
            checkpoint=path,
            progress=stop_between if between else None,
            terms=[] if between else [StopWithin()],
        )
    torch.manual_seed(99)
    torch.rand(7)
    seen: list[int] = []
    resumed = fit(network(weight, act, seed=5), TRAIN, TEST, settings, checkpoint=path, progress=lambda epoch, _: seen.append(epoch.epoch))
    assert seen == [3, 4]
    assert same(resumed.model, whole.model)
    assert [replace(e, seconds=0) for e in resumed.history] == [replace(e, seconds=0) for e in whole.history]
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    again = fit(network(weight, act), TRAIN, TEST, settings, checkpoint=path)  # nothing is left to do
    assert same(again.model, whole.model)
    assert again.history == resumed.history


def test_another_seed_gives_another_network() -> None:
    one, other = (fit(network(), TRAIN, TEST, replace(SETTINGS, seed=seed, epochs=1)).model for seed in (0, 1))
    assert not same(one, other)


def test_the_callers_generator_and_threads_stay_as_they_are() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(3), torch.get_num_threads()
    model = network()
    torch.manual_seed(3)
    fit(model, TRAIN, TEST, replace(SETTINGS, epochs=1, threads=2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


class Poison:
    """From some step on: a loss of NaN, or a gradient that is infinite while the loss is not."""

    def __init__(self, step: int, value: float) -> None:
        self.left, self.value = step, value

    def __call__(self, model: nn.Module) -> torch.Tensor:
        self.left -= 1
        if self.left >= 0:
            return torch.zeros(())
        if self.value != self.value:
            return torch.tensor(self.value)
        weight = model.output.weight
        return (weight * 0).sum().sqrt()  # the root's slope at 0 is infinite

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None: ...


@pytest.mark.parametrize(
    ("step", "value", "words"),
    [(25, float("nan"), "the loss became nan in epoch 3, step 6"), (25, float("inf"), "in epoch 3, step 7"), (29, float("inf"), "after epoch 3")],
)
def test_a_diverged_training_is_one_error_and_the_last_good_checkpoint_is_kept(step: int, value: float, words: str, tmp_path: Path) -> None:
    path, good = tmp_path / "checkpoint.pt", tmp_path / "good.pt"
    with pytest.raises(CheckError) as error:
        fit(network(), TRAIN, TEST, SETTINGS, checkpoint=path, terms=[Poison(step, value)])
    assert words in str(error.value)
    assert f"after 2 epochs, stays in {path}" in str(error.value)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), TRAIN, TEST, SETTINGS, checkpoint=good, progress=lambda epoch, _: _stop(epoch.epoch == 2))
    kept, wanted = torch.load(path), torch.load(good)
    assert all(torch.equal(kept["model"][key], wanted["model"][key]) for key in wanted["model"])
    assert len(kept["history"]) == 2
    assert same(fit(network(), TRAIN, TEST, SETTINGS, checkpoint=path).model, fit(network(), TRAIN, TEST, SETTINGS).model)  # without the poison


def _stop(now: bool) -> None:
    if now:
        raise KeyboardInterrupt


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    settings = replace(SETTINGS, epochs=1)
    fit(network(), TRAIN, TEST, settings, checkpoint=path)
    for model, other, words in (
        (network(), replace(settings, lr=0.5), "lr = 0.02, now 0.5"),
        (Mlp([16, 7, 3], SIGN, SIGN), settings, "of another network"),
        (Softmax(), settings, "of another network"),
    ):
        with pytest.raises(InputError, match=words):
            fit(model, TRAIN, TEST, other, checkpoint=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        fit(network(), TRAIN, TEST, settings, checkpoint=path)
    torch.save({"weights": torch.ones(3)}, path)
    with pytest.raises(InputError, match="no checkpoint"):
        fit(network(), TRAIN, TEST, settings, checkpoint=path)


def test_images_are_the_reals_of_the_data_set() -> None:
    every = Dataset("every", np.arange(256, dtype=np.uint8).reshape(2, 8, 16), np.array([0, 1]), Fraction(3, 255))
    (x, y), *more = Images.of(every).batches(10)
    assert np.array_equal(x.numpy(), every.real()[:, None])
    assert (y.tolist(), more) == ([0, 1], [])
    assert Images.of(every, scale=Fraction(1, 2)).real(torch.tensor([3])).item() == 1.5


def test_shifted_images_are_moved_by_up_to_two_pixels() -> None:
    images = torch.arange(1, 61, dtype=torch.uint8).reshape(3, 1, 4, 5).repeat(40, 1, 1, 1)
    moved = shift(images, torch.Generator().manual_seed(0))
    found = set()
    for before, after in zip(images[:, 0].tolist(), moved[:, 0].tolist(), strict=True):
        ways = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if all(after[r][c] == (before[r + dy][c + dx] if 0 <= r + dy < 4 and 0 <= c + dx < 5 else 0) for r in range(4) for c in range(5))
        ]
        assert len(ways) == 1
        found.update(ways)
    assert len(found) == 25


def test_flipped_images_are_mirrored_or_not() -> None:
    images = torch.arange(600).reshape(100, 1, 2, 3)
    flipped = flip(images, torch.Generator().manual_seed(0))
    mirrored = [torch.equal(after, before.flip(2)) for before, after in zip(images, flipped, strict=True)]
    assert all(m or torch.equal(after, before) for m, before, after in zip(mirrored, images, flipped, strict=True))
    assert 30 < sum(mirrored) < 70


def test_terms_add_to_the_loss_and_are_told_of_every_epoch() -> None:
    class Pull:
        """Pulls the last layer's latent weights to 0."""

        told: ClassVar[list[tuple[int, int]]] = []

        def __call__(self, model: nn.Module) -> torch.Tensor:
            return 10 * model.output.weight.square().sum()

        def step(self, model: nn.Module, epoch: int, epochs: int) -> None:
            self.told.append((epoch, epochs))

    free, pulled = (fit(network(), TRAIN, TEST, SETTINGS, terms=terms) for terms in ([], [Pull()]))
    assert pulled.model.output.weight.abs().max() < free.model.output.weight.abs().max() / 3
    assert pulled.history[0].loss > free.history[0].loss
    assert Pull.told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_a_recipes_term_changes_bits_while_the_network_trains() -> None:
    model = Mlp([16, 8, 3], Quantizer("dorefa", 8), Quantizer("relu", 2), first=SIGN)
    fitted = fit(model, TRAIN, TEST, SETTINGS, terms=[TERMS["bit-width-decay"](start=5, end=2)])
    assert set((fitted.model.output.quant_weight().value * 3).round().flatten().tolist()) <= {-3, -1, 1, 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs = 0"), ({"batch": 1}, "batch = 1"), ({"lr": 0.0}, "lr = 0"), ({"lr": float("nan")}, "lr = nan"),
        ({"weight_decay": -0.1}, "weight_decay = -0.1"), ({"seed": -1}, "seed = -1"), ({"optimizer": "adan"}, "did you mean 'adam'"),
        ({"schedule": "cosinus"}, "did you mean 'cosine'"), ({"images": 0}, "images = 0"), ({"augment": "x"}, "there are none, shift"),
    ],
)  # fmt: skip
def test_impossible_settings(change: dict, words: str) -> None:
    with pytest.raises(InputError) as error:
        Settings(**change)
    assert words in str(error.value)


def test_a_batch_larger_than_the_data() -> None:
    with pytest.raises(InputError, match="only 300 training images"):
        fit(network(), TRAIN, TEST, Settings(batch=301))
