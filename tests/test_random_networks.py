"""Random networks: Brevitas, exact reals, reference simulator and RTL agree in every bit. `benchmarks/fuzz.py` runs as many as there is time for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import brevitas_modules
import brevitas_networks
import network_checks
import pytest
from brevitas_checks import check_against_brevitas, check_against_qonnx, imported
from brevitas_networks import Act, Conv, Description, Linear, Norm, Residual, Weight, descriptions, parts
from campaign import KINDS, Campaign, Failure, smallest
from hypothesis import HealthCheck, Phase, given, seed, settings
from network_checks import Case, accelerator, check_reference, check_rtl

from hwqnn.ir import Conv as ConvOp
from hwqnn.ir import Graph
from hwqnn.passes import lower
from hwqnn.reference import Executor

SIZE = {"brevitas": 60, "imported": 60, "canonical": 120, "matrices": 60}
SIMULATED = {"brevitas": 6, "imported": 4, "canonical": 4, "matrices": 2}


def assert_no_failures(campaign: Campaign) -> None:
    assert not campaign.failures, "\n\n".join(f"{f.kind}: {type(f.error).__name__}: {f.error}\n{f.example!r}" for f in campaign.failures)


@pytest.mark.parametrize("kind", KINDS)
def test_networks(kind: str, tmp_path: Path) -> None:
    """Exact = reference for all, on Brevitas' own codes where there is a module; and = RTL for the last of them, with cycles as predicted."""
    campaign = Campaign()
    cases = campaign.batch(kind, 1, SIZE[kind])
    assert_no_failures(campaign)
    assert kind != "brevitas" or campaign.counts["recorded = QONNX route"] >= SIZE[kind] // 4
    assert campaign.counts["drawn"] == SIZE[kind] and campaign.counts["refused"] < 0.1 * SIZE[kind]
    campaign.rtl(kind, 1, SIZE[kind], cases[-SIMULATED[kind] :], tmp_path / "rtl", tmp_path / "runtime")
    assert_no_failures(campaign)
    assert campaign.counts[f"{kind}: = RTL"] == SIMULATED[kind]


SMALL = Description(
    shape=(2, 4, 4),
    layers=(Act(bits=3), Conv(3, Weight("int", 4), (3, 3), padding=(1, 1)), Norm(), Act(bits=2), Linear(4, Weight("int", 3))),
    images=3,
)


def spoiled(graph: Graph) -> Graph:
    """One convolution's weights negated."""
    conv = next(op for op in graph.ops if isinstance(op, ConvOp))
    return graph.replace({conv.name: [replace(conv, weight=-conv.weight)]})


def test_what_is_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong weight in the import, in a pass, in the reference, in the RTL."""
    found = imported(SMALL)
    check_against_brevitas(found)
    assert check_against_qonnx(found)
    network = found.network()
    graph = check_reference(network)
    wrong = replace(found, graph=spoiled(found.graph))
    with pytest.raises(AssertionError, match="Brevitas gives"):
        check_against_brevitas(wrong)
    with pytest.raises(AssertionError, match="gives another network"):
        check_against_qonnx(wrong)
    made = accelerator(network, graph)
    cases = [Case(network, made), Case(network, replace(made, executor=Executor(spoiled(graph), threads=1)))]
    right, noticed = check_rtl(cases, tmp_path / "rtl", tmp_path / "runtime")
    assert right is None and noticed is not None and "bits differ" in noticed
    with monkeypatch.context() as patch:
        patch.setattr(network_checks, "Executor", lambda of, threads: Executor(spoiled(of), threads))
        with pytest.raises(AssertionError, match="trace gives"):
            check_reference(network)
    monkeypatch.setattr(network_checks, "lower", lambda *arguments: spoiled(lower(*arguments)))
    with pytest.raises(AssertionError, match="exactly it is"):
        check_reference(network)


def test_a_failure_shrinks(tmp_path: Path) -> None:
    """To the smallest description with what fails in it, written as Python that gives it back."""

    def check(description: Description) -> None:
        assert not any(isinstance(part, Residual) for part in parts(description.layers)), "a residual"

    found = smallest(descriptions(), 1, 100, check)
    assert found is not None
    description, error = found
    assert len(description.layers) <= 4 and "a residual" in str(error)
    path = Failure("brevitas", description, error).write(tmp_path, "small")
    assert eval(path.read_text().split("\n\n")[1], vars(brevitas_networks)) == description


def test_draws_cover_everything() -> None:
    """What 400 descriptions hold: every layer, both joins, every number type."""
    seen: Counter[str] = Counter()

    def note(description: Description) -> None:
        seen.update(repr(description).replace("(", " ( ").replace(",", " ").split())

    options = settings(max_examples=400, database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    seed(1)(options(given(descriptions())(note)))()
    layers = [cls.__name__ for cls in brevitas_modules.MAKERS]
    values = [f"kind='{kind}'" for kind in ("bipolar", "ternary", "int", "sign")] + [f"groups='{g}'" for g in ("two", "depthwise")]
    values += [f"bits={n}" for n in (1, 2, 3, 5, 6, 7, 8)] + ["narrow=True", "signed=False", "per_channel=True", "nice=False", "bias='int'"]
    assert not {word for word in (*layers, *values) if seen[word] < 5}
