"""Training at several workers, which send each other their gradients, whole or compressed: `fit`."""

from hwqnn.train.workers.codecs import CODECS, Codec
from hwqnn.train.workers.launch import Shared, Workers, fit

__all__ = ["CODECS", "Codec", "Shared", "Workers", "fit"]
