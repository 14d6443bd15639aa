"""The table of compression: what a row counts, how rows are kept, which of them the page's front joins, and that its plot is sound."""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hwqnn.frontend import import_brevitas
from hwqnn.train import Cnn, Mlp, Quantizer

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "compression"


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The scripts' common module, which keeps its rows in an empty folder."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import common as module

    monkeypatch.setattr(module, "KEPT", tmp_path)
    return module


@pytest.fixture
def page(common: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    import page as module

    for name, value in (("KEPT", tmp_path), ("PAGE", tmp_path / "page.md"), ("PLOT", tmp_path / "plot.svg")):
        monkeypatch.setattr(module, name, value)
    return module


def rows(common: ModuleType, count: int, groups: tuple[str, ...] = ("digits", "zoo", "un<known"), datasets: tuple[str, ...] = ("mnist",)) -> list:
    draw = random.Random(0)
    size = common.Size(100, 200, 300)
    found = []
    for i in range(count):
        lut = draw.choice([None, *range(500, 20_000, 1500)])
        cells = common.Hardware(lut, 1, 2, 0.5, 0, 1e6, 100.0, 10, size) if lut else None
        accuracy = [round(draw.uniform(80, 99), 1) for _ in range(3)]
        found.append(
            common.row(
                draw.choice(groups),
                f"m{i} & co",
                "mlp",
                draw.choice(datasets),
                accuracies=accuracy,
                size=size,
                hardware=cells,
                command="c",
                seconds=1,
            )
        )
    return found


def test_a_rows_sizes_are_those_counted_by_hand(common: ModuleType) -> None:
    torch.manual_seed(0)
    sign, relu = Quantizer("sign"), Quantizer("relu", 2)
    model = Cnn([1, 4, 4], [2], 3, sign, relu, last=Quantizer("integer", 4)).eval()
    size = common.Size.of(import_brevitas(model, torch.rand(2, 1, 4, 4), name="network"))
    conv, dense = 2 * 9, 3 * 2 * 16
    assert size == common.Size(conv + dense, conv + 4 * dense, 16 * conv * 8 + dense * 4 * 2)


def test_the_rtl_is_compared_on_enough_images(common: ModuleType) -> None:
    sign = Quantizer("sign")
    with pytest.raises(ValueError, match="15 images"):
        common.measure(Mlp([4, 3, 2], sign, sign), input_shape=(4,), images=np.zeros((15, 4), np.uint8))


def test_rows_are_kept_in_the_place_of_their_key(common: ModuleType) -> None:
    first, second = rows(common, 30), rows(common, 10)
    common.keep(first)
    kept = [r for group in {r.group for r in first} for r in common.load(group)]
    assert sorted(kept, key=str) == sorted(first, key=str)
    changed = [
        common.row(r.group, r.method, r.network, r.dataset, accuracies=[1.0, 2.0], size=common.Size(1, 2, 3), command="d", seconds=2) for r in second
    ]
    common.keep(changed)
    again = [r for group in {r.group for r in first} for r in common.load(group)]
    assert {r.key: r for r in again} == {r.key: r for r in first} | {r.key: r for r in changed}
    assert [r.key for r in again] == [r.key for r in kept]
    assert changed[0].accuracy == 1.5
    assert changed[0].spread == pytest.approx(0.5**0.5)
    assert common.load("none") == []


def test_the_front_is_what_no_other_row_beats(common: ModuleType, page: ModuleType) -> None:
    found = [r for r in rows(common, 60) if r.lut]
    front = page.front(found)
    beaten = {
        a.key
        for a, b in itertools.permutations(found, 2)
        if b.lut <= a.lut and b.accuracy >= a.accuracy and (b.lut, b.accuracy) != (a.lut, a.accuracy)
    }
    assert {(r.lut, r.accuracy) for r in front} == {(r.lut, r.accuracy) for r in found if r.key not in beaten}
    assert [r.lut for r in front] == sorted(r.lut for r in front)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_page_has_every_row_and_the_plot_every_point(count: int, common: ModuleType, page: ModuleType) -> None:
    found = rows(common, count, datasets=("mnist", "cifar10"))
    common.keep(found)
    page.main()
    text, plot = page.PAGE.read_text(), ET.fromstring(page.PLOT.read_text())
    assert all(text.count(f"| {r.method} | mlp |") >= 1 for r in found)
    width, height = map(float, plot.attrib["viewBox"].split()[2:])
    circles = [c for c in plot.iter() if c.tag.endswith("circle") and len(c)]
    assert len(circles) == sum(r.lut is not None for r in found)
    assert all(0 < float(c.attrib["cx"]) < width and 0 < float(c.attrib["cy"]) < height for c in circles)
