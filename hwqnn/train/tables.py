"""TOML tables to the arguments of functions and dataclasses: every key is checked by name and by type, in the user's own words."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hwqnn.errors import InputError
from hwqnn.words import nearest

_Made = TypeVar("_Made")
TOP = "the top level"
"""What errors call the table that holds all others."""
_WORDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}


def make(kind: Callable[..., _Made], table: object, where: str) -> _Made:
    """kind(**table), a table of a TOML file.

    Args:
        kind: a dataclass or another class with type hints of plain values, sequences, mappings and such dataclasses.
        where: what errors call the table, such as "[train]".
    Raises:
        InputError: an unknown key, a missing one, or a value of another type; or what `kind` itself finds wrong.
    """
    arguments = checked(kind, table, where)
    try:
        return kind(**arguments)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def checked(kind: Callable[..., Any], table: object, where: str) -> dict[str, Any]:
    """The arguments of `kind` in a table, converted to the types of its hints.

    Raises:
        InputError: as `make`, but for what `kind` itself finds.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} must be a table, not {_shown(table)}")
    parameters = {name: p for name, p in inspect.signature(kind).parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    hints = get_type_hints(kind.__init__ if inspect.isclass(kind) else kind)
    for key in table:
        if key not in parameters:
            raise InputError(f"{where} has no key '{key}'; {nearest(key, parameters)}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in table:
            raise InputError(f"{where} needs the key '{name}'")
    return {key: _value(hints[key], value, _inside(where, key)) for key, value in table.items()}


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))  # TOML has no null: a value that is there is of the other type
    origin = get_origin(hint) or hint
    if is_dataclass(hint):
        return make(hint, value, where)  # type: ignore[arg-type]
    if origin is Any:
        return value
    if origin in (Mapping, dict):
        if not isinstance(value, Mapping):
            raise InputError(f"{where} must be a table, not {_shown(value)}")
        return dict(value)
    if origin in (Sequence, tuple, list):
        (inner, *_) = get_args(hint)
        if not isinstance(value, list):
            raise InputError(f"{where} must be a list, not {_shown(value)}")
        return tuple(_value(inner, each, where) for each in value)
    if origin is float and type(value) is int:
        return float(value)
    if type(value) is not origin:  # a bool is an int otherwise
        raise InputError(f"{where} must be {_WORDS[origin]}, not {_shown(value)}")
    return value


def _inside(where: str, key: str) -> str:
    """The name of a key: "[model]" and "weight" give "[model.weight]"."""
    if where == TOP:
        return f"[{key}]"
    return f"{where[:-1]}.{key}]" if where.endswith("]") else f"{where} {key}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
