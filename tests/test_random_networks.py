"""Random networks: Brevitas, exact reals, reference simulator and RTL agree in every bit. `benchmarks/fuzz.py` runs as many as there is time for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import brevitas_modules
import pytest
from brevitas_networks import Description, descriptions
from campaign import KINDS, Campaign
from hypothesis import HealthCheck, Phase, given, seed, settings

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
