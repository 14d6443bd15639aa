"""The boards: one TOML file each, in `boards/` or anywhere the user keeps one."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hwqnn.errors import InputError
from hwqnn.paths import BOARDS


@dataclass(frozen=True)
class Capacity:
    """What the part holds, in cells of a 7-series device. It may lack block RAM and DSPs."""

    lut: int
    ff: int
    carry4: int
    bram36: int
    dsp: int


@dataclass(frozen=True)
class Clocks:
    """The clock used unless the user asks for another, and the fastest that makes sense, in MHz."""

    default_mhz: float
    max_mhz: float


@dataclass(frozen=True)
class Memory:
    """Memory outside the part, in MiB."""

    ddr_mib: int


@dataclass(frozen=True)
class Board:
    """A board: `part` is the full device, package and speed grade."""

    name: str
    description: str
    part: str
    resources: Capacity
    clocks: Clocks
    memory: Memory


def available() -> list[Board]:
    """The boards that come with hwqnn, by name."""
    return [_read(path) for path in sorted(BOARDS.glob("*.toml"))]


def load(name: str) -> Board:
    """The board called `name`, or described by the file at path `name` (which ends in .toml).

    Raises:
        InputError: no such board or file, or the file is not a complete description.
    """
    if name.endswith(".toml"):
        return _read(Path(name))
    names = sorted(path.stem for path in BOARDS.glob("*.toml"))
    if name in names:
        return _read(BOARDS / f"{name}.toml")
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"unknown board {name!r}: {hint}There are {', '.join(names)}; or give the path of a .toml file")


def _read(path: Path) -> Board:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read board file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"board file {path} is not valid TOML: {error}") from error
    board: Board = _fill(Board, table, path, "")
    if board.clocks.default_mhz > board.clocks.max_mhz:
        raise InputError(f"board file {path}: clocks.default_mhz is above clocks.max_mhz")
    return board


_SECTIONS = {"Capacity": Capacity, "Clocks": Clocks, "Memory": Memory}
_MAY_BE_ZERO = ("resources.bram36", "resources.dsp")
_VALUES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def _fill(kind: type, table: Any, path: Path, prefix: str) -> Any:
    """A `kind` made from a TOML table, every key checked against the dataclass's fields."""
    if not isinstance(table, dict):
        raise InputError(f"board file {path}: {prefix.rstrip('.')!r} must be a table")
    names = [field.name for field in fields(kind)]
    for key in table:
        if key not in names:
            raise InputError(f"board file {path}: unknown key {prefix + key!r}; known here are {', '.join(names)}")
    values: dict[str, Any] = {}
    for field in fields(kind):
        key = prefix + field.name
        if field.name not in table:
            raise InputError(f"board file {path}: key {key!r} is missing")
        value: Any = table[field.name]
        of = str(field.type)
        if of in _SECTIONS:
            values[field.name] = _fill(_SECTIONS[of], value, path, key + ".")
            continue
        right_type = isinstance(value, _VALUES[of]) and not isinstance(value, bool)
        if not right_type:
            raise InputError(f"board file {path}: key {key!r} must be of type {of}, not {value!r}")
        if of == "str" and not value:
            raise InputError(f"board file {path}: key {key!r} is empty")
        absent = value == 0 and key in _MAY_BE_ZERO
        if of != "str" and not absent and not 0 < value < float("inf"):
            raise InputError(f"board file {path}: key {key!r} must be a positive number, not {value!r}")
        values[field.name] = float(value) if of == "float" else value
    return kind(**values)
