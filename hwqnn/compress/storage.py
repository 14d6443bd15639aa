"""Deep Compression's last stage (Han, Mao and Dally 2016, sections 2 and 4): what a pruned and shared network takes in memory.

A layer is stored as its weights other than 0, each with its distance to the one before it in a fixed number of bits. Values and distances have
Huffman codes. Everything that a decoder needs is counted: both streams, the tables of both codes, the shared values and their scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brevitas.nn import QuantLinear
from torch import Tensor, nn

from hwqnn.compress.huffman import check_index_bits, decode, dense, encode, huffman, sparse
from hwqnn.compress.layers import changed, integers, layers
from hwqnn.compress.method import Batches, register
from hwqnn.compress.report import Report, compare
from hwqnn.frontend.products import weight_type

FLOAT_BITS = 32
"""Of a weight before anything was done to it, and of a scale."""
LENGTH_BITS = 8
"""Of a code's length in a table: a canonical code is known by its lengths."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A layer in memory.

    Attributes:
        weights, scales: how many the layer has. nonzero: weights other than 0. fillers: zeros stored because an index was too far.
        index_bits: of a relative index. value_bits: of the integers that the values are.
        values, gaps: the Huffman codes of what is stored; value_stream, gap_stream: one character a bit.
    """

    weights: int
    scales: int
    nonzero: int
    fillers: int
    index_bits: int
    value_bits: int
    values: dict[int, str]
    gaps: dict[int, str]
    value_stream: str
    gap_stream: str

    @classmethod
    def of(cls, weight: Tensor, scales: int, index_bits: int) -> Stored:
        """Of a layer's integers, in the order of torch."""
        flat = weight.flatten().tolist()
        gaps, stored = sparse(flat, index_bits)
        nonzero = len(flat) - flat.count(0)
        books = huffman(stored), huffman(gaps)
        streams = encode(stored, books[0]), encode(gaps, books[1])
        return cls(len(flat), scales, nonzero, len(stored) - nonzero, index_bits, weight_type(weight.numpy()).bits, *books, *streams)

    def restored(self) -> list[int]:
        """The layer's integers again, from the streams alone."""
        return dense(decode(self.gap_stream, self.gaps), decode(self.value_stream, self.values), self.weights)

    @property
    def shared_bits(self) -> int:
        """The shared values, and what they are multiplied by."""
        return len(self.values) * self.value_bits + self.scales * FLOAT_BITS

    @property
    def fixed_bits(self) -> int:
        """Without Huffman codes: numbers of shared values and relative indices in a fixed number of bits."""
        return (self.nonzero + self.fillers) * (max(1, (len(self.values) - 1).bit_length()) + self.index_bits) + self.shared_bits

    @property
    def table_bits(self) -> int:
        return LENGTH_BITS * (len(self.values) + (1 << self.index_bits))

    @property
    def bits(self) -> int:
        """All of it."""
        return len(self.value_stream) + len(self.gap_stream) + self.table_bits + self.shared_bits


@dataclass(frozen=True, eq=False)
class StoragePlan:
    """Every layer by its name."""

    layers: dict[str, Stored]

    @property
    def bits(self) -> int:
        return sum(each.bits for each in self.layers.values())

    @property
    def ratio(self) -> float:
        """How much less memory it is than all weights as floats of 32 bits."""
        return sum(each.weights for each in self.layers.values()) * FLOAT_BITS / self.bits

    def __str__(self) -> str:
        columns = ("layer", "nonzero", "fillers", "values", "index", "fixed bits", "value bits", "index bits", "tables", "shared", "bits")
        lines = [f"{columns[0]:<24}" + "".join(f"{name:>11}" for name in columns[1:]), *self._lines()]
        total = sum(each.weights for each in self.layers.values()) * FLOAT_BITS
        return "\n".join([*lines, f"{self.bits:,} bits of {total:,} as floats: {self.ratio:.1f} times less"])

    def _lines(self) -> Iterator[str]:
        for name, each in self.layers.items():
            counts = each.nonzero, each.fillers, len(each.values), each.index_bits, each.fixed_bits
            sizes = *counts, len(each.value_stream), len(each.gap_stream), each.table_bits, each.shared_bits, each.bits
            yield f"{name:<24}" + "".join(f"{size:>11,}" for size in sizes)


@register("huffman")
@dataclass(frozen=True)
class Huffman:
    """Changes nothing: counts what the network takes in memory. The last step of Deep Compression, behind pruning and `codebook`.

    Attributes:
        index_bits: of relative indices in dense layers; conv_index_bits: in convolutions. The paper's 5 and 8.
    """

    index_bits: int = 5
    conv_index_bits: int = 8

    def __post_init__(self) -> None:
        check_index_bits(self.index_bits)
        check_index_bits(self.conv_index_bits)

    def plan(self, model: nn.Module, batches: Batches | None) -> StoragePlan:
        made = {}
        for name, layer in layers(model).items():
            found = integers(name, layer)
            made[name] = Stored.of(found.values, found.scale.numel(), self.index_bits if isinstance(layer, QuantLinear) else self.conv_index_bits)
        return StoragePlan(made)

    def apply(self, model: nn.Module, plan: StoragePlan) -> nn.Module:
        return changed(model, {})

    def report(self, before: nn.Module, after: nn.Module, plan: StoragePlan) -> Report:
        return compare(str(self), before, after, str(plan))
