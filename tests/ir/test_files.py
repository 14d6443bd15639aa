"""A saved graph comes back equal, saved twice it is the same bytes, and a file that is no graph is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Network, map_networks, networks

from hwqnn.errors import HwqnnError, InputError, UnsupportedError
from hwqnn.ir import (
    Add,
    Affine,
    ArgMax,
    BatchNorm,
    ChannelAffine,
    Clamp,
    Concat,
    Conv,
    Decide,
    Geometry,
    Graph,
    Input,
    Int,
    MatMul,
    MaxPool,
    Requantize,
    Reshape,
    Rounding,
    SignQuantizer,
    Threshold,
    UniformQuantizer,
    Upsample,
    Vote,
    exact,
)
from hwqnn.ir.files import load, save
from hwqnn.ir.ops import REGISTRY
from hwqnn.passes import lower


def assert_equal(a: Any, b: Any) -> None:
    """Field by field down to the numbers; types of numbers and of arrays count."""
    assert type(a) is type(b), (a, b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
        if a.dtype == object:
            assert all(type(v) is Fraction for v in b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other)
    elif hasattr(a, "__dataclass_fields__") and not isinstance(a, type):
        for f in fields(a):
            if f.name != "edges":
                assert_equal(getattr(a, f.name), getattr(b, f.name))
    else:
        assert a == b


def bytes_of(path: Path) -> bytes:
    return path.read_bytes() + path.with_suffix(".npz").read_bytes()


def real_graph() -> Graph:
    chain = (
        Affine(exact([float(np.float32(0.1)), Fraction(1, 3)]), exact([0])),
        Clamp(None, Fraction(7, 5)),
        BatchNorm(*(exact(v) for v in ([1, -2], [0.5, 0], [3], [Fraction(1, 10**30)]))),
        Clamp(Fraction(-1), Fraction(1)),
    )
    ops = (
        Input(name="x", inputs=(), type=Int(5), shape=(3,)),
        Requantize(name="q", inputs=("x",), chain=(), quantizer=SignQuantizer(Fraction(1, 7))),
        MatMul(name="fc", inputs=("q",), weight=np.array([[1, 2, 3], [-4, 0, 1]]), weight_type=Int(3)),
        Requantize(name="act", inputs=("fc",), chain=chain, quantizer=UniformQuantizer(Fraction(2, 9), -3, -8, 7, Rounding.CEIL)),
    )
    return Graph("real", ops, "act", (Affine(exact([Fraction(2, 9)]), exact([0])),))


def graph_of_maps() -> Graph:
    x = Input(name="x", inputs=(), type=Int(3), shape=(5, 4, 2))
    weight = np.arange(-8, 8).reshape(4, 2, 2, 1)
    down = np.array([True, False, False, True])
    ops = (
        Conv(name="conv", inputs=("x",), weight=weight, weight_type=Int(4), geometry=Geometry((2, 2), (2, 1), (0, 1, 2, 0), (1, 2)), groups=2),
        MaxPool(name="pool", inputs=("conv",), geometry=Geometry((2, 1)), minimum=down),
        ChannelAffine(name="align", inputs=("pool",), mul=np.array([1, -2, 3, 0]), add=np.array([0, 1, 0, -5])),
        Add(name="sum", inputs=("pool", "align")),
        Concat(name="both", inputs=("sum", "pool")),
        Upsample(name="up", inputs=("both",), factor=(2, 1)),
        Reshape(name="rows", inputs=("up",), shape=(4, 3, 8)),
        ArgMax(name="label", inputs=("rows",), k=3),
    )
    return Graph("maps", (x, *ops), "label")


def graph_of_votes() -> Graph:
    x = Input(name="x", inputs=(), type=Int(3), shape=(4,))
    decide = Decide(name="label", inputs=("x",), chain=(Affine(exact([1, Fraction(2, 3), -3, 1]), exact([0])),))
    return Graph("votes", (x, decide, Vote(name="vote", inputs=("label",), weight=np.array([3]), classes=4)), "vote")


def round_trip(graph: Graph, folder: Path) -> None:
    first, second = folder / "first.json", folder / "second.json"
    save(graph, first)
    again = load(first)
    assert_equal(graph, again)
    assert again.edges == graph.edges
    save(again, second)
    assert bytes_of(first) == bytes_of(second)


@pytest.mark.parametrize("make", [real_graph, graph_of_maps, graph_of_votes])
def test_round_trip_of_every_kind(tmp_path: Path, make: Callable[[], Graph]) -> None:
    round_trip(make(), tmp_path)


def test_every_op_has_its_round_trip() -> None:
    seen = {type(op) for op in (*real_graph().ops, *graph_of_maps().ops, *graph_of_votes().ops)}
    assert {cls for cls in REGISTRY.values() if cls.__module__.startswith("hwqnn.")} - seen == {Threshold}  # which the random networks below have


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(st.integers(1, 12)) | map_networks() | map_networks(canonical=True))
def test_round_trip_of_random_networks(tmp_path_factory: pytest.TempPathFactory, network: Network) -> None:
    round_trip(network.imported, tmp_path_factory.mktemp("graph"))
    try:
        canonical = lower(network.imported, network.head, network.top)
    except UnsupportedError:
        return
    round_trip(canonical, tmp_path_factory.mktemp("graph"))


def change(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".npz").unlink(),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.with_suffix(".npz").write_bytes(b"not a zip"),
        lambda path: path.with_suffix(".npz").write_bytes(path.with_suffix(".npz").read_bytes()[:200]),
        lambda path: np.savez(path.with_suffix(".npz")),
        change(lambda d: d.update(format=2)),
        change(lambda d: d.pop("format")),
        change(lambda d: d.pop("output")),
        change(lambda d: d.pop("name")),
        change(lambda d: d.pop("ops")),
        change(lambda d: d["ops"][0].update(op="Convolution")),
        change(lambda d: d["ops"][0].pop("op")),
        change(lambda d: d["ops"][0].pop("shape")),
        change(lambda d: d["ops"][0].update(extra=1)),
        change(lambda d: d["ops"][0].update(type={"type": "float32"})),
        change(lambda d: d["ops"][2].update(weight={"array": "nothing"})),
        change(lambda d: d["ops"][2].update(weight=3)),
        change(lambda d: d["ops"][1]["quantizer"].update(scale={"fraction": "1/0"})),
        change(lambda d: d["ops"][1]["quantizer"].update(real="Magic")),
        change(lambda d: d["ops"][3]["quantizer"].update(rounding={"rounding": "down"})),
        change(lambda d: d["ops"][2].update(inputs={"tuple": ["nobody"]})),
    ],
)
def test_spoiled_files(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    path = tmp_path / "g.json"
    save(real_graph(), path)
    spoil(path)
    with pytest.raises(HwqnnError) as caught:
        load(path)
    assert isinstance(caught.value, InputError) or "not produced" in str(caught.value)
    assert "g.json" in str(caught.value) or "fc" in str(caught.value)
