"""python -m hwqnn.data NAME: downloads a full built-in data set into the cache."""

import argparse
import sys

from hwqnn.data.fetch import fetch
from hwqnn.data.load import SETS
from hwqnn.errors import HwqnnError

parser = argparse.ArgumentParser(prog="python -m hwqnn.data", description="Downloads a full data set into the cache.")
parser.add_argument("name", choices=SETS)
arguments = parser.parse_args()
try:
    fetch(SETS[arguments.name])
except HwqnnError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit("\nstopped; nothing kept")
