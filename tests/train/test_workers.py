"""Workers: what each codec keeps of a gradient, the bytes by hand, and two gloo workers against one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from running import Ran
from torch import Tensor, nn

from hwqnn import quant
from hwqnn.data import Dataset
from hwqnn.errors import CheckError, InputError
from hwqnn.train import Settings, fit, workers
from hwqnn.train.workers import CODECS, Shared, Workers
from hwqnn.train.workers.codecs import SMALL, Codec, Dense, Dropped, Memory, TernGrad, codec_of, make
from hwqnn.train.workers.packing import from_bytes, pack, to_bytes, unpack

FEATURES, HIDDEN, CLASSES = 64, 32, 4
SETTINGS = Settings(epochs=2, batch=32, images=320, lr=0.05, optimizer="sgd", seed=3)


def network() -> nn.Module:
    """64-32-4 without batch norm, whose statistics would be those of each worker's part of a batch."""
    torch.manual_seed(0)
    weight = quant.weight("integer", 8)
    return nn.Sequential(nn.Flatten(), qnn.QuantLinear(FEATURES, HIDDEN, **weight), nn.ReLU(), qnn.QuantLinear(HIDDEN, CLASSES, **weight))


def broken() -> nn.Module:
    """The same, with a weight that is no number."""
    model = network()
    model[1].weight.data[0, 0] = float("nan")
    return model


def some(count: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    x = rng.integers(0, 100, (count, 8, 8))
    x[np.arange(count), y, y] += 150
    return Dataset("some", x.astype(np.uint8), y.astype(np.int64), Fraction(1, 255))


def memory(seed: int = 0) -> Memory:
    return Memory(torch.Generator().manual_seed(seed))


def gradient(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)) * 1e-3


@pytest.mark.parametrize(("base", "per_byte"), [(2, 8), (3, 5), (4, 4), (16, 2), (256, 1)])
@pytest.mark.parametrize("count", [1, 5, 37])
def test_what_is_packed_comes_back(base: int, per_byte: int, count: int) -> None:
    values = torch.randint(base, (count,), generator=torch.Generator().manual_seed(count))
    data = pack(values, base, per_byte)
    assert data.dtype == torch.uint8
    assert len(data) == -(-count // per_byte)
    assert torch.equal(unpack(data, base, per_byte, count), values)


def test_bytes_by_hand() -> None:
    assert pack(torch.tensor([2, 0, 1, 0, 0, 1]), 3, 5).tolist() == [2 + 9, 1]
    assert pack(torch.tensor([1, 2, 3, 0, 3]), 4, 4).tolist() == [1 + 2 * 4 + 3 * 16, 3]
    assert to_bytes(torch.tensor([1.0])).tolist() == [0, 0, 128, 63]
    assert from_bytes(torch.tensor([0, 0, 128, 63], dtype=torch.uint8), torch.float32).tolist() == [1.0]


@pytest.mark.parametrize(
    ("name", "options", "count", "length"),
    [
        ("dense", {}, 10, 40),
        ("dropped", {"drop": 0.99}, 2000, 20 * (4 + 2)),
        ("dropped", {"drop": 0.5}, 1, 6),
        ("terngrad", {}, 2001, 4 + 401),
        ("dorefa", {"bits": 2}, 2001, 4 + 501),
        ("dorefa", {"bits": 8}, 10, 14),
    ],
)
def test_messages_are_as_long_as_computed_by_hand(name: str, options: dict[str, float], count: int, length: int) -> None:
    codec = make(name, options)
    message = codec.encode(gradient(count), memory())
    assert message.dtype == torch.uint8
    assert len(message) == codec.length(count) == length
    assert codec.decode(message, count).shape == (count,)


def test_what_is_dropped_is_sent_later() -> None:
    """All that was ever put in is what came out and what is left, for every element."""
    codec, kept = Dropped(0.9), memory()
    put, out = torch.zeros(200, dtype=torch.float64), torch.zeros(200, dtype=torch.float64)
    for step in range(50):
        given = gradient(200, step)
        message = codec.encode(given, kept)
        decoded = codec.decode(message, 200)
        assert int(decoded.count_nonzero()) == 20
        put, out = put + given, out + decoded
    assert kept.residual is not None
    torch.testing.assert_close(out + kept.residual, put, rtol=0, atol=1e-7)
    assert float((out - put).abs().max()) < float(put.abs().max())


def test_the_greatest_elements_are_sent_first() -> None:
    decoded = Dropped(0.5).decode(Dropped(0.5).encode(torch.tensor([0.5, -4.0, 0.25, 2.0]), memory()), 4)
    assert decoded.tolist() == [0.0, -4.0, 0.0, 2.0]


@pytest.mark.parametrize("name", ["terngrad", "dorefa"])
def test_drawn_gradients_are_right_in_the_mean(name: str) -> None:
    codec, given, kept = make(name, {"clip": 0.0} if name == "terngrad" else {"bits": 2}), gradient(50), memory()
    draws = torch.stack([codec.decode(codec.encode(given, kept), 50) for _ in range(4000)])
    greatest = given.abs().max()
    values = {"terngrad": [-1.0, 0.0, 1.0], "dorefa": [-1.0, -1 / 3, 1 / 3, 1.0]}[name]
    torch.testing.assert_close(draws.unique() / greatest, torch.tensor(values), rtol=0, atol=1e-6)
    inside = given.abs() < greatest  # DoReFa's noise is cut off where the greatest is rounded
    bound = 5 * greatest / 4000**0.5  # five standard deviations of a mean of values in [-greatest, greatest]
    assert bool(((draws.mean(0) - given).abs()[inside] < bound).all())


def test_terngrad_clips_first() -> None:
    """Wen et al. 2017, eq. 14: the greatest is 2.5 standard deviations of the layer, and what lies beyond always comes as that."""
    given = torch.cat([gradient(999), torch.tensor([1.0])])
    decoded = TernGrad().decode(TernGrad().encode(given, memory()), 1000)
    assert float(decoded[-1]) == pytest.approx(2.5 * float(given.double().std(correction=0)), rel=1e-5)
    assert float(decoded.abs().max()) == float(decoded[-1])


def test_gradients_of_zeros_stay_zeros() -> None:
    for name in ("dense", "dropped", "terngrad", "dorefa"):
        codec = make(name, {})
        assert not codec.decode(codec.encode(torch.zeros(2000), memory()), 2000).any()


def test_small_tensors_travel_as_they_are() -> None:
    assert codec_of(TernGrad(), SMALL - 1) == Dense()
    assert codec_of(TernGrad(), SMALL) == TernGrad()


def test_every_codec_is_one() -> None:
    assert list(CODECS) == ["dense", "dropped", "terngrad", "dorefa"]


def test_what_is_impossible_is_said() -> None:
    for options, message in (
        ({"count": 0}, "count = 0: 1 to 64 workers"),
        ({"gradients": "ternary"}, "no gradients 'ternary'; "),
        ({"gradients": "dropped", "options": {"drop": 1.0}}, "gradients 'dropped': drop = 1: the part"),
        ({"gradients": "dropped", "options": {"rate": 0.1}}, "gradients 'dropped' has no key 'rate'"),
        ({"gradients": "dorefa", "options": {"bits": 3}}, "bits = 3: gradients travel in 1, 2, 4 or 8 bits"),
        ({"gradients": "terngrad", "options": {"clip": -1.0}}, "clip = -1"),
    ):
        with pytest.raises(InputError, match=message):
            Workers(**options)
    data = some(40, 0)
    with pytest.raises(InputError, match="batch = 5: each of 2 workers takes an equal part, of at least 2 images"):
        workers.fit(network, data, data, replace(SETTINGS, batch=5, images=None), Workers())
    with pytest.raises(InputError, match="batch = 64, but there are only 40 training images"):
        workers.fit(network, data, data, replace(SETTINGS, batch=64, images=None), Workers())


def test_two_dense_workers_are_one_with_the_whole_batch() -> None:
    train, test = some(320, 0), some(60, 1)
    told: list[int] = []
    shared = workers.fit(network, train, test, SETTINGS, Workers(2), progress=lambda epoch, left: told.append(epoch.epoch))
    alone = fit(network(), train, test, SETTINGS)
    for (name, a), (_, b) in zip(alone.model.state_dict().items(), shared.fitted.model.state_dict().items(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5, msg=name)
    assert shared.fitted.accuracy == pytest.approx(alone.accuracy, abs=2)
    assert told == [1, 2]
    parameters = FEATURES * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES  # each row of weights has a scale
    assert shared.steps == 2 * 10
    assert shared.sent == shared.dense == 20 * 4 * parameters


def test_dropped_gradients_go_on_bit_for_bit(tmp_path: Path) -> None:
    """Two epochs at once, and one after the other: what was not sent when the first ended is not lost. One worker drops, too, and starts sooner."""
    train, test, how = some(320, 0), some(60, 1), Workers(1, "dropped", {"drop": 0.9})

    def trained(name: str, epochs: int) -> Shared:
        return workers.fit(network, train, test, replace(SETTINGS, epochs=epochs, schedule="constant"), how, checkpoint=tmp_path / name)

    whole = trained("whole.pt", 2)
    trained("part.pt", 1)
    state = torch.load(tmp_path / "part.pt", weights_only=True)
    state["settings"]["epochs"] = 2  # as if the second epoch had been interrupted
    torch.save(state, tmp_path / "part.pt")
    again = trained("part.pt", 2)
    for a, b in zip(whole.fitted.model.state_dict().values(), again.fitted.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert whole.sent == again.sent == 0  # there is nobody else
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.pt", "part.pt.worker-0-of-1-2", "whole.pt", "whole.pt.worker-0-of-1-2"]
    (tmp_path / "part.pt.worker-0-of-1-2").unlink()
    with pytest.raises(InputError, match="is missing: the checkpoint is of other workers"):
        trained("part.pt", 2)


def test_a_worker_that_diverges_ends_all_of_them() -> None:
    data = some(64, 0)
    with pytest.raises(CheckError, match="the loss became nan in epoch 1, step 1"):
        workers.fit(broken, data, data, replace(SETTINGS, epochs=1, images=64), Workers(2))


def test_codecs_are_plain_dataclasses() -> None:
    """They go to other processes."""
    made: list[Codec] = [make(name, {}) for name in CODECS]
    assert all(codec == make(name, {}) for codec, name in zip(made, CODECS, strict=True))


RECIPE = """
[model]
kind = "mlp"
sizes = [64, 32, 4]
weight = { name = "integer", bits = 6 }
act = { name = "relu", bits = 2 }
[data]
train = "train.npz"
test = "test.npz"
[train]
epochs = 2
batch = 20
lr = 0.02
[workers]
count = 2
gradients = "terngrad"
options = { clip = 3.0 }
"""


def test_a_recipe_says_who_trains(hwqnn: Callable[..., Ran]) -> None:
    for name, count in (("train", 200), ("test", 70)):
        data = some(count, count)
        np.savez(f"{name}.npz", x=data.x, y=data.y)
    Path("shared.toml").write_text(RECIPE)
    ran = hwqnn("train", "shared.toml")
    assert ran.code == 0, ran
    assert "epoch 2/2" in ran.out
    sent = 20 * (4 + -(-64 * 32 // 5) + 4 * (32 + 32 * 4 + 4 + 2 * 32 + 1 + 1))  # scales, the last layer, a norm, an activation's scale, the logits'
    assert f"2 workers: each sent {sent:,} bytes of gradients" in ran.out
    for wrong, message in (("count = 2", "count = 99"), ("terngrad", "ternary"), ("clip", "clips")):
        Path("wrong.toml").write_text(RECIPE.replace(wrong, message))
        ran = hwqnn("train", "wrong.toml")
        assert ran.code == 2
        assert message in ran.err
    Path("wrong.toml").write_text('[model]\nzoo = "lenet-300-100"\n[data]\ntrain = "mnist"\n[workers]\ncount = 2\n')
    ran = hwqnn("train", "wrong.toml")
    assert ran.code == 2
    assert "[workers] share out a training" in ran.err
