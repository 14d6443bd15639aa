"""A made-up report with plausible figures, and everything in it that can be hard to draw."""

from __future__ import annotations

import numpy as np

from hwqnn import boards
from hwqnn.report import Accuracy, Check, Clock, Exact, Folding, Hop, Layer, Performance, Power, Report, Sample
from hwqnn.resources import Resources


def digit(index: int) -> np.ndarray:
    """A 28 x 28 stand-in for a digit: a ring and a stroke, uint8."""
    y, x = np.mgrid[:28, :28]
    ring = np.exp(-((np.hypot(x - 14, y - 14) - 5 - index % 4) ** 2) / 3)
    stroke = np.exp(-((x - 14 + (y - 14) * np.tan(index)) ** 2) / 3) * (abs(y - 14) < 9)
    return (255 * np.clip(ring + stroke * (index % 2), 0, 1)).astype(np.uint8)


def confusion(images: int, classes: int, wrong: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    label = rng.integers(0, classes, images)
    guess = np.where(rng.random(images) < wrong, rng.integers(0, classes, images), label)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (label, guess), 1)
    return counts


def example(model: str = "tfc-w1a1", layer: str = "features.2") -> Report:
    return Report(
        model=model,
        board=boards.load("zynq7020"),
        clock_mhz=100.0,
        input="raw pixels",
        checks=(
            Check("bit-exact", True, "0 of 23,800,000 bits differ between RTL and reference"),
            Check("cycles as predicted", True, "latency 238 and interval 98 cycles, as the cost model says"),
            Check("fits the board", True, "6,812 of 53,200 LUTs"),
            Check("meets the asked rate", True, "1.02 M frames/s, asked were 1 M"),
        ),
        accuracy=Accuracy(images=10000, software=0.9484, reference=0.9484, rtl=0.951, rtl_images=1000, reference_same=0.951),
        exact=Exact(rtl_bits_compared=23_800_000, rtl_mismatches=0, software_disagreements=0),
        performance=Performance(latency_cycles=238, interval_cycles=98, fps=100e6 / 98, binary_tops=0.121),
        clock=Clock(
            117.6,
            95.0,
            145.3,
            False,
            "static timing of the netlist of yosys, times 2.1 for routing",
            4.05,
            (Hop(layer, "mvu", ("FDRE", "LUT6", "CARRY4"), "i_mvu.sum[3]", 2.87), Hop("features.6", "fifo", ("LUT4", "FDRE"), "full_q", 1.18)),
        ),
        power=Power(
            0.212,
            0.15,
            {"lut": 0.021, "carry4": 0.004, "ff": 0.012, "bram36": 0.0, "dsp": 0.0, "clock": 0.025},
            {layer: 0.044, "features.6": 0.011, "features.13": 0.002},
            0.212 / 1.02e6,
            0.173,
            9800,
            {"lut": 1.5e-13, "carry4": 4e-13, "ff": 5e-14, "bram36": 1.5e-11, "dsp": 1e-11, "clock_ff": 1.5e-14, "clock_tree": 5e-11},
        ),
        folding=Folding(True, 0.0),
        resources=Resources(lut=6812, ff=5120, carry4=640, bram36=0.0, dsp=0),
        estimate=Resources(lut=6620.4, ff=5000, carry4=640, bram36=0.0, dsp=0),
        source="yosys 0.70 synth_xilinx",
        layers=(
            Layer("input", "input", "threshold", 8, None, 98, Resources(70.0, 60), Resources(64, 64), logic_ns=1.4),
            Layer(layer, layer, "matmul", 64, 8, 98, Resources(4210.4, 3000, 500), Resources(4407, 3100, 512), "XNOR", 4.0),
            Layer("features.6", "features.6 (window)", "window", 8, 8, 64, Resources(980.0, 900), Resources(902, 880), logic_ns=3.2),
            Layer("features.6", "features.6 (matmul)", "matmul", 8, 8, 64, Resources(980.0, 900), Resources(911, 870), logic_ns=4.05),
            Layer("features.13", "features.13", "matmul", 2, 8, 40, Resources(310.0, 200), Resources(398, 230), logic_ns=2.2),
            Layer("output", "output", "argmax", 2, None, 5, Resources(40.0, 30), Resources(44, 28), logic_ns=1.8),
            Layer("fifo", "fifo", "fifo", None, None, 8, Resources(30.0), Resources(0), logic_ns=2.0),
        ),
        seconds={"import": 2.31, "lower": 0.42, "fold": 0.09, "emit": 0.12, "reference": 0.88, "cosim": 17.2, "synth": 21.7, "report": 0.03},
        classes=tuple("0123456789"),
        confusion=confusion(10000, 10, 0.055),
        samples=tuple(Sample(i, i % 10, i % 10, i % 10 if i != 5 else 3, i % 10 if i != 5 else 3, digit(i)) for i in range(12)),
        options={"board": "zynq7020", "fps": 1e6, "images": 1000, "seed": 0, "fold": None, "synth": True},
        versions={"hwqnn": "0.1.0", "brevitas": "0.13.4", "verilator": "5.49", "yosys": "0.70"},
    )
