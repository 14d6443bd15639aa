"""Random networks: exact reals, reference simulator and RTL agree in every bit. `benchmarks/fuzz.py` runs as many as there is time for."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from network_checks import accelerator, check_folding, check_reference, check_rtl
from networks import Network, networks

from hwqnn.errors import UnsupportedError

REFUSAL = "keep their exact order"
"""Per-class scales without a common measure can need more bits than a score has."""
RTL_NETWORKS = 8


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(networks(st.integers(1, 8) | st.integers(1, 16) | st.integers(9, 24) | st.just(67)))
def test_exact_model_is_the_reference(network: Network) -> None:
    try:
        graph = check_reference(network)
    except UnsupportedError as error:
        assert REFUSAL in str(error)
        return
    check_folding(network, accelerator(network, graph))


def some_networks(count: int, first_seed: int) -> list[Network]:
    """Deeper and rarer structures than the first that Hypothesis tries: the last of each of `count` short runs."""
    found: list[Network] = []

    def keep(network: Network) -> None:
        found.append(network)

    options = settings(max_examples=6, database=None, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
    for number in range(first_seed, first_seed + count):
        seen = len(found)
        seed(number)(options(given(networks(st.integers(2, 20) | st.just(67)))(keep)))()
        del found[seen:-1]
    return found


def test_rtl_is_the_exact_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block's every bit, with and without pauses, and every cycle stamp as predicted."""
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path))
    build = importlib.import_module("hwqnn.cosim.build")
    monkeypatch.setattr(
        build, "_MAKE", tuple(flag.replace("OPT_FAST=-O2", "OPT_FAST=-O0") for flag in build._MAKE)
    )  # short runs: compiling is the time

    def check(network: Network) -> bool:
        try:
            graph = check_reference(network)
        except UnsupportedError as error:
            assert REFUSAL in str(error)
            return False
        made = accelerator(network, graph)
        check_folding(network, made)
        check_rtl(network, made)
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(check, some_networks(RTL_NETWORKS, 100)))
    assert sum(done) >= RTL_NETWORKS - 2
