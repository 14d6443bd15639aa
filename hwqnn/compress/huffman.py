"""Huffman codes (Huffman 1952) and sparse vectors by relative indices: how Deep Compression stores a layer (Han, Mao and Dally 2016)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence

from hwqnn.errors import InputError

MAX_INDEX_BITS = 16


def code_lengths(counts: Mapping[int, int]) -> dict[int, int]:
    """Bits of each symbol's code, so that the sum of count * length is the least of all prefix codes; a single symbol takes 1 bit.

    Args:
        counts: of each symbol, above 0.
    """
    if len(counts) == 1:
        return dict.fromkeys(counts, 1)
    lengths = dict.fromkeys(counts, 0)
    heap = [(count, at, [symbol]) for at, (symbol, count) in enumerate(sorted(counts.items()))]
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, _, left), (b, at, right) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in (*left, *right):
            lengths[symbol] += 1
        heapq.heappush(heap, (a + b, at, left + right))
    return lengths


def codes(lengths: Mapping[int, int]) -> dict[int, str]:
    """The canonical code of these lengths, which is all that a decoder has to be told: codes ascend with (length, symbol)."""
    made: dict[int, str] = {}
    code, before = 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - before
        made[symbol] = f"{code:0{length}b}"
        code, before = code + 1, length
    return made


def encode(symbols: Sequence[int], book: Mapping[int, str]) -> str:
    """Symbols as bits, a character each."""
    return "".join(book[symbol] for symbol in symbols)


def decode(bits: str, book: Mapping[int, str]) -> list[int]:
    """The symbols of which `encode` made these bits."""
    symbols, found, word = {code: symbol for symbol, code in book.items()}, [], ""
    for bit in bits:
        word += bit
        if word in symbols:
            found.append(symbols[word])
            word = ""
    assert not word, "the bits end within a code"
    return found


def huffman(symbols: Sequence[int]) -> dict[int, str]:
    """The canonical Huffman code of what occurs in `symbols`."""
    return codes(code_lengths(Counter(symbols))) if symbols else {}


def sparse(values: Sequence[int], index_bits: int) -> tuple[list[int], list[int]]:
    """A vector as its values other than 0 and, for each, how many zeros lie before it since the last (their figure 2).

    Where that is more than `index_bits` bits can say, a 0 is stored on the way: a filler.

    Returns:
        gaps in [0, 2^index_bits), and as many values.
    Raises:
        InputError: the index width is impossible.
    """
    check_index_bits(index_bits)
    most = (1 << index_bits) - 1
    gaps: list[int] = []
    stored: list[int] = []
    gap = 0
    for value in values:
        if value == 0 and gap < most:
            gap += 1
            continue
        gaps.append(gap)
        stored.append(value)
        gap = 0
    while stored and stored[-1] == 0:  # a decoder knows the size: behind the last value nothing has to be stored
        gaps.pop()
        stored.pop()
    return gaps, stored


def dense(gaps: Sequence[int], stored: Sequence[int], size: int) -> list[int]:
    """The vector of which `sparse` made these."""
    values: list[int] = []
    for gap, value in zip(gaps, stored, strict=True):
        values += [0] * gap
        values.append(value)
    return values + [0] * (size - len(values))


def check_index_bits(index_bits: int) -> None:
    """Raises `InputError` where a relative index cannot have so many bits."""
    if not 1 <= index_bits <= MAX_INDEX_BITS:
        raise InputError(f"relative indices of {index_bits} bits: 1 to {MAX_INDEX_BITS} are possible")
