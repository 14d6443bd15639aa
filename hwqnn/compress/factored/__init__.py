"""Layers of low rank and of few parts: each becomes a chain of smaller layers that hardware already has. One family of forms a file."""

from hwqnn.compress.factored import cp, split, tensor_train, tucker  # noqa: F401  (they register their methods)
from hwqnn.compress.factored.chain import Chain, describe, rebuild
from hwqnn.compress.factored.lowrank import LowRank, LowRankPlan

__all__ = ["Chain", "LowRank", "LowRankPlan", "describe", "rebuild"]
