"""The file form of a graph: `NAME.json` says what it is, `NAME.npz` beside it holds the integer arrays. Reading it back gives an equal graph."""

from __future__ import annotations

import enum
import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hwqnn.errors import InputError
from hwqnn.ir import real
from hwqnn.ir.geometry import Geometry
from hwqnn.ir.graph import Graph
from hwqnn.ir.ops import REGISTRY
from hwqnn.ir.types import Type, parse

FORMAT = 1
_RECORDS = {c.__name__: c for c in (real.Affine, real.BatchNorm, real.Clamp, real.SignQuantizer, real.UniformQuantizer, Geometry)}


def save(graph: Graph, path: Path) -> None:
    """Writes `path` (.json) and its arrays beside it (.npz)."""
    arrays: dict[str, np.ndarray] = {}
    ops = [{"op": op.kind} | {f.name: _encode(getattr(op, f.name), f"{i}.{f.name}", arrays) for f in fields(op)} for i, op in enumerate(graph.ops)]
    document = {"format": FORMAT, "name": graph.name, "output": graph.output, "meaning": _encode(graph.meaning, "meaning", arrays), "ops": ops}
    path.write_text(json.dumps(document, indent=1) + "\n")
    np.savez_compressed(path.with_suffix(".npz"), **arrays)  # type: ignore[arg-type]


def load(path: Path) -> Graph:
    """The graph that `save` wrote.

    Raises:
        InputError: the file is missing or not such a file; GraphError: its graph breaks a rule.
    """
    try:
        document = json.loads(path.read_text())
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            if document["format"] != FORMAT:
                raise InputError(f"{path}: format {document['format']}, this version reads {FORMAT}: write it again")
            ops = []
            for entry in document["ops"]:
                cls = REGISTRY[entry.pop("op")]
                ops.append(cls(**{k: _decode(v, arrays) for k, v in entry.items()}))
            return Graph(document["name"], tuple(ops), document["output"], _decode(document["meaning"], arrays))
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{path}: not a readable graph file ({type(error).__name__}: {error})") from error


def _encode(value: Any, key: str, arrays: dict[str, np.ndarray]) -> Any:
    match value:
        case Type():
            return {"type": str(value)}
        case np.ndarray() if value.dtype == object:
            return {"exact": [str(v) for v in value]}
        case np.ndarray():
            arrays[key] = value
            return {"array": key}
        case Fraction():
            return {"fraction": str(value)}
        case enum.Enum():
            return {"rounding": value.value}
        case tuple():
            return {"tuple": [_encode(v, f"{key}.{i}", arrays) for i, v in enumerate(value)]}
        case _ if type(value).__name__ in _RECORDS:
            return {"record": type(value).__name__} | {f.name: _encode(getattr(value, f.name), f"{key}.{f.name}", arrays) for f in fields(value)}
        case _:
            return value


def _decode(value: Any, arrays: Any) -> Any:
    match value:
        case {"record": name, **rest}:  # first, for its fields may be called like the keys below
            return _RECORDS[name](**{str(k): _decode(v, arrays) for k, v in rest.items()})
        case {"type": text}:
            return parse(text)
        case {"exact": texts}:
            return real.exact([Fraction(t) for t in texts])
        case {"array": key}:
            return arrays[key]
        case {"fraction": text}:
            return Fraction(text)
        case {"rounding": text}:
            return real.Rounding(text)
        case {"tuple": items}:
            return tuple(_decode(v, arrays) for v in items)
        case _:
            return value
