"""`@kernel` compiles a function that releases the interpreter lock, and keeps the machine code in this package's cache folder."""

from __future__ import annotations

import os
from functools import partial

from numba import njit
from numba.core import config

from hwqnn.errors import ToolError
from hwqnn.paths import cache_dir

kernel = partial(njit, nogil=True, cache=True)
try:
    # By default Numba writes beside the sources, which may be read-only. It looks here when a function is decorated.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir("numba")))
    config.reload_config()
except ToolError:  # commands that need no cache still run, `hwqnn doctor` for one; those that need it say so
    kernel = partial(njit, nogil=True)
