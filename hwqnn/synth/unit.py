"""What is synthesized: one hardware block and every file it reads."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from hwqnn.errors import ToolError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Unit:
    """One hardware block.

    Attributes:
        name: what messages and results call it; any text.
        top: the module to synthesize.
        sources: SystemVerilog files, in reading order.
        directory: where relative `sources` and `data` paths start.
        data: files that `$readmemh` opens by bare name. Nothing else is visible to yosys.
    """

    name: str
    top: str
    sources: tuple[Path, ...]
    directory: Path
    data: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Contents:
    """A unit as bytes: all that its result depends on, whatever its name and wherever its files lie."""

    top: str
    sources: tuple[str, ...]
    files: dict[str, bytes]

    def key(self, *environment: str) -> str:
        """A hash of these contents and of the `environment` (versions, flags) that synthesizes them."""
        digest = hashlib.sha256()
        for part in (*environment, self.top, *self.sources):
            digest.update(b"%d:" % len(part.encode()) + part.encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"{name}:{len(content)}:".encode() + content)
        return digest.hexdigest()


def read(unit: Unit) -> Contents:
    """Reads every file of `unit`.

    Raises:
        ToolError: a file cannot be read, two share a bare name, or a name could be taken for something else in a yosys script.
    """
    if not _IDENTIFIER.fullmatch(unit.top):
        raise ToolError(f"block {unit.name!r}: {unit.top!r} is not a plain Verilog module name")
    files: dict[str, bytes] = {}
    for path in (*unit.sources, *unit.data):
        if not _FILE_NAME.fullmatch(path.name):
            raise ToolError(f"block {unit.name!r}: file name {path.name!r} is not made of letters, digits, '_', '-' and '.'")
        if path.name in files:
            raise ToolError(f"block {unit.name!r}: two files are called {path.name!r}; yosys sees bare names only")
        try:
            files[path.name] = (unit.directory / path).read_bytes()
        except OSError as error:
            raise ToolError(f"block {unit.name!r}: cannot read {path}: {error.strerror}") from error
    return Contents(unit.top, tuple(path.name for path in unit.sources), files)
