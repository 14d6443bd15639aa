"""Where the files live that are not Python: the top-level folders in a checkout, package data in an installed wheel; and the cache."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hwqnn.errors import ToolError

_PACKAGE = Path(__file__).resolve().parent
_SHARE = _PACKAGE / "_share" if (_PACKAGE / "_share").is_dir() else _PACKAGE.parent

RTL = _SHARE / "rtl"
SIM = _SHARE / "sim"
BOARDS = _SHARE / "boards"


def cache_dir(kind: str) -> Path:
    """The folder for cached results of one `kind`, made if missing: under `$HWQNN_CACHE`, or `$XDG_CACHE_HOME/hwqnn`, or `~/.cache/hwqnn`.

    Raises:
        ToolError: it cannot be made, or not written to.
    """
    base = os.environ.get("HWQNN_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hwqnn"
    path = Path(base) / kind
    try:
        path = path.expanduser()
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows where home is
        why = error.strerror if isinstance(error, OSError) else error
        raise ToolError(f"the cache folder {path} cannot be used ({why}): set $HWQNN_CACHE to a folder that you can write to") from error
    return path
