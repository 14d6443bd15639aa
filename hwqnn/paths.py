"""Where the files live that are not Python: the top-level folders in a checkout, package data in an installed wheel; and the cache."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHARE = _PACKAGE / "_share" if (_PACKAGE / "_share").is_dir() else _PACKAGE.parent

RTL = _SHARE / "rtl"
SIM = _SHARE / "sim"
BOARDS = _SHARE / "boards"


def cache_dir(kind: str) -> Path:
    """The folder for cached results of one `kind`, made if missing: under `$HWQNN_CACHE`, or `$XDG_CACHE_HOME/hwqnn`, or `~/.cache/hwqnn`."""
    base = os.environ.get("HWQNN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwqnn"
    path = Path(base) / kind
    path.mkdir(parents=True, exist_ok=True)
    return path
