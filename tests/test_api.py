"""`hwqnn.compile` and what its result does, as the README shows it."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import exact_model
import numpy as np
import pytest
import small_models
import torch
from torch import nn

import hwqnn
from hwqnn import Accelerator, CheckError, Head, InputError, Port, UnsupportedError

EXAMPLE = torch.rand(1, 16)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return small_models.mixed().eval()


@pytest.fixture(scope="module")
def acc(model: nn.Module) -> Accelerator:
    return hwqnn.compile(model, EXAMPLE, board="zynq7020", fps=1e6)


@pytest.fixture(scope="module")
def labels(acc: Accelerator, images: np.ndarray) -> list[int]:
    """By the slow evaluator of the network as it was imported, before any lowering."""
    return [exact_model.label(acc.imported, x) for x in images.reshape(len(images), -1)]


def test_predict_says_what_the_model_says(acc: Accelerator, model: nn.Module, images: np.ndarray, labels: list[int]) -> None:
    with torch.no_grad():
        software = model(torch.from_numpy(images).float() / 255).argmax(1)
    assert len(set(labels)) > 1
    assert acc.predict(images).tolist() == labels == software.tolist()


def test_inputs_of_every_sort_mean_the_same(acc: Accelerator, images: np.ndarray, labels: list[int]) -> None:
    flat = images.reshape(len(images), -1)
    for x in (
        flat,
        images.astype(np.int64),
        images / 255,
        (images / 255).astype(np.float32),
        torch.from_numpy(images),
        torch.from_numpy(images) / 255,
    ):
        assert acc.predict(x).tolist() == labels
    assert acc.predict(flat[:1]).tolist() == labels[:1]


def test_simulate(acc: Accelerator, images: np.ndarray, labels: list[int]) -> None:
    ran = acc.simulate(images)
    assert ran.outputs.tolist() == labels
    assert (ran.comparison.mismatches, ran.comparison.first) == (0, None)
    assert ran.as_predicted
    assert (ran.latency, ran.interval) == (acc.timing.latency, acc.timing.interval)
    assert acc.fps == pytest.approx(100e6 / ran.interval)
    assert acc.fps >= 1e6


def test_simulate_one(acc: Accelerator, images: np.ndarray, labels: list[int]) -> None:
    ran = acc.simulate(torch.from_numpy(images[:1]) / 255)
    assert ran.outputs.tolist() == labels[:1]
    assert (ran.latency, ran.interval, ran.as_predicted) == (acc.timing.latency, None, True)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pauses_change_nothing_but_the_time(acc: Accelerator, images: np.ndarray, labels: list[int], seed: int) -> None:
    ran = acc.simulate(images, pause_seed=seed)
    assert ran.outputs.tolist() == labels
    assert ran.comparison.mismatches == 0
    assert not ran.as_predicted


def test_synthesize(acc: Accelerator) -> None:
    cells = acc.synthesize(jobs=2)
    assert set(cells) == {node.name for node in acc.design.nodes}
    total = sum(c.lut for c in cells.values())
    assert 50 < total < 1000
    assert sum(c.ff for c in cells.values()) > 0


def test_write(acc: Accelerator, images: np.ndarray, labels: list[int], tmp_path: Path) -> None:
    emitted = acc.write(tmp_path / "a" / "rtl")
    assert emitted.directory == tmp_path / "a" / "rtl"
    assert all(path.is_file() for path in emitted.sources)
    assert acc.simulate(images, emitted=emitted).outputs.tolist() == labels


def test_scores(model: nn.Module, images: np.ndarray, labels: list[int]) -> None:
    acc = hwqnn.compile(model, EXAMPLE, head=Head.SCORES)
    flat = images.reshape(len(images), -1)
    expected = [exact_model.evaluate(acc.imported, x) for x in flat]
    assert acc.predict(images).tolist() == expected
    assert acc.simulate(images).outputs.tolist() == expected
    reals = [exact_model.apply_chain(acc.graph.meaning, row) for row in expected]
    assert [max(range(3), key=lambda c: (row[c], -c)) for row in reals] == labels


def test_codes(model: nn.Module, images: np.ndarray, labels: list[int]) -> None:
    """The same inputs; inside, the accelerator gets one bit a pixel instead of eight."""
    acc = hwqnn.compile(model, EXAMPLE, port=Port.CODES, fps=1e6)
    assert acc.hardware.input.type.bits == 1
    assert acc.design.nodes[0].block.beat_in.type.bits == 1
    ran = acc.simulate(images)
    assert acc.predict(images).tolist() == ran.outputs.tolist() == labels
    assert ran.as_predicted


def test_other_input_scales() -> None:
    """Codes of 1/16 in 5 bits instead of pixels."""
    model = small_models.binary().eval()
    acc = hwqnn.compile(model, EXAMPLE, input_type=hwqnn.ir.UInt(5), input_scale=Fraction(1, 16))
    x = np.random.default_rng(1).integers(0, 32, (50, 16))
    with torch.no_grad():
        software = model(torch.from_numpy(x / 16).float()).argmax(1).tolist()
    assert acc.predict(x).tolist() == acc.predict(x / 16).tolist() == software
    with pytest.raises(InputError, match="uint5"):
        acc.predict(x + 1)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 15), dtype=np.uint8), r"shape \(2, 15\).*16 values"),
        (np.zeros(16, dtype=np.uint8), r"shape \(16,\)"),
        (np.zeros((0, 16), dtype=np.uint8), r"shape \(0, 16\)"),
        (np.full((1, 16), 0.3), "no whole multiples of 1/255"),
        (np.full((1, 16), np.nan), "no whole multiples"),
        (np.full((1, 16), np.inf), "no whole multiples"),
        (np.full((1, 16), 256), "256.*uint8"),
        (np.full((1, 16), -1), "-1.*uint8"),
        (np.full((1, 16), 2.0), "510.*uint8"),
        (np.full((1, 16), "a"), "integers"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_unusable_inputs(acc: Accelerator, x: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        acc.predict(x)
    with pytest.raises(InputError, match=words):
        acc.simulate(x)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"board": "zynq"}, InputError, "did you mean 'zynq7020'"),
        ({"clock_mhz": 400.0}, InputError, "at most 388"),
        ({"fps": -1.0}, InputError, "above 0"),
        ({"fps": 1e9}, CheckError, "more than one frame a clock cycle"),
        ({"input_scale": Fraction(0)}, InputError, "above zero"),
    ],
)
def test_unusable_options(model: nn.Module, options: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        hwqnn.compile(model, EXAMPLE, **options)


def test_unusable_models() -> None:
    with pytest.raises(InputError, match=r"not a torch\.nn\.Module"):
        hwqnn.compile(lambda x: x, EXAMPLE)
    with pytest.raises(UnsupportedError, match="Linear"):
        hwqnn.compile(nn.Sequential(nn.Linear(16, 2)), EXAMPLE)
    with pytest.raises(InputError, match="example input"):
        hwqnn.compile(small_models.binary(), None)


@pytest.mark.parametrize("argument", [{"fps": "a"}, {"clock_mhz": "100"}, {"fps": [1e6]}, {"clock_mhz": True}, {"clock_mhz": 1j}])
def test_numbers_that_are_none(model: nn.Module, argument: dict[str, object]) -> None:
    (name, value), *_ = argument.items()
    with pytest.raises(InputError, match=re.escape(f"{name} {value!r}: expected a number")):
        hwqnn.compile(model, EXAMPLE, **argument)


def test_numbers_of_other_kinds(model: nn.Module, acc: Accelerator) -> None:
    other = hwqnn.compile(model, EXAMPLE, fps=np.float32(1e6), clock_mhz=Fraction(100))
    assert other.fps == acc.fps


def test_an_assertion_that_fails_names_the_layer(acc: Accelerator, images: np.ndarray, tmp_path: Path) -> None:
    """`first` never says that a frame ends, and the layer behind it minds."""
    emitted = acc.write(tmp_path)
    source = next(node for node in emitted.nodes if node.node.edge is not None and node.node.layer == "first").sources[-1]
    text = source.read_text()
    assert ".m_tlast_o(m_tlast_o)" in text
    source.write_text(text.replace(".m_tlast_o(m_tlast_o)", ".m_tlast_o()").replace("endmodule", "  assign m_tlast_o = 1'b0;\nendmodule"))
    with pytest.raises(CheckError, match=r"broke one of its own assertions in layer 'last' \(\w+\): .*Assertion failed.*; to keep the RTL"):
        acc.simulate(images[:4], emitted=emitted)
