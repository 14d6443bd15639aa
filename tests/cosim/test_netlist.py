"""The synthesized netlist against the reference, with registers that start at random; and netlists with one wrong bit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import small_models
import torch
from every_store import every_store
from running import MODELS, Ran

import hwqnn
from hwqnn import Accelerator, cosim, synth
from hwqnn.emit import Emitted

FRAMES = 50
CHECK = "The synthesized netlist computes what the reference computes"
PRODUCT = re.compile(r"(?<=LUT6_2 #\(\n    \.INIT\()(64'h[0-9a-f]+)(?=\))")


def accelerator(model: str) -> Accelerator:
    return hwqnn.compile(getattr(small_models, model)(), torch.rand(1, 16), name=model)


@pytest.mark.parametrize("model", ["binary", "mixed"])
def test_gates_compute_what_the_reference_computes(model: str, images: np.ndarray, tmp_path: Path) -> None:
    """1 bit throughout; and 2-bit activations with 4-bit weights, a threshold search and a multiplier."""
    acc = accelerator(model)
    emitted = acc.write(tmp_path / "rtl")
    rtl = acc.simulate(images[:FRAMES], emitted=emitted)
    netlist = acc.write_netlist(tmp_path / "netlist", emitted=emitted)
    found = acc.simulate(images[:FRAMES], emitted=netlist)
    assert (found.comparison.mismatches, found.comparison.bits) == (0, rtl.comparison.bits)
    assert found.comparison.bits > FRAMES * 16
    assert found.as_predicted
    assert (found.latency, found.interval) == (rtl.latency, rtl.interval)
    np.testing.assert_array_equal(found.outputs, acc.predict(images[:FRAMES]))
    assert acc.simulate(images[:FRAMES], emitted=netlist, pause_seed=5).comparison.mismatches == 0
    # what ran was the unchanged top module around gates, without a line of the library's RTL
    assert sorted(p.name for p in (tmp_path / "netlist").iterdir()) == sorted(
        ["primitives.v", f"{model}.sv", *(f"{n.module}.v" for n in emitted.nodes)]
    )
    assert (tmp_path / "netlist" / f"{model}.sv").read_bytes() == (tmp_path / "rtl" / f"{model}.sv").read_bytes()
    for node in netlist.nodes:
        (source,) = node.sources
        assert not re.search(r"\b(always|initial|if|case)\b", source.read_text())
        assert source in netlist.sources


def test_gates_of_every_store(tmp_path: Path) -> None:
    """Weights in block RAM, in the products' LUTs and as logic, DSPs, a window and a FIFO in block RAM."""
    acc = every_store()
    emitted = acc.write(tmp_path / "rtl")
    netlist = acc.write_netlist(tmp_path / "netlist", emitted=emitted)
    primitives = (tmp_path / "netlist" / "primitives.v").read_text()
    assert all(f"module {kind}" in primitives for kind in ("RAMB18E1", "DSP48E1", "RAM32M", "SRL16E"))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1))
    for pause_seed in (0, 5):
        found = acc.simulate(pixels, emitted=netlist, pause_seed=pause_seed)
        assert found.comparison.mismatches == 0
        assert found.as_predicted or pause_seed


def flip(netlist: Path) -> None:
    """Flips one bit of a LUT that multiplies: what it gives when its inputs are all 0, which they are now and then."""
    text = netlist.read_text()
    init = PRODUCT.search(text)
    assert init is not None
    width, digits = init[0].split("'h")
    netlist.write_text(f"{text[: init.start()]}{width}'h{int(digits, 16) ^ 1:x}{text[init.end() :]}")


def test_one_wrong_bit_of_one_lut_is_found(images: np.ndarray, tmp_path: Path) -> None:
    acc = accelerator("binary")
    netlist = acc.write_netlist(tmp_path)
    flip(next(n for n in netlist.nodes if n.node.edge is not None and n.node.layer == "hidden.0.0").sources[0])
    found = acc.simulate(images[:FRAMES], emitted=netlist)
    assert found.comparison.mismatches > 0
    assert found.comparison.first is not None
    assert found.comparison.first.layer == "hidden.0.0"


# The whole command.


def checks() -> dict[str, dict]:
    return {check["name"]: check for check in json.loads(Path("out/report.json").read_text())["verdict"]["checks"]}


def test_build_reports_the_netlist(hwqnn: Callable[..., Ran], data: Path) -> None:
    ran = hwqnn("build", f"{MODELS}:binary", "--data", data, "--images", FRAMES, "--netlist", "-o", "out")
    assert (ran.code, ran.err) == (0, "")
    assert checks()[CHECK]["passed"]
    assert "3,150 bits of 50 images" in checks()[CHECK]["detail"]
    assert (Path("out/netlist") / "primitives.v").is_file()


def test_build_fails_on_a_wrong_netlist(hwqnn: Callable[..., Ran], data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netlist = cosim.write_netlist

    def wrong(emitted: Emitted, netlists: Mapping[str, synth.Netlist], directory: Path) -> Emitted:
        written = write_netlist(emitted, netlists, directory)
        flip(next(n for n in written.nodes if n.node.edge is not None and n.node.layer == "hidden.0.0").sources[0])
        return written

    monkeypatch.setattr(cosim, "write_netlist", wrong)
    ran = hwqnn("build", f"{MODELS}:binary", "--data", data, "--images", FRAMES, "--netlist", "-o", "out")
    assert ran.code == 1
    assert [name for name, check in checks().items() if not check["passed"]] == [CHECK]
    assert re.search(r"the first: image \d+, layer 'hidden\.0\.0' \(mvu\), channel \d: expected -?1, the netlist gave -?1", checks()[CHECK]["detail"])


def test_no_netlist_without_synthesis(hwqnn: Callable[..., Ran], data: Path) -> None:
    ran = hwqnn("build", f"{MODELS}:binary", "--data", data, "--netlist", "--no-synth", "-o", "out")
    assert ran.code == 2
    assert "--no-synth" in ran.err
    assert not Path("out").exists()
