"""Quantizers on one small CNN and Fashion-MNIST: ways to binarize, balanced and stochastic ones, DoReFa's grid of bit widths, few-bit gradients,
wider layers, bit widths that decay; LUTs beside each.

    python benchmarks/compression/quantizers.py [--only GROUP ...] [--quick]

28x28-8C3-P2-16C3-P2-64-10 (WRPN's has more channels), 8-bit pixels, trained for three epochs on the first 20,000 images (the ways to binarize, which
differ little, for eight on all 60,000), batch norms settled (`hwqnn.quant.settle_norms`) on the first 5,000. The hardware of the first seed makes
10,000 frames/s at 100 MHz without block RAM and with one DSP block at most (scales that differ by class need it), so that what a quantizer costs is
LUTs. Checkpoints stay in the cache folder: a row that is made again measures only its hardware.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace

import torch
from common import Hardware, Row, Size, arguments, keep, measure, row, table
from torch import nn

from hwqnn import data
from hwqnn.compress import BitWidthDecay, Term
from hwqnn.frontend import import_brevitas
from hwqnn.paths import cache_dir
from hwqnn.quant import InputScaled, settle_norms
from hwqnn.train import Cnn, Images, Quantizer, Settings, evaluate, fit

SHAPE = (1, 28, 28)
NETWORK = "28x28-8C3-P2-16C3-P2-64-10, 8-bit pixels"
DATA = "fashion-mnist"
FPS = 10_000
SIGN = Quantizer("sign")


def scale_inputs(model: Cnn) -> nn.Module:
    """XNOR-Net's input scale K for every layer that reads signs, which is every one but the first; `model` itself."""
    blocks = [*model.conv, *model.dense]
    acts = [block[-1] for block in blocks]
    for block in blocks:
        block[-1] = nn.Identity()
    for act, block in zip(acts, blocks[1:], strict=False):
        block[0] = InputScaled(act, block[0])
    model.output = InputScaled(acts[-1], model.output)
    return model


@dataclass(frozen=True)
class Case:
    """A row: the quantizers of a network, on how many seeds it is trained, and what else is special."""

    method: str
    weight: Quantizer
    act: Quantizer
    seeds: int = 3
    _: KW_ONLY
    input_scale: bool = False
    gradient_bits: int | None = None
    widen: float = 1.0
    terms: tuple[Term, ...] = ()

    def model(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        special = {"gradient_bits": self.gradient_bits, "widen": self.widen}
        model = Cnn(SHAPE, (8, 16), 10, self.weight, self.act, pool=(1, 2), dense=(64,), **special)
        return scale_inputs(model) if self.input_scale else model


def general(**options: str) -> Quantizer:
    return Quantizer("general", 2, options)


GROUPS: dict[str, tuple[Case, ...]] = {
    "binarization": (
        Case("XNOR-Net", Quantizer("xnor"), SIGN),
        Case("XNOR-Net, input scale K", Quantizer("xnor"), SIGN, input_scale=True),
        Case("BNN", Quantizer("sign"), SIGN),
        Case("BinaryConnect, 4-bit activations", Quantizer("sign"), Quantizer("relu", 4)),
        Case("BinaryConnect, stochastic, 4-bit activations", Quantizer("stochastic-sign"), Quantizer("relu", 4)),
        Case("DoReFa, 1-bit weights and activations", Quantizer("dorefa", 1), Quantizer("dorefa", 1)),
    ),
    "balance": (
        Case("unbalanced, deterministic, W2 A2", general(rounding="deterministic"), Quantizer("dorefa", 2)),
        Case("unbalanced, stochastic, W2 A2", general(rounding="stochastic"), Quantizer("dorefa", 2)),
        Case("balanced by medians, W2 A2", Quantizer("balanced", 2, {"middle": "median"}), Quantizer("dorefa", 2)),
        Case("balanced by means, W2 A2", Quantizer("balanced", 2, {"middle": "mean"}), Quantizer("dorefa", 2)),
    ),
    "gradients": tuple(
        Case(f"DoReFa W1 A2 G{bits or 32}", Quantizer("dorefa", 1), Quantizer("dorefa", 2), gradient_bits=bits) for bits in (2, 4, 6, 8, None)
    ),
    "widened": tuple(Case(f"WRPN, {widen:g} x as wide", SIGN, SIGN, widen=widen) for widen in (1.0, 1.5, 2.0)),
    "decay": (
        Case("2 bits from the start", Quantizer("dorefa", 2), Quantizer("dorefa", 2)),
        Case("from 8 to 2 bits", Quantizer("dorefa", 8), Quantizer("dorefa", 2), terms=(BitWidthDecay(8, 2),)),
    ),
    "grid": tuple(Case(f"DoReFa W{w} A{a}", Quantizer("dorefa", w), Quantizer("dorefa", a), seeds=1) for w in range(1, 5) for a in range(1, 5)),
}


SHORT = Settings(epochs=3, images=20_000, lr=3e-3)
TRAININGS = {"binarization": Settings(epochs=8, lr=3e-3)}
"""Of groups that are not trained `SHORT`."""


def trained(group: str, case: Case, seed: int, quick: bool) -> tuple[nn.Module, float, float]:
    """The model in eval mode, its percent of the test set, and the seconds that its training took, now or when its checkpoint was made."""
    settings = replace(replace(SHORT, epochs=1, images=2000) if quick else TRAININGS.get(group, SHORT), seed=seed)
    folder = cache_dir("compression") / "quantizers"
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in case.method) + (f"-{settings.epochs}" if group in TRAININGS else "")
    model = case.model(seed)
    train, test = data.load(DATA, "train"), data.load(DATA)
    fitted = fit(model, train, test, settings, terms=case.terms, checkpoint=None if quick else folder / f"{name}-{seed}.pt")
    settle_norms(model, (x for x, _ in Images.of(train, 5000).batches(1000)))
    return model, evaluate(model, Images.of(test)), sum(epoch.seconds for epoch in fitted.history)


def made(group: str, case: Case, quick: bool) -> Row:
    """Trains a case on its seeds and measures the hardware of the first."""
    runs = [trained(group, case, seed, quick) for seed in range(1 if quick else case.seeds)]
    seconds = sum(run[2] for run in runs)
    start = time.perf_counter()
    hardware: Hardware | None = None
    if case.input_scale:  # is not lowered; its products with K are in no count
        graph = import_brevitas(Case(case.method, case.weight, case.act).model(0), torch.zeros(1, *SHAPE), name=case.method)
        size = Size.of(graph)
    else:
        hardware = measure(runs[0][0], input_shape=SHAPE, images=data.load(DATA).x[:16], fps=FPS, limits={"bram36": 0, "dsp": 1})
        size = hardware.size
    command = f"python benchmarks/compression/quantizers.py --only {group}"
    return row(
        f"quantizers-{group}", case.method, NETWORK, DATA, accuracies=[run[1] for run in runs], size=size, hardware=hardware,
        command=command, seconds=seconds + time.perf_counter() - start,
    )  # fmt: skip


def main() -> None:
    given = arguments(__doc__, list(GROUPS))
    show: Callable[[object], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    for group in given.only:
        rows = []
        for case in GROUPS[group]:
            rows.append(made(group, case, given.quick))
            if not given.quick:
                keep(rows[-1:])
            show(f"{case.method}: {rows[-1].accuracy:.2f} %, {rows[-1].lut} LUTs, {rows[-1].seconds:.0f} s")
        print(f"\n{group}\n\n{table(rows)}", flush=True)


if __name__ == "__main__":
    main()
