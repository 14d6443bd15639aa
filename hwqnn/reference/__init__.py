"""The bit-exact simulator: an integer graph run on the CPU, with packed-bit kernels where the network is binary."""

import os

from hwqnn.paths import cache_dir

# Numba reads this once, when it is first imported; beside the sources, its default, may be read-only.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir("numba")))

from hwqnn.reference.executor import Executor

__all__ = ["Executor"]
