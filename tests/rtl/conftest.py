"""Lets the tests use the benches' own helpers, such as the packing of beats."""

import sys

from hwqnn.paths import SIM

sys.path.insert(0, str(SIM))
