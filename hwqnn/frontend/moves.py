"""Layers and functions that only move elements: whatever torch does to the tensor, it does to the index behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn

from hwqnn.frontend.registry import REGISTRY, Call, plain
from hwqnn.frontend.symbolic import Symbol


@REGISTRY.layer(nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle)
@REGISTRY.function(
    "view", "reshape", "flatten", "unflatten", "ravel", "squeeze", "squeeze_", "unsqueeze", "unsqueeze_", "permute", "transpose", "transpose_", "t",
    "swapaxes", "swapdims", "movedim", "moveaxis", ".T", ".mT", "chunk", "split", "tensor_split", "unbind", "narrow", "select", "flip", "roll",
    "__getitem__", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
)  # fmt: skip
def move(call: Call) -> Symbol | list[Symbol]:
    samples = len(plain(call.args[call.at]))
    apart = math.prod(call.x.edge.shape)
    index = torch.from_numpy(np.stack([call.x.index + apart * sample for sample in range(samples)]))
    moved: Any = call.run(*call.args[: call.at], index, *call.args[call.at + 1 :], **call.kwargs)
    outs = [out.numpy() for out in (moved if isinstance(moved, tuple | list) else [moved])]
    for out in outs:
        if len(out) != samples or any((out[sample] - out[0] != apart * sample).any() for sample in range(samples)):
            raise call.fail(f"it yields shape {out.shape}, which does not keep the {samples} samples of the batch apart")
        if len(np.unique(out[0])) != out[0].size:
            raise call.fail("it repeats elements")
    results = [call.x.moved(out[0]) for out in outs]
    return results if isinstance(moved, tuple | list) else results[0]
