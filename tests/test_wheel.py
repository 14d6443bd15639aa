"""The installed package: `pip install` of this checkout into an empty folder, then builds from there, in another working directory.

Needs the network, or a package index in reach: pip fetches hatchling into its isolated build environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = {"rtl": "*.sv", "boards": "*.toml", "sim": "harness.cpp", "sim/fst": "*.h"}
"""Folders of the checkout outside the Python package whose files go into the wheel."""
WHERE = """
import json, hwqnn
from hwqnn import paths, zoo
from hwqnn.data.load import SETS
from hwqnn.report.write import SCHEMA
from hwqnn.zoo import weights
places = [hwqnn.__file__, paths.RTL, paths.SIM, paths.BOARDS, SCHEMA, weights.__file__, *(s.excerpt for s in SETS.values())]
print(json.dumps([str(place) for place in places]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed into."""
    target = tmp_path_factory.mktemp("wheel").resolve() / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"pip install needs hatchling from a package index: {done.stderr}"
    return target


def python(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the folder `place` on the installed package, with caches of its own: no full data set, nothing compiled."""
    environment = {k: v for k, v in os.environ.items() if k != "HWQNN_DATA"}
    environment |= {"PYTHONPATH": str(installed), "HWQNN_CACHE": str(place / "cache"), "COLUMNS": "200"}
    return subprocess.run([sys.executable, *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_the_wheel_holds_what_the_package_needs_and_no_more(installed: Path) -> None:
    expected = {path.relative_to(ROOT): path for path in (ROOT / "hwqnn").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    for folder, pattern in SHARED.items():
        expected |= {Path("hwqnn/_share") / path.relative_to(ROOT): path for path in (ROOT / folder).glob(pattern)}
    kinds = {path.suffix for path in expected}
    assert kinds >= {".py", ".sv", ".toml", ".cpp", ".h", ".safetensors", ".npz", ".json", ".html", ".typed"}
    found = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    outside = {path for path in found if path.parts[0] != "hwqnn"}
    assert {path.parts[0] for path in outside} == {"bin", next(installed.glob("hwqnn-*.dist-info")).name}
    assert found - outside == expected.keys()
    assert [str(path) for path, source in expected.items() if (installed / path).read_bytes() != source.read_bytes()] == []


def test_everything_is_found_in_the_installed_package(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-c", WHERE)
    assert done.returncode == 0, done.stderr
    places = [Path(place) for place in json.loads(done.stdout)]
    assert all(place.exists() and place.is_relative_to(installed) for place in places), places


def test_boards(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-c", "from hwqnn.cli import main; main()", "boards")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["pynq-z1", "pynq-z2", "zedboard", "zynq7020"]


def test_build(installed: Path, tmp_path: Path) -> None:
    done = python(installed, tmp_path, "-c", "from hwqnn.cli import main; main()", "build", "--no-synth", "--images", "10", "-o", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["verdict"]["passed"]
    assert (report["accuracy"]["images"], report["accuracy"]["rtl_images"]) == (1000, 10)
    assert report["exact"]["rtl_mismatches"] == 0
    assert (tmp_path / "out" / "report.html").is_file()
