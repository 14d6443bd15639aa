"""What a build leaves in its folder, and that hostile names reach neither Verilog, a path nor HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import exact_model
import numpy as np
import pytest
from running import IMAGES, MODELS, Ran, contents

from hwqnn.build import STAGES, Built, Options, build
from hwqnn.errors import InputError
from hwqnn.ir import files

Run = Callable[..., Ran]


class Recorded:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def start(self, stage: str) -> None:
        self.events.append(("start", stage))

    def note(self, text: str) -> None: ...

    def finish(self, stage: str, seconds: float, summary: str) -> None:
        assert seconds >= 0
        assert summary
        self.events.append(("finish", stage))


def test_the_folder_is_complete(built: Built) -> None:
    assert {p.name for p in built.directory.iterdir()} == {
        "folding.json", "graph.json", "graph.npz", "graph.txt", "report.html", "report.json", "rtl"
    }  # fmt: skip
    assert built.report.passed


def test_the_report_is_true(built: Built, images: np.ndarray) -> None:
    """Labels by the slow evaluator; cycles by the timing model; the rest adds up."""
    graph = files.load(built.directory / "graph.json")
    report = json.loads((built.directory / "report.json").read_text())
    labels = [exact_model.evaluate(graph, x)[0] for x in images.reshape(IMAGES, -1)]
    accuracy = np.mean(np.array(labels) == np.arange(IMAGES) % 3)
    assert report["accuracy"]["reference"] == report["accuracy"]["rtl"] == accuracy
    assert (report["accuracy"]["images"], report["accuracy"]["rtl_images"]) == (IMAGES, IMAGES)
    confusion = np.zeros((4, 4), dtype=int)
    for image, label in enumerate(labels):
        confusion[image % 3, label] += 1
    assert np.array(report["confusion"]).tolist() == confusion[: len(report["confusion"]), : len(report["confusion"])].tolist()
    assert np.sum(report["confusion"]) == IMAGES
    # 16 bits from the input threshold, 8 from each hidden layer, 4 scores of 5 bits, a label of 2 bits, its byte at the port and tlast;
    # a quarter of the images once more with pauses
    assert report["exact"] == {"rtl_bits_compared": (IMAGES + IMAGES // 4) * 63, "rtl_mismatches": 0, "software_disagreements": 0}
    performance = report["performance"]
    assert performance["fps"] == pytest.approx(100e6 / performance["interval_cycles"])
    assert performance["binary_tops"] == pytest.approx(2 * (16 * 8 + 8 * 8 + 8 * 4) * performance["fps"] / 1e12)
    assert max(row["cycles"] for row in report["layers"]) <= performance["interval_cycles"]
    assert [row["name"] for row in report["layers"]] == ["input", "hidden.0.0", "hidden.1.0", "output", "argmax"]
    assert sum(row["lut"] for row in report["layers"]) == pytest.approx(report["resources"]["lut"], abs=0.5)
    assert report["resources"]["source"] == "estimate"
    power = report["power"]
    assert power["total_w"] == pytest.approx(power["static_w"] + sum(power["dynamic_w"].values()))
    assert power["total_w"] > power["static_w"] > 0
    assert set(power["layers_w"]) == {row["name"] for row in report["layers"]}
    assert power["energy_j"] == pytest.approx(power["total_w"] / performance["fps"])
    assert power["cycles"] > 0
    for sample in report["samples"]:
        assert sample["reference"] == sample["rtl"] == labels[sample["index"]]
        assert sample["label"] == sample["index"] % 3
    assert set(report["seconds"]) == set(STAGES) - {"report"}
    assert set(built.report.seconds) == set(STAGES)


def test_a_single_image_tells_no_power(data: Path, tmp_path: Path) -> None:
    made = build(Options(model=f"{MODELS}:binary", data=str(data), synth=False, output=tmp_path / "out", images=1))
    assert made.report.passed
    assert json.loads((made.directory / "report.json").read_text())["power"] is None


def test_progress_comes_stage_by_stage(data: Path, tmp_path: Path) -> None:
    progress = Recorded()
    build(Options(model=f"{MODELS}:binary", data=str(data), synth=False, output=tmp_path / "out"), progress)
    assert progress.events == [(what, stage) for stage in STAGES for what in ("start", "finish")]


def test_an_empty_folder_and_an_earlier_build_are_replaced(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    options = Options(model=f"{MODELS}:binary", data=str(data), synth=False, output=tmp_path / "out", images=3)
    build(options)
    (tmp_path / "out" / "rtl" / "stale").write_text("from before")
    (tmp_path / "link").symlink_to("out")
    build(Options(**{**vars(options), "output": tmp_path / "link"}))
    assert not (tmp_path / "out" / "rtl" / "stale").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out"]


def test_a_build_that_fails_leaves_the_earlier_one(data: Path, tmp_path: Path) -> None:
    options = Options(model=f"{MODELS}:binary", data=str(data), synth=False, output=tmp_path / "out", images=3)
    build(options)
    before = contents(tmp_path)
    with pytest.raises(InputError):
        build(Options(**{**vars(options), "model": f"{MODELS}:Mixed.nothing"}))
    with pytest.raises(InputError):
        build(Options(**{**vars(options), "clock_mhz": 1e9}))
    assert contents(tmp_path) == before


HOSTILE = {
    "quote": '"; $finish; //',
    "html": "</script><script>alert(1)</script>",
    "dotted": "a.b/../../c",
    "unicode": "层 é\u202e\u2028",
    "comment": "*/ `include /* \\",
    "newline": "x\n  initial $finish;\nendmodule",
    "markup": "[bold red]x[/] {{ 7 * 7 }} %s",
}

HOSTILE_MODEL = """
import torch
from torch import nn
import brevitas.nn as qnn
from brevitas.quant import SignedBinaryActPerTensorConst as Act, SignedBinaryWeightPerTensorConst as Weight

NAMES = {names!r}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self._modules["input\\n$stop"] = qnn.QuantIdentity(act_quant=Act)
        for name in NAMES:
            self._modules[name] = qnn.QuantLinear(16, 16, bias=False, weight_quant=Weight, weight_scaling_const=1.0)
            self._modules[name + "2"] = qnn.QuantIdentity(act_quant=Act)

    def forward(self, x):
        x = x.flatten(1) - 0.5
        for layer in self._modules.values():
            x = layer(x)
        return self.tail(x) if hasattr(self, "tail") else x

def make():
    net = Net()
    del net._modules[NAMES[-1] + "2"]
    return net

globals()["../../../evil <b>"] = make
"""


class Text(HTMLParser):
    """A page's tags, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("factory", ["make", "../../../evil <b>"])
def test_hostile_names(hwqnn: Run, data: Path, tmp_path: Path, factory: str) -> None:
    folder = tmp_path / 'it\'s "a" $(folder) <i> é;#'
    folder.mkdir()
    (folder / "mo del.py").write_text(HOSTILE_MODEL.format(names=list(HOSTILE.values())))
    ran = hwqnn("build", f"{folder}/mo del.py:{factory}", "--data", data, "--no-synth", "--jobs", 2)
    assert ran.code == 0, ran
    (out,) = Path("build").iterdir()
    assert re.fullmatch(r"[\w.-]+-zynq7020", out.name)
    assert not list(tmp_path.parent.glob("evil*"))
    for path in out.rglob("*"):
        assert re.fullmatch(r"[a-z0-9_.]+", path.name), path
    for path in (out / "rtl").iterdir():
        text = path.read_text()
        assert text.isascii()
        if not re.fullmatch(r"[0-9a-f\n]+", text):
            code = re.sub(r"//[^\n]*", "", text)
            assert "$finish" not in code
            assert "$stop" not in code
            assert "alert" not in code.replace("i_n_", "") or re.search(r"\balert\b", code) is None
            assert "include" not in re.findall(r"`(\w+)", code)
    page = (out / "report.html").read_text()
    shown = Text(page)
    assert "script" not in shown.tags
    assert {"b", "i"} >= shown.tags & {"b", "i"}
    assert HOSTILE["html"] in shown.text
    assert HOSTILE["quote"] in shown.text
    assert HOSTILE["markup"] in shown.text
    names = [row["name"] for row in json.loads((out / "report.json").read_text())["layers"]]
    assert [name for name in HOSTILE.values() if name not in names] == []
    again = files.load(out / "graph.json")
    assert all(again.edges[name].shape == (16,) for name in HOSTILE.values())


def test_a_path_that_is_no_text(hwqnn: Run, data: Path, tmp_path: Path) -> None:
    """A folder's name of bytes that are no UTF-8 cannot stand in the report as it is."""
    folder = tmp_path / "x\udcff"
    folder.mkdir()
    (folder / "small.npz").write_bytes(data.read_bytes())
    ran = hwqnn("build", f"{MODELS}:binary", "--data", folder / "small.npz", "--no-synth", "--images", 2)
    assert ran.code == 0, ran
    assert "x\\udcff" in json.loads(Path("build/binary-zynq7020/report.json").read_text())["options"]["data"]
