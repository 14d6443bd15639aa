"""python -m hwqnn.data mnist: downloads the full set into the cache."""

import argparse
import sys

from hwqnn.data.fetch import fetch_mnist
from hwqnn.errors import HwqnnError

parser = argparse.ArgumentParser(prog="python -m hwqnn.data", description="Downloads a full data set into the cache.")
parser.add_argument("name", choices=["mnist"])
parser.parse_args()
try:
    fetch_mnist()
except HwqnnError as error:
    sys.exit(f"error: {error}")
except KeyboardInterrupt:
    sys.exit("\nstopped; nothing kept")
