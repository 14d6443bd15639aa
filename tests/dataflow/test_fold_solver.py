"""The folding solver against brute force: every folding of every stage, every place for the FIFOs, timed by simulation."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from every_design import BOARD, CLOCK, estimate, every_design, price, with_depth
from hand_made import Net

from hwqnn.boards import Board
from hwqnn.dataflow import fold, simulate
from hwqnn.dataflow.design import Resources, Store
from hwqnn.dataflow.pins import Pin
from hwqnn.dataflow.plumbing import Fifo
from hwqnn.errors import CheckError, InputError
from hwqnn.ir import Add, ArgMax, Bipolar, Concat, Graph, Input, Int, MatMul, Op, Threshold, UInt


def mlp(*sizes: int, seed: int = 0, pixels: bool = False) -> Graph:
    """A binary MLP: (threshold on pixels), products, thresholds between them, argmax."""
    rng = np.random.default_rng(seed)
    ops: list[Op] = [Input(name="x", inputs=(), type=UInt(8) if pixels else Bipolar(), shape=(sizes[0],))]

    def threshold(name: str, value: int) -> None:
        ops.append(
            Threshold(
                name=name, inputs=(ops[-1].name,), thresholds=np.array([[value]]), descending=np.array([False]), base=-1, step=2, type=Bipolar()
            )
        )  # fmt: skip

    if pixels:
        threshold("quant", 128)
    for i, (inputs, outputs) in enumerate(pairwise(sizes), 1):
        ops.append(MatMul(name=f"fc{i}", inputs=(ops[-1].name,), weight=rng.choice([-1, 1], (outputs, inputs)), weight_type=Bipolar()))
        if i < len(sizes) - 1:
            threshold(f"act{i}", 0)
    ops.append(ArgMax(name="label", inputs=(ops[-1].name,)))
    return Graph("mlp", tuple(ops), "label")


def small_board(**cells: int) -> Board:
    return replace(BOARD, name="small", resources=replace(BOARD.resources, **cells))


def skip() -> Graph:
    """A dense layer with a skip around it."""
    net = Net(Bipolar(), (2,))
    first = net.add(Threshold, None, thresholds=np.zeros((1, 1), dtype=np.int64), descending=np.array([True]), base=-1, step=2, type=Bipolar())
    net.dense(2)
    net.add(Add, (net.sign(), first))
    return net.graph("skip")


def windows() -> Graph:
    """A convolution, then a pool."""
    net = Net(UInt(2), (3, 2, 2))
    net.conv(2, 2, padding=(1, 1, 0, 0))
    net.sign()
    net.pool(2, stride=(1, 1))
    return net.graph("windows")


def twice() -> Graph:
    """The input itself, concatenated with its layer."""
    net = Net(UInt(2), (2, 1, 2))
    net.add(Concat, (net.conv(2, 1), "@input"))
    return net.graph("twice")


SMALL = {
    "one layer": mlp(6, 4), "pixels": mlp(4, 3, pixels=True), "two layers": mlp(4, 3, 2), "skip": skip(), "windows": windows(), "twice": twice(),
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_least_price(name: str) -> None:
    """For each rate: no design of any folding that reaches it is cheaper. Prices are compared before FIFOs grow."""
    graph = SMALL[name]
    designs = sorted(((price(estimate(d)), i, d) for i, d in enumerate(every_design(graph, 2))), key=lambda entry: entry[:2])
    intervals: dict[int, int] = {}
    for cycles in (1, 2, 3, 4, 6, 8, 12, 20, 40, 80):
        best = None
        for cost, i, design in designs:
            if i not in intervals:
                intervals[i] = simulate(with_depth(design, 64)).interval
            if intervals[i] <= cycles:
                best = cost
                break
        try:
            found = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=CLOCK * 1e6 / cycles).design
        except CheckError:
            assert best is None, f"{cycles} cycles can be reached"
            continue
        assert best is not None
        assert simulate(found).interval <= cycles
        assert price(with_depth(found, 2).rough_estimate) == pytest.approx(best), f"{cycles} cycles"


@pytest.mark.parametrize("cells", [{}, {"dsp": 0}, {"dsp": 3}, {"dsp": 5, "bram36": 1}, {"dsp": 10, "bram36": 2}])
@pytest.mark.parametrize("cycles", [2, 4, 12])
def test_least_price_for_the_cells_that_it_takes(cells: dict[str, int], cycles: int) -> None:
    """No design of any folding is cheaper, prices as while there is plenty, that reaches the rate and takes no more block RAM and DSPs."""
    net = Net(UInt(5), (4,))
    net.dense(6, of=Int(5))
    net.dense(2, of=Int(5))
    graph, board = net.graph("products"), small_board(**cells)
    found = fold.solve(graph, board, clock_mhz=CLOCK, fps=CLOCK * 1e6 / cycles).design
    have, took = board.resources, with_depth(found, 2).rough_estimate
    assert took.dsp <= have.dsp and took.bram36 <= have.bram36

    def priced(cost: Resources) -> float:
        others = ((getattr(cost, kind), getattr(have, kind)) for kind in ("ff", "carry4", "bram36", "dsp"))
        return cost.lut + 0.1 * sum(n * have.lut / m if m else 1e12 * n for n, m in others)

    def enough(cost: Resources) -> bool:
        return cost.dsp <= took.dsp and cost.bram36 <= took.bram36

    rivals = [(priced(cost), i, d) for i, d in enumerate(every_design(graph, 2, scarce=True)) if enough(cost := estimate(d))]
    for least, _, rival in sorted(rivals, key=lambda entry: entry[:2]):
        if simulate(with_depth(rival, 64)).interval <= cycles:
            assert priced(took) <= least + 0.1
            return
    raise AssertionError("the solver's own design is not among them")


def test_dsps_save_luts_until_there_are_no_more() -> None:
    net = Net(UInt(8), (16,))
    net.dense(12, of=Int(8))
    graph, pins = net.graph("products"), fold.Pins({"matmul1": Pin(store=Store.LUT)})
    found = [fold.solve(graph, small_board(dsp=n), clock_mhz=CLOCK, fps=CLOCK * 1e6 / 24, pins=pins).design.rough_estimate for n in (0, 5, 10, 220)]
    assert [cost.dsp for cost in found] == sorted(cost.dsp for cost in found)
    assert [cost.lut for cost in found] == sorted((cost.lut for cost in found), reverse=True)
    assert found[-1].lut < 0.7 * found[0].lut


@pytest.mark.parametrize("fps", [1e5, 1e6, 4e6, 2e7])
def test_rate_is_met(fps: float) -> None:
    design = fold.solve(mlp(64, 32, 10, pixels=True), BOARD, clock_mhz=CLOCK, fps=fps).design
    assert CLOCK * 1e6 / simulate(design).interval >= fps


def test_slower_is_not_dearer() -> None:
    graph = mlp(64, 32, 10)
    prices = [
        price(fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=CLOCK * 1e6 / cycles).design.rough_estimate) for cycles in (4, 8, 20, 64, 200, 2048)
    ]
    assert prices == sorted(prices, reverse=True)


def test_pins_are_kept() -> None:
    graph = mlp(24, 12, 6, pixels=True)
    pins = fold.Pins({"fc1": Pin(4, 3, Store.LUT), "fc2": Pin(12, 2, Store.BRAM), "label": Pin(3, 1)}, 12)
    design = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=None, pins=pins).design
    kept = fold.pins_of(design)
    assert kept["input"] == {"elements": 12}
    layers = kept["layers"]
    assert (layers["fc1"], layers["fc2"]) == (
        {"pe": 3, "simd": 4, "store": "lut", "product": "planes"},
        {"pe": 2, "simd": 12, "store": "bram", "product": "planes"},
    )
    assert (layers["label"]["pe"], layers["label"]["simd"]) == (1, 3)


def test_pins_that_only_converters_can_join() -> None:
    """Seven elements to three: one at a time between them, which is slower than either block."""
    pins = fold.Pins({"fc1": Pin(7, 7), "fc2": Pin(3, 7)}, 7)
    design = fold.solve(mlp(7, 21, 7), BOARD, clock_mhz=CLOCK, fps=None, pins=pins).design
    assert simulate(design).interval >= 21


@pytest.mark.parametrize(
    "window", [{"elements": 1, "gives": 1, "store": "bram"}, {"elements": 2, "gives": 8, "store": "lut"}], ids=["by taps", "whole"]
)
def test_windows_are_pinned_too(tmp_path: Path, window: dict[str, object]) -> None:
    graph, path = windows(), tmp_path / "fold.json"
    path.write_text(json.dumps({"layers": {"conv1": {"pe": 1, "simd": 4, "store": "lut", "window": window}, "maxpool3": {"pe": 2, "simd": 2}}}))
    design = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=None, pins=fold.read_pins(path, graph, CLOCK)).design
    layers = fold.pins_of(design)["layers"]
    assert layers["conv1"] == {"pe": 1, "simd": 4, "store": "lut", "product": "planes", "window": window}
    assert layers["maxpool3"] == {"pe": 2, "simd": 2, "window": {"elements": 2, "gives": 2, "store": "lut"}}
    path.write_text(json.dumps(fold.pins_of(design)))
    again = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=None, pins=fold.read_pins(path, graph, CLOCK)).design
    assert [n.block.parameters for n in again.nodes] == [n.block.parameters for n in design.nodes]


def test_fold_file_round_trip(tmp_path: Path) -> None:
    """What `pins_of` says of a design, written to a file and read back, gives the same design."""
    graph, path = mlp(24, 12, 6, pixels=True), tmp_path / "fold.json"
    design = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=3e6).design
    path.write_text(json.dumps(fold.pins_of(design)))
    again = fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=3e6, pins=fold.read_pins(path, graph, CLOCK)).design
    assert fold.pins_of(again) == fold.pins_of(design)
    assert [n.block.parameters for n in again.nodes] == [n.block.parameters for n in design.nodes]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable"),
        ("[]", "the file must be a table"),
        ('{"layers": {}, "inputs": {}}', "the file has an unknown key 'inputs'; known here are input, layers"),
        (
            '{"layers": {"fc1": {"pe": 1, "simd": 1, "ram": true}}}',
            "layer 'fc1' has an unknown key 'ram'; known here are pe, simd, store, product, window",
        ),
        ('{"layers": {"fc1": {"pe": 1, "simd": 1, "product": "lut"}}}', "'product' of layer 'fc1' must be planes or dsp, not 'lut'"),
        (
            '{"layers": {"fc1": {"pe": 1, "simd": 1, "window": {"pe": 1}}}}',
            "'window' of layer 'fc1' has an unknown key 'pe'; known here are elements, gives, store",
        ),
        ('{"layers": {"fc1": {"pe": 1, "simd": 1, "window": {"elements": 1}}}}', "no window in layer 'fc1'"),
        ('{"input": {"pe": 0}}', "'input' has an unknown key 'pe'; known here are elements"),
        ('{"layers": {"fc9": {"pe": 1, "simd": 1}}}', "no layer 'fc9'; this network has quant, fc1, fc2, label"),
        ('{"layers": {"fc1": {"pe": 5, "simd": 1}}}', "'fc1' cannot take pe=5 with simd=1: pe is one of 1, 2, 3, 4, 6, 12"),
        (
            '{"layers": {"fc1": {"pe": 2, "simd": 1, "store": "bram", "product": "dsp"}}}',
            "'fc1' cannot take product=dsp with simd=1, pe=2, store=bram: product is one of planes",
        ),
        ('{"input": {"elements": 5}}', "input elements 5 do not divide 24"),
        ('{"input": {"elements": 0}}', "input elements 0 do not divide 24"),
    ],
)
def test_bad_fold_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fold.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        fold.read_pins(path, mlp(24, 12, 6, pixels=True), CLOCK)


def test_no_fold_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json"):
        fold.read_pins(tmp_path / "nowhere.json", mlp(4, 2), CLOCK)


def test_too_fast_for_the_board_names_the_resource_and_the_best_rate() -> None:
    graph, board = mlp(64, 32, 10), small_board(lut=500)
    with pytest.raises(CheckError, match=r"does not fit small \(--max-utilization 0.8\): it needs at least [\d,]+ LUT of 400 \(estimate\)") as caught:
        fold.solve(graph, board, clock_mhz=CLOCK, fps=2e7)
    rate = float(re.search(r"best reachable rate is about ([\d,]+) frames/s", str(caught.value))[1].replace(",", ""))
    assert rate < 2e7
    found = fold.solve(graph, board, clock_mhz=CLOCK, fps=rate).design
    assert found.rough_estimate.lut <= 400


def test_a_board_without_block_ram_and_dsps() -> None:
    """Nothing goes into them, and pinning a layer there says what is missing."""
    graph, board = mlp(256, 64, 10), small_board(bram36=0, dsp=0)
    for fps in (1e4, 1e5, 1e6):
        design = fold.solve(graph, board, clock_mhz=CLOCK, fps=fps).design
        assert (design.rough_estimate.bram36, design.rough_estimate.dsp) == (0, 0)
    pins = fold.Pins({"fc1": Pin(16, 16, Store.BRAM)})
    assert fold.solve(graph, BOARD, clock_mhz=CLOCK, fps=None, pins=pins).design.rough_estimate.bram36 > 0
    with pytest.raises(CheckError, match=r"does not fit small \(--max-utilization 0.8\): it needs at least \d+ BRAM36 of 0 \(estimate\)"):
        fold.solve(graph, board, clock_mhz=CLOCK, fps=None, pins=pins)


def test_too_fast_for_any_folding() -> None:
    with pytest.raises(CheckError, match="faster than any folding of its layers that the fold file allows; the best reachable rate is about"):
        fold.solve(mlp(64, 32, 10), BOARD, clock_mhz=CLOCK, fps=1e7, pins=fold.Pins({"fc1": Pin(1, 1)}))


def test_no_folding_fits() -> None:
    with pytest.raises(
        CheckError,
        match=r"no folding of mlp is small enough: it does not fit small .* it needs at least [\d,]+ LUT of 16 \(estimate\); leave it more room",
    ):
        fold.solve(mlp(64, 32, 10), small_board(lut=20), clock_mhz=CLOCK, fps=None)


def test_left_to_itself_it_slows_down_until_it_fits() -> None:
    design = fold.solve(mlp(256, 128, 10), small_board(lut=900), clock_mhz=CLOCK, fps=None).design
    assert design.rough_estimate.lut <= 0.8 * 900


@pytest.mark.parametrize("fps", [1e6, 3e6, 8e6])
def test_no_fifo_is_deeper_than_it_must_be(fps: float) -> None:
    """Halving any one FIFO costs rate, and unbounded FIFOs gain none."""
    design = fold.solve(mlp(48, 24, 12, 6, pixels=True), BOARD, clock_mhz=CLOCK, fps=fps).design
    interval = simulate(design).interval
    assert simulate(with_depth(design, 512)).interval == interval
    for i, node in enumerate(design.nodes):
        if isinstance(node.block, Fifo) and node.block.depth > 2:
            nodes = list(design.nodes)
            nodes[i] = replace(node, block=replace(node.block, depth=node.block.depth // 2))
            assert simulate(replace(design, nodes=tuple(nodes))).interval > interval, node.name
