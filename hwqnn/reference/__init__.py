"""The bit-exact simulator: an integer graph run on the CPU, with packed-bit kernels where the network is binary."""

from hwqnn.reference.executor import Executor

__all__ = ["Executor"]
