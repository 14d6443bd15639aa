"""What the tests of whole builds share besides fixtures: how a run of the command ended, and what lies in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODELS = Path(__file__).parent / "small_models.py"
IMAGES = 100


@dataclass(frozen=True)
class Ran:
    """How a run of the command ended, and what it printed."""

    code: int
    out: str
    err: str


def leftovers(folder: Path) -> list[str]:
    """What is in a folder for temporary files, but for what torch keeps in it."""
    return [path.name for path in folder.iterdir() if not path.name.startswith("torchinductor")]


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path under a folder, hidden ones too, with the bytes of files."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}
