"""Runs batches of random networks through the checks, shrinks what fails, and counts. Behind tests/test_random_networks.py and benchmarks/fuzz.py."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from brevitas_checks import check_against_brevitas, check_against_qonnx, imported
from brevitas_networks import Description, descriptions
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from network_checks import Case, accelerator, check_folding, check_reference, check_rtl, kind_of
from networks import Network, map_networks, networks

from hwqnn.errors import UnsupportedError
from hwqnn.ir.files import save

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "brevitas": descriptions(),
    "imported": map_networks(),
    "canonical": map_networks(canonical=True),
    "matrices": networks(st.integers(1, 8) | st.integers(1, 16) | st.integers(9, 24) | st.just(67)),
}
"""Whole Brevitas networks; graphs as a frontend makes them; graphs that no pass has simplified; chains of matrix products."""
SHRINKING_S = 150.0


@dataclass(frozen=True, eq=False)
class Failure:
    """The smallest example found that shows it."""

    kind: str
    example: Any
    error: BaseException

    def write(self, folder: Path, name: str) -> Path:
        """What reproduces it: a description as Python, a graph with its inputs as files."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.txt"
        path.write_text(f"{type(self.error).__name__}: {self.error}\n\n{self.example!r}\n")
        if isinstance(self.example, Network):
            save(self.example.imported, folder / f"{name}.json")
            np.save(folder / f"{name}.npy", self.example.images)
        return path


@dataclass
class Campaign:
    """Counts of what was checked, and what failed.

    Attributes:
        folded: whether networks are folded too.
    """

    folded: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    known: Counter[str] = field(default_factory=Counter)

    def check(self, kind: str, example: Any) -> Case | None:
        """Everything but RTL. None for a network that is refused.

        Raises:
            AssertionError, or what else goes wrong.
        """
        self.counts["drawn"] += 1
        try:
            network = self.of_brevitas(example) if isinstance(example, Description) else example
            graph = check_reference(network)
        except UnsupportedError as error:
            return self.refused(error)
        self.counts["exact = reference"] += 1
        self.counts[f"{kind}: exact = reference"] += 1
        self.counts["images"] += len(network.images)
        self.counts.update(f"op {op.kind}" for op in graph.ops)
        if not self.folded:
            return None
        try:
            made = accelerator(network, graph)
        except UnsupportedError as error:  # a graph that computes nothing has no hardware
            return self.refused(error)
        check_folding(network, made)
        self.counts["folded"] += 1
        self.counts.update(f"block {kind_of(node.block)}" for node in made.design.nodes)
        return Case(network, made)

    def refused(self, error: UnsupportedError) -> None:
        self.counts["refused"] += 1
        self.counts[f"refused: {shortened(error)}"] += 1

    def of_brevitas(self, description: Description) -> Network:
        found = imported(description)
        self.counts["codes too close to a boundary for floats"] += check_against_brevitas(found)
        self.counts["Brevitas = exact"] += 1
        self.counts["recorded = QONNX route"] += check_against_qonnx(found)
        return found.network()

    def batch(self, kind: str, number: int, size: int) -> list[Case]:
        """Checks the networks that a seed gives. A failure is shrunk and noted; one that was seen before only counted."""
        cases: list[Case] = []
        counting = self  # what Hypothesis tries to make a failure smaller is no network of the campaign

        def check(example: Any) -> None:
            nonlocal counting
            try:
                if (case := counting.check(kind, example)) is not None and counting is self:
                    cases.append(case)
            except Exception as error:
                if not self.seen(error):
                    counting = Campaign(self.folded)
                    raise

        self.note(kind, smallest(KINDS[kind], number, size, check))
        return cases

    def rtl(self, kind: str, number: int, size: int, cases: list[Case], work: Path, runtime: Path) -> None:
        """Simulates some of the networks that a seed gave, all in one build."""
        for case, why in zip(cases, check_rtl(cases, work, runtime), strict=True):
            if why is None:
                self.counts["exact = reference = RTL, cycles as predicted"] += 1
                self.counts[f"{kind}: = RTL"] += 1
                self.counts[f"= RTL at {case.network.build.clock_mhz:g} MHz, {case.network.build.target.name.lower()}"] += 1
                self.counts.update(f"= RTL {kind_of(node.block)}" for node in case.made.design.nodes)
            elif not self.seen(AssertionError(why)):
                self.shrink_rtl(kind, number, size, case, work, runtime)
        shutil.rmtree(work, ignore_errors=True)

    def shrink_rtl(self, kind: str, number: int, size: int, failing: Case, work: Path, runtime: Path) -> None:
        """The seed's examples come again in the same order: from the failing one on they are simulated."""
        end = time.monotonic() + SHRINKING_S
        quiet = Campaign()
        reached = False

        def check(example: Any) -> None:
            nonlocal reached
            if time.monotonic() > end:
                return
            case = quiet.check(kind, example)
            reached |= case is not None and repr(case.network) == repr(failing.network)
            if not reached:
                return
            (why,) = check_rtl([case], work / "shrink", runtime) if case is not None else [None]
            if why is not None and not self.seen(AssertionError(why)):
                raise AssertionError(why)

        self.note(kind, smallest(KINDS[kind], number, size, check))

    def seen(self, error: BaseException) -> bool:
        """Whether a failure like this one is noted already."""
        if shortened(error) not in self.known:
            return False
        self.known[shortened(error)] += 1
        return True

    def note(self, kind: str, found: tuple[Any, BaseException] | None) -> None:
        if found is not None:
            self.failures.append(Failure(kind, *found))
            self.known[shortened(found[1])] += 1


def shortened(error: BaseException) -> str:
    """What kind of error it is: its words without names and numbers."""
    text = re.sub(r"'[^']*'|\[[^\]]*\]|\([^)]*[\d,][^)]*\)|[-\d.,]+", "", f"{type(error).__name__}: {error}".splitlines()[0])
    return re.sub(r"\s+", " ", text)[:100]


def smallest(
    strategy: st.SearchStrategy[Any], number: int, size: int, check: Callable[[Any], None]
) -> tuple[Any, BaseException] | None:  # fmt: skip
    """Checks the examples that a seed gives; the smallest that fails and its error, None if all is well."""
    last: tuple[Any, BaseException] | None = None

    def test(example: Any) -> None:
        nonlocal last
        try:
            check(example)
        except Exception as error:
            last = example, error
            raise

    options = settings(
        max_examples=size, database=None, deadline=None, phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )  # fmt: skip
    try:
        seed(number)(options(given(strategy)(test)))()
    except Exception:
        if last is None:
            raise
    return last
