"""Downloads of the full built-in sets into the cache. Each source is tried in turn, and what comes is checked against known digests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hwqnn.data.builtin import BuiltIn
from hwqnn.errors import ToolError


def fetch(wanted: BuiltIn, say: Callable[[str], None] = print) -> Path:
    """The folder with the full set as IDX files, downloaded unless it is there already.

    Args:
        say: gets a line about each thing tried.

    Raises:
        ToolError: no source gave the right files.
    """
    name, target = wanted.name, wanted.cached
    if wanted.complete(target):
        say(f"{name} is already in {target}")
        return target
    failed = []
    for place, source in wanted.sources.items():
        say(f"{name} from {place} ...")
        with tempfile.TemporaryDirectory(dir=target.parent) as made:
            folder = Path(made) / name
            folder.mkdir()
            try:
                source(folder)
            except Exception as error:  # whatever a source dies of, the next one may work
                failed.append(f"{place}: {error}")
                say(f"  {error}")
                continue
            if not wanted.complete(folder):
                failed.append(f"{place}: the files are not those of {name}")
                say(f"  the files are not those of {name} (SHA-256 differs)")
                continue
            shutil.rmtree(target, ignore_errors=True)
            folder.rename(target)
        say(f"{name} is in {target}")
        return target
    advice = f"put its IDX files into a folder called {name} and set $HWQNN_DATA to the folder around that"
    raise ToolError(f"{name} could not be fetched; {advice} ({'; '.join(failed)})")
