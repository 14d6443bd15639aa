from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_up import example

from hwqnn.report import SCHEMA, Accuracy, Check, Clock, Exact, Folding, Report, render, to_json, write
from hwqnn.report.words import engineering, headline, rate, seconds
from hwqnn.resources import Resources

NASTY = "<script>alert('x')</script>\"'&{{ 7*7 }}"


VOID = {"meta", "img"}


class Page(HTMLParser):
    """A page's elements, attributes and visible text; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


def without_measurements() -> Report:
    """The least report: no synthesis, no simulation, no data."""
    full = example()
    return dataclasses.replace(
        full,
        accuracy=Accuracy(images=0, software=None, reference=None, rtl=None, rtl_images=0),
        exact=Exact(0, 0, 0),
        clock=None, power=None, resources=full.estimate, source="estimate",
        layers=tuple(dataclasses.replace(layer, synthesized=None, logic_ns=None) for layer in full.layers),
        classes=(), confusion=None, samples=(), options={}, versions={},
    )  # fmt: skip


@pytest.mark.parametrize("report", [example(), example(NASTY, NASTY), without_measurements()], ids=["full", "nasty", "least"])
def test_json_follows_its_schema(report: Report, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    write(report, tmp_path)
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text()), schema, jsonschema.Draft202012Validator)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    schema = json.loads(SCHEMA.read_text())
    for spoil in (
        lambda table: table.update(extra=1),
        lambda table: table["layers"][0].update(extra=1),
        lambda table: table.pop("exact"),
        lambda table: table["accuracy"].update(rtl=1.5),
        lambda table: table["exact"].update(rtl_mismatches=-1),
        lambda table: table["verdict"]["checks"][0].update(passed="yes"),
    ):
        table = json.loads(json.dumps(to_json(example())))
        spoil(table)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(table, schema, jsonschema.Draft202012Validator)


def test_every_object_of_the_schema_is_closed() -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                assert "additionalProperties" in node
                assert set(node.get("properties", {})) == set(node.get("required", []))
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(json.loads(SCHEMA.read_text()))


def test_figures_in_json() -> None:
    table = to_json(example())
    assert table["utilization"] == pytest.approx({"lut": 6812 / 53200, "ff": 5120 / 106400, "carry4": 640 / 13300, "bram36": 0, "dsp": 0})
    layer = table["layers"][1]
    assert (layer["name"], layer["pe"], layer["simd"], layer["cycles"], layer["lut"]) == ("features.2", 64, 8, 98, 4407)
    assert layer["estimate"] == {"lut": 4210.4, "ff": 3000, "carry4": 500, "bram36": 0, "dsp": 0}
    assert layer["estimate_error"] == pytest.approx(
        {"lut": (4210.4 - 4407) / 4407, "ff": (3000 - 3100) / 3100, "carry4": (500 - 512) / 512, "bram36": None, "dsp": None}
    )
    assert table["layers"][6]["estimate_error"]["lut"] is None
    assert table["resources"]["estimate_error"]["lut"] == pytest.approx((6620.4 - 6812) / 6812)
    assert to_json(without_measurements())["resources"]["estimate_error"]["lut"] is None  # an estimate is not in error against itself
    assert table["verdict"]["passed"] is True
    assert (table["clock_mhz"], table["expected_clock"]["mhz"], table["expected_clock"]["routed"]) == (100.0, 117.6, False)
    assert table["performance"]["fps_at_expected_clock"] == pytest.approx(117.6e6 / 98)
    assert np.sum(table["confusion"]) == 10000


def test_both_files_are_deterministic(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        write(example(), folder)
    for name in ("report.json", "report.html"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_not_a_number_never_reaches_json(tmp_path: Path) -> None:
    broken = dataclasses.replace(example(), clock_mhz=float("nan"))
    with pytest.raises(ValueError, match="nan"):
        write(broken, tmp_path)


def test_every_name_is_escaped() -> None:
    report = example(NASTY, NASTY)
    report = dataclasses.replace(
        report,
        input=NASTY,
        board=dataclasses.replace(report.board, name=NASTY, description=NASTY, part=NASTY),
        checks=(Check(NASTY, False, NASTY),),
        classes=(NASTY,) * 10,
        resources=Resources(1, 2, 3, 4, 5),
        source=NASTY,
        clock=dataclasses.replace(report.clock, source=NASTY, path=tuple(dataclasses.replace(h, block=NASTY, net=NASTY) for h in report.clock.path)),
        layers=tuple(dataclasses.replace(layer, op=NASTY) for layer in report.layers),
        seconds={NASTY: 1.0},
        options={NASTY: NASTY},
        versions={NASTY: NASTY},
    )
    text = render(report)
    page = Page(text)
    assert "<script" not in text
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "link"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    shown = "".join(page.text)
    assert shown.count(NASTY) >= 15 + 20  # class names of the matrix alone are 20
    assert "49" not in [name for _, attributes in page.tags for name in attributes.values()]
    assert any(attributes.get("title") == NASTY for _, attributes in page.tags)


@pytest.mark.parametrize("report", [example(), without_measurements()], ids=["full", "least"])
def test_the_page_needs_nothing_from_outside(report: Report) -> None:
    text = render(report)
    page = Page(text)
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href", "xlink:href", "srcset")]
    assert all(address.startswith("data:image/png;base64,") for address in addresses if address)
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_says_what_matters() -> None:
    words = Page(render(example())).words
    for expected in (
        "Every check passed", "agrees with the exact model on all 23,800,000 bits compared, over 1,000 images", "94.84 %", "95.10 %",
        "1.02 M frames/s", "2.38 µs",
        "At 100 MHz it classifies 1.02 M frames a second", "estimated clock is 118 MHz (95 to 145, not placed or routed)",
        "FDRE → LUT6 → CARRY4", "i_mvu.sum[3]", "4.050", "how many cells a net drives does not count",
        "proved optimal", "features.6 (window)", "features.6 (matmul)",
        "6,812 of 53,200 LUTs", "12.8 %", "features.2", "4,407", "-22 %", "21.7 s", "yosys 0.70 synth_xilinx",
    ):  # fmt: skip
        assert expected in words


def test_a_missed_clock_is_said_and_fails_nothing() -> None:
    slow = dataclasses.replace(example(), clock=Clock(73.2, 59.1, 90.4, False, "static timing", 6.505))
    assert slow.passed
    words = Page(render(slow)).words
    expected = "The estimated clock, 73 MHz (59 to 90, not placed or routed), misses the target of 100 MHz: at 73 MHz it makes 747 k frames a second."
    assert expected in words
    assert to_json(slow)["warnings"] == [expected]
    assert to_json(example())["warnings"] == []
    routed = dataclasses.replace(example(), clock=Clock(131.0, 131.0, 131.0, True, "placed and routed by Vivado v2024.1"))
    assert "It closes timing at 131 MHz (placed and routed by Vivado v2024.1)." in Page(render(routed)).words
    assert "Critical path" not in Page(render(routed)).words


def test_power_is_told_as_an_estimate_with_its_coefficients() -> None:
    words = Page(render(example())).words
    for expected in (
        "212 mW",
        "150 mW",
        "62 mW",
        "17.3 %",
        "208 nJ",
        "within a factor of about two",
        "nothing was measured",
        "a change of a LUT 0.15 pJ",
        "of the clock tree 50 pJ",
    ):
        assert expected in words
    found = to_json(example())["power"]
    assert (found["dynamic_w"]["clock"], found["layers_w"]["features.6"], found["coefficients_j"]["dsp"]) == (0.025, 0.011, 1e-11)
    assert to_json(without_measurements())["power"] is None
    assert "Power" not in Page(render(without_measurements())).words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1.5e-13, "J", "0.15 pJ"), (0.2115, "W", "212 mW"), (9.999e-4, "W", "1 mW"), (4.1e-7, "J", "410 nJ"), (2.0, "W", "2 W"), (0.0, "W", "0 W")],
)
def test_engineering(value: float, unit: str, text: str) -> None:
    assert engineering(value, unit) == text


def test_a_folding_that_is_not_proved_best_says_so() -> None:
    report = dataclasses.replace(example(), folding=Folding(False, 0.034))
    assert "within 3.4 % of the bound" in Page(render(report)).words


def test_a_failure_is_on_top() -> None:
    report = example()
    detail = 'image 17, layer "features.6", channel 3: expected 1, got 0'
    report = dataclasses.replace(report, checks=(Check("bit-exact", False, detail), *report.checks[1:]), exact=Exact(23_800_000, 17, 0))
    assert not report.passed
    page = Page(render(report))
    assert "1 of 4 checks failed: bit-exact" in page.words
    assert "differs from the exact model in 17 of 23,800,000 bits" in page.words
    assert page.words.index(detail) < page.words.index("Accuracy")
    assert any(tag == "section" and "failed" in (attributes.get("class") or "") for tag, attributes in page.tags)


def test_without_checks_nothing_passes() -> None:
    report = dataclasses.replace(example(), checks=())
    assert not report.passed
    assert headline(report) == "Nothing was checked"


def test_bars_are_as_long_as_their_figures() -> None:
    text = render(example())
    charts = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text)]
    widths = [float(rect.get("width", "").rstrip("%")) for chart in charts for rect in chart if rect.get("class") == "blue"]
    assert widths[0] == pytest.approx(100 * 6812 / 53200, abs=0.01)
    assert pytest.approx(100 * 64 / 98, abs=0.01) in widths
    assert all(0 <= width <= 100 for width in widths)


def test_an_overfull_board_is_drawn_inside_its_bar() -> None:
    report = dataclasses.replace(example(), resources=Resources(60000, 1, 1, 0, 0), source="estimate")
    text = render(report)
    assert '<rect class="red" width="100.00%"' in text
    assert "112.8 %" in text


@pytest.mark.parametrize(("value", "text"), [(0.0123, "12 ms"), (1, "1.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (61.5, "1 min 2 s")])
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (950, "950"), (1562500, "1.56 M"), (999_600, "1 M"), (12_000, "12 k"), (1.5e9, "1.5 G"), (12.345, "12.3")]
)
def test_rate(value: float, text: str) -> None:
    assert rate(value) == text
