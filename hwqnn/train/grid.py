"""A recipe with a table [grid] stands for many: one for each combination of the values that it lists."""

from __future__ import annotations

import copy
import itertools
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwqnn.errors import InputError
from hwqnn.train.recipe import Recipe, read_text
from hwqnn.words import nearest


def points(path: Path, seed: int | None = None) -> dict[str, Recipe]:
    """The recipes of a file by their labels, such as "weight.bits=1,act.bits=2"; without [grid] there is one, and its label is empty.

    [grid] has keys such as "model.weight.bits", each with a list of values; the first key varies slowest.

    Raises:
        InputError: as `Recipe.read`; or [grid] names a table that the recipe has not, or lists nothing.
    """
    text = read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        document = {}  # Recipe.parse says it better
    if "grid" not in document:
        return {"": Recipe.parse(text, path.stem, str(path), seed)}
    grid = document.pop("grid")
    if not isinstance(grid, Mapping) or not grid:
        raise InputError(f"recipe {path}: [grid] must be a table of lists")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"recipe {path}: [grid] '{key}' must be a list of values, and not empty")
    found = {}
    for values in itertools.product(*grid.values()):
        chosen = copy.deepcopy(document)
        for key, value in zip(grid, values, strict=True):
            try:
                _put(chosen, key, value)
            except InputError as error:
                raise InputError(f"recipe {path}: {error}") from error
        label = ",".join(f"{'.'.join(key.split('.')[-2:])}={_plain(value)}" for key, value in zip(grid, values, strict=True))
        found[label] = Recipe.parse(dump(chosen), f"{path.stem} {label}", f"{path} at {label}", seed)
    return found


def dump(table: Mapping[str, Any]) -> str:
    """TOML of plain values, lists and tables: what `tomllib` reads back as the same."""
    return "".join(f"{json.dumps(key, ensure_ascii=False)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {_inline(each)}" for key, each in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else repr(value)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    """Sets a value by its dotted key; every table on the way must be there."""
    *tables, last = key.split(".")
    place = document
    for name in tables:
        if not isinstance(place.get(name), dict):
            raise InputError(f"[grid] '{key}': there is no table '{name}'; {nearest(name, [k for k, v in place.items() if isinstance(v, dict)])}")
        place = place[name]
    place[last] = value


def _plain(value: Any) -> str:
    """A value as part of a folder's name."""
    return re.sub(r"[^\w.+-]+", "_", str(value))
