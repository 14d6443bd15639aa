"""The comparison, on traces made by hand: it finds the first block in the chain, its first image and its first channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_models
import torch

import hwqnn
from hwqnn import Accelerator
from hwqnn.cosim import Activity, Mismatch, Trace, compare

FRAMES = 5


@pytest.fixture(scope="module")
def acc() -> Accelerator:
    return hwqnn.compile(small_models.binary(), torch.rand(1, 16), name="net")


@pytest.fixture
def expected(acc: Accelerator, images: np.ndarray) -> dict[str, np.ndarray]:
    return acc.executor.trace(acc.encode(images[:FRAMES]))


@pytest.fixture
def streams(acc: Accelerator, expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a perfect RTL sends."""
    return {n.edge: expected[n.edge].astype(np.int64).reshape(FRAMES, -1) for n in acc.design.nodes if n.edge is not None}


def trace(streams: dict[str, np.ndarray]) -> Trace:
    """That of a top module which hands on what its last block sends, with tlast on it."""
    output = list(streams.values())[-1]
    return Trace(streams, output, np.ones((len(output), 1), dtype=bool), (np.arange(FRAMES),), FRAMES, Activity(0, {}, {}))


def test_all_equal(acc: Accelerator, streams: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    found = compare(acc.design, trace(streams), expected)
    assert (found.mismatches, found.first) == (0, None)
    # 16 input bits, 8 and 8 hidden bits, 4 sums of -8 to 8 (twice a 4-bit count, so 5 bits), a label of 2 bits, its byte at the port, tlast
    assert found.bits == FRAMES * (16 + 8 + 8 + 4 * 5 + 2 + 8 + 1)


def test_the_output_port_is_compared_too(acc: Accelerator, streams: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    sent = trace(streams)
    output, lasts = sent.output.copy(), sent.lasts.copy()
    output[3, 0] ^= 0x81
    lasts[2, 0] = False
    label = int(sent.output[3, 0])
    found = compare(acc.design, replace(sent, output=output), expected)
    assert (found.mismatches, found.first) == (2, Mismatch(3, "argmax", "output port", 0, label, label ^ 0x81))
    found = compare(acc.design, replace(sent, lasts=lasts), expected)
    assert (found.mismatches, found.first) == (1, Mismatch(2, "argmax", "output port's tlast", 0, 1, 0))


def test_the_earliest_block_comes_first_whatever_the_image(acc: Accelerator, streams: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    edges = [n.edge for n in acc.design.nodes if n.edge is not None]
    layers = [n.layer for n in acc.design.nodes if n.edge is not None]
    streams[edges[-1]][0, 0] ^= 1
    streams[edges[2]][3, 5] *= -1
    streams[edges[2]][3, 7] *= -1
    streams[edges[2]][4, 0] *= -1
    found = compare(acc.design, trace(streams), expected)
    got = int(streams[edges[2]][3, 5])
    assert found.mismatches == 5  # bits: of the label in its block and at the port, and three hidden ones
    assert found.first == Mismatch(3, layers[2], "mvu", 5, -got, got)
    assert str(found.first) == f"image 3, layer 'hidden.1.0' (mvu), channel 5: expected {-got}, the RTL gave {got}"


def test_what_never_came_is_wrong(acc: Accelerator, streams: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    edge = next(n.edge for n in acc.design.nodes if n.layer == "output" and n.edge)
    want = int(streams[edge][3, 0])
    streams[edge] = streams[edge][:3]
    found = compare(acc.design, trace(streams), expected)
    assert found.mismatches == 2 * 4 * 5  # bits
    assert found.first == Mismatch(3, "output", "mvu", 0, want, None)
    assert str(found.first).endswith("the RTL gave nothing")


def test_more_frames_than_asked_for_are_not_looked_at(acc: Accelerator, streams: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    edge = next(n.edge for n in acc.design.nodes if n.layer == "output" and n.edge)
    streams[edge] = np.vstack([streams[edge], streams[edge][:1]])
    assert compare(acc.design, trace(streams), expected).mismatches == 0
