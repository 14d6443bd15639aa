"""Costs that are kept between processes: found once, and anew where the file is damaged or the arguments differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwqnn.gates.remembered import remembered
from hwqnn.resources import Resources


def test_found_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWQNN_CACHE", str(tmp_path))
    asked: list[int] = []

    def find(size: int) -> tuple[Resources, int]:
        asked.append(size)
        return Resources(lut=size, bram36=0.5), size + 1

    for _ in range(2):  # each is as another process: nothing in memory
        again = remembered(find)
        assert [again(3), again(4), again(3)] == [find_of(3), find_of(4), find_of(3)]
    assert asked == [3, 4]

    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.write_text("[1, 2")
    assert remembered(find)(3) == find_of(3)
    assert asked == [3, 4, 3]
    assert remembered(find)(3) == find_of(3)
    assert asked == [3, 4, 3]


def find_of(size: int) -> tuple[Resources, int]:
    return Resources(lut=size, bram36=0.5), size + 1
