"""Results that take long to find and little to keep, in files that outlast the process."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import ParamSpec, cast

from hwqnn.paths import cache_dir
from hwqnn.resources import Resources

_Asked = ParamSpec("_Asked")
Cost = tuple[Resources, int]
"""Cells and depth of a netlist."""

_SOURCES = hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
"""Read when this module is, as those beside it are: what other sources found is another folder's."""


def remembered(find: Callable[_Asked, Cost]) -> Callable[_Asked, Cost]:
    """`find`, asked once for all processes while the sources of hwqnn/gates stay the same; its arguments tell all by their `repr`.

    Raises (when called):
        ToolError: the cache folder cannot be used.
    """

    @wraps(find)
    def asked(*args: _Asked.args, **kwargs: _Asked.kwargs) -> Cost:
        key = hashlib.sha256(repr((find.__qualname__, args, kwargs)).encode()).hexdigest()
        path = cache_dir("gates") / _SOURCES[:16] / key[:32]
        try:
            *cells, depth = json.loads(path.read_text())
            return Resources(*cells), int(depth)
        except (OSError, ValueError):  # not there, or cut short by a full disk
            pass
        found = find(*args, **kwargs)
        path.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump([*vars(found[0]).values(), found[1]], file, default=float)
        Path(file.name).replace(path)
        return found

    return cast("Callable[_Asked, Cost]", cache(asked))
