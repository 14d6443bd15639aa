"""What a layer takes whose weights are logic: the LUTs that yosys counts of it alone."""

from __future__ import annotations

import torch
from torch import nn

import hwqnn
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.fold import Pin, Pins


def frozen_luts(model: nn.Module, inputs: int, head: str = "scores", layer: str = "1") -> int:
    """Of the layer with this name, frozen; the model reads vectors of so many inputs."""
    made = hwqnn.compile(model, torch.zeros(1, inputs), fps=1e5, head=head, pins=Pins({layer: Pin(store=Store.FROZEN)}), threads=1)
    cells = made.synthesize(jobs=1)
    return round(sum(cells[node.name].lut for node in made.design.nodes if node.block.module == "frozen"))
