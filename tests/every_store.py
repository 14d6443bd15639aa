"""A small network with a block of each kind that keeps things somewhere: weights in LUTs, in the products' LUTs, in block RAM and as logic, DSPs;
windows in delay lines and in block RAM; FIFOs in shift registers, in registers, in LUT RAM and in block RAM; a pool that keeps rows."""

from __future__ import annotations

from dataclasses import replace

import brevitas.nn as qnn
import torch
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from small_models import trained_looking
from torch import nn

import hwqnn
from hwqnn import Accelerator
from hwqnn.dataflow import simulate
from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.pins import Pin, Pins
from hwqnn.dataflow.plumbing import Fifo


class EveryStore(nn.Module):
    """4x4 pixels, two convolutions, a pool and three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        codes = {"act_quant": Int8ActPerTensorFixedPoint, "bit_width": 3}
        weights = {"bias": False, "weight_quant": Int8WeightPerTensorFixedPoint}
        self.sign = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
        self.frozen = qnn.QuantConv2d(1, 4, 3, padding=1, bias=False, weight_quant=SignedBinaryWeightPerTensorConst, weight_scaling_const=1.0)
        self.act = qnn.QuantIdentity(**codes)
        self.wide = qnn.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=6)
        self.bram = qnn.QuantConv2d(4, 4, 3, padding=1, weight_bit_width=3, **weights)
        self.norm = nn.BatchNorm2d(4)
        self.dsp = qnn.QuantLinear(16, 6, weight_bit_width=8, **weights)
        self.fused = qnn.QuantLinear(6, 6, weight_bit_width=3, **weights)
        self.lut = qnn.QuantLinear(6, 3, weight_bit_width=4, **weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.frozen(self.sign(x - 0.5)))
        x = nn.functional.max_pool2d(self.wide(self.norm(self.bram(x))), 2).flatten(1)
        return self.lut(self.act(self.fused(self.act(self.dsp(x)))))


LAYERS = {
    "frozen": Pin(9, 4, Store.FROZEN),
    "bram": Pin(2, 2, Store.BRAM),
    "dsp": Pin(2, 2, Store.LUT, Product.DSP),
    "fused": Pin(3, 1, Store.FUSED, Product.PLANES),
    "lut": Pin(2, 1, Store.LUT, Product.PLANES),
}
WINDOWS = {"frozen": Pin(1, 9, Store.LUT), "bram": Pin(2, 2, Store.BRAM)}
FIFOS = {"dsp": (32, True), "fused": (8, False), "lut": (6, False)}
"""Depth, and whether in block RAM, of the first FIFO before a layer."""


def every_store(clock_mhz: float = 200.0) -> Accelerator:
    torch.manual_seed(5)
    pins = Pins(LAYERS, 1, WINDOWS)
    made = hwqnn.compile(trained_looking(EveryStore()).eval(), torch.rand(1, 1, 4, 4), name="stores", fps=1000.0, clock_mhz=clock_mhz, pins=pins)
    wanted, nodes = dict(FIFOS), []
    for node in made.design.nodes:
        if isinstance(node.block, Fifo) and node.layer in wanted:
            depth, bram = wanted.pop(node.layer)
            node = replace(node, block=replace(node.block, depth=max(depth, node.block.depth), bram=bram))
        nodes.append(node)
    assert not wanted
    design = replace(made.design, nodes=tuple(nodes))
    return replace(made, solution=replace(made.solution, design=design), timing=simulate(design))
