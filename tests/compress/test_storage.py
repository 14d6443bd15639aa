"""Deep Compression's account of storage: Huffman codes against all prefix codes, streams by decoding them, sizes by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from brevitas import nn as qnn
from torch import nn

from hwqnn import compress, quant
from hwqnn.compress import Batches
from hwqnn.compress.huffman import code_lengths, codes, decode, dense, encode, huffman, sparse
from hwqnn.compress.layers import integers, layers
from hwqnn.compress.storage import Huffman, Stored
from hwqnn.errors import InputError


def test_a_textbook_s_code() -> None:
    """Cormen et al., Introduction to Algorithms, figure 16.4: 224 (thousand) bits."""
    counts = {0: 45, 1: 13, 2: 12, 3: 16, 4: 9, 5: 5}
    lengths = code_lengths(counts)
    assert lengths == {0: 1, 1: 3, 2: 3, 3: 3, 4: 4, 5: 4}
    assert sum(counts[s] * lengths[s] for s in counts) == 224
    assert codes(lengths) == {0: "0", 1: "100", 2: "101", 3: "110", 4: "1110", 5: "1111"}


@pytest.mark.parametrize("seed", range(20))
def test_no_prefix_code_is_shorter(seed: int) -> None:
    """Prefix codes of five symbols: all lengths up to 4 with a Kraft sum of at most 1."""
    random = np.random.default_rng(seed)
    counts = [int(n) for n in random.integers(1, 30, 5)]
    found = code_lengths(dict(enumerate(counts)))
    legal = [lengths for lengths in product(range(1, 5), repeat=5) if sum(2**-n for n in lengths) <= 1]
    best = min(sum(c * n for c, n in zip(counts, lengths, strict=True)) for lengths in legal)
    assert sum(count * found[symbol] for symbol, count in enumerate(counts)) == best


def test_codes_have_no_prefix_in_common_and_decode() -> None:
    random = np.random.default_rng(0)
    for symbols in ([7], [7, 7, 7], random.integers(-5, 6, 500).tolist(), np.round(random.standard_normal(2000) * 20).astype(int).tolist()):
        book = huffman(symbols)
        words = list(book.values())
        assert not any(a != b and b.startswith(a) for a in words for b in words)
        assert decode(encode(symbols, book), book) == symbols
    assert huffman([]) == {}


def test_relative_indices_of_the_paper() -> None:
    """Han, Mao and Dally 2016, figure 2: values at 1, 4 and 15, 3 bits; a filler at 12."""
    vector = [0] * 16
    vector[1], vector[4], vector[15] = 34, 9, 17
    assert sparse(vector, 3) == ([1, 2, 7, 2], [34, 9, 0, 17])


@pytest.mark.parametrize("index_bits", [1, 2, 5, 16])
def test_sparse_vectors_come_back(index_bits: int) -> None:
    random = np.random.default_rng(index_bits)
    for density in (0.0, 0.02, 0.3, 1.0):
        vector = (random.integers(1, 9, 400) * (random.random(400) < density)).tolist()
        gaps, stored = sparse(vector, index_bits)
        assert dense(gaps, stored, 400) == vector
        assert all(0 <= gap < 1 << index_bits for gap in gaps)
        assert not stored or stored[-1] != 0
    assert sparse([0] * 400, index_bits) == ([], [])


def test_bits_by_hand() -> None:
    """3 -3 3 3 with gaps 0 1 0 3, of which the last needs a filler with 2-bit indices: 0 1 0 3 0 (at most 3 zeros, then the filler is the fourth)."""
    stored = Stored.of(torch.tensor([[3, 0, -3, 3, 0], [0, 0, 0, 3, 0]]), 1, 2)
    assert stored.nonzero == 4 and stored.fillers == 1
    assert stored.restored() == [3, 0, -3, 3, 0, 0, 0, 0, 3, 0]
    # values 3 -3 3 0 3: three symbols of 1, 2, 2 bits; gaps 0 1 0 3 0: three symbols of 1, 2, 2 bits
    assert len(stored.value_stream) == 3 + 2 + 2 and len(stored.gap_stream) == 3 + 2 + 2
    assert stored.shared_bits == 3 * 3 + 32  # 3-bit integers and a scale
    assert stored.table_bits == 8 * (3 + 4)
    assert stored.fixed_bits == 5 * (2 + 2) + 41
    assert stored.bits == 7 + 7 + 56 + 41


def test_deep_compression_gives_the_weights_back_and_says_so(mlp: nn.Module, batches: Batches) -> None:
    steps = [compress.make("magnitude", sparsity=0.8), compress.make("codebook", values=8), compress.make("huffman", index_bits=3)]
    done = compress.run(mlp, steps, batches)
    shared = compress.run(mlp, steps[:2], batches).model
    plan = Huffman(index_bits=3).plan(done.model, None)
    bits = 0
    for name, layer in layers(done.model).items():
        found = integers(name, layer)
        assert torch.equal(found.values, integers(name, layers(shared)[name]).values)  # the last step changes nothing
        assert plan.layers[name].restored() == found.values.flatten().tolist()
        assert len(plan.layers[name].values) <= 8
        bits += plan.layers[name].bits
    assert plan.bits == bits
    assert plan.ratio == pytest.approx(32 * (36 * 8 + 8 * 3) / bits)
    assert f"{plan.ratio:.1f} times less" in done.reports[2].notes[0]
    assert "fillers" in str(done.reports[2])


def test_convolutions_have_their_own_index_width(cnn: nn.Module) -> None:
    plan = Huffman(index_bits=4, conv_index_bits=6).plan(cnn, None)
    assert [each.index_bits for each in plan.layers.values()] == [6, 6, 4]
    assert [each.scales for each in plan.layers.values()] == [4, 6, 3]


def test_bad_index_widths() -> None:
    for bits in (0, -1, 17):
        with pytest.raises(InputError, match=f"relative indices of {bits} bits: 1 to 16 are possible"):
            compress.make("huffman", index_bits=bits)
        with pytest.raises(InputError, match="relative indices"):
            compress.make("huffman", conv_index_bits=bits)
    with pytest.raises(InputError, match="nothing to compress"):
        Huffman().plan(nn.Sequential(nn.Linear(2, 2)), None)


def test_a_layer_of_zeros_takes_almost_nothing() -> None:
    layer = qnn.QuantLinear(50, 4, **quant.weight("integer", 8, per_channel=False)).eval()
    pruned = compress.run(nn.Sequential(layer), [compress.make("magnitude", sparsity=0.999)]).model
    stored = Huffman(index_bits=8).plan(pruned, None).layers["0"]
    assert stored.nonzero == 0 and stored.value_stream == stored.gap_stream == ""
    assert stored.restored() == [0] * 200
