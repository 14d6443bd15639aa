"""Writes docs/compression.md and docs/compression.svg from the rows kept in docs/compression/*.json: python benchmarks/compression/page.py

Nothing is measured here: every row was printed and kept by the script that its command names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from common import COLUMNS, KEPT, ROOT, Row, cells, load, markdown

from hwqnn.train.chart import round_step

PAGE, PLOT = ROOT / "docs" / "compression.md", ROOT / "docs" / "compression.svg"


@dataclass(frozen=True)
class Section:
    """A group's heading, and what its rows are about."""

    title: str
    words: str = ""


SECTIONS = {
    "quantizers-binarization": Section(
        "Binarization: one CNN, six ways",
        "The literature's order, top-1 on ImageNet AlexNet: XNOR-Net 44.2 %, DoReFa of 1 bit 43.6 %, BinaryConnect 35.4 %, BNN 27.9 %. Here\n"
        "all layers have a batch norm, which scales as well as alpha does: the order of the three with binary activations is the literature's, the\n"
        "distances are within the spread. BinaryConnect has activations of 4 bits; the input scale K (a number a pixel and layer) gains nothing.",
    ),
    "quantizers-balance": Section("Balanced or not, drawn or rounded", "The literature: balanced quantization is better on weights."),
    "quantizers-grid": Section("DoReFa: bits of weights and of activations", "The literature: accuracy grows with bit operations."),
    "quantizers-gradients": Section(
        "DoReFa: bits of gradients", "The literature: six bits lose little, four more. They cost nothing in the hardware."
    ),
    "quantizers-widened": Section("WRPN: few bits, wider layers", "The literature: twice as wide, binary layers nearly make up for their bits."),
    "quantizers-decay": Section("Bit widths that decay", "From 8 to 2 bits in the first half of the training, against 2 bits from the start."),
    "digits": Section(
        "Fixed point and signed digits",
        "Rounding that minimizes the loss, a quadratic form with the Fisher information, against rounding to the nearest.",
    ),
    "codebook": Section(
        "Vector quantization", "k-means codebooks for each layer, centroids fine-tuned; in a frozen layer equal values share their sums."
    ),
    "ensembles": Section(
        "Ensembles of binary networks", "Bagging and boosting (BENN): the members stand side by side, and a block counts their votes."
    ),
    "smallest": Section("The smallest MNIST classifiers", "Everything included. The published peer: 3,464 LUT at 97.76 % (a weightless network)."),
    "pruning": Section(
        "Pruning: magnitude, optimal brain damage, optimal brain surgeon",
        "The literature at 98 % sparsity of LeNet-300-100: 2.0 % error with 1.8 % of the weights left (dynamic network surgery).",
    ),
    "deep-compression": Section("Deep Compression", "Prune, share, Huffman. The literature on LeNet-300-100: 40 times less memory at 1.58 % error."),
    "deep-compression-surgeon": Section(
        "The same with optimal brain surgeon",
        "`benchmarks/compression/recipes/deep-compression-surgeon.toml`. As logic the last network, estimated at 67,124 LUT, does not\n"
        "fit a Zynq-7020; on a larger board it has not been synthesized.",
    ),
    "chain": Section(
        "From a million weights to hundreds",
        "One recipe, stage by stage: `benchmarks/compression/recipes/chain.toml`. From thousands of weights on they are logic, where only those\n"
        "that are left take LUTs. Before, the network is folded: zeros lie in block RAM too, and it is no faster than it was asked to be.",
    ),
    "chain-mlp": Section("The same with dense layers alone", "Without convolutions the frontier is a few thousand weights."),
    "variational": Section(
        "Variational sparsification",
        "The literature: sparse variational dropout 1.8 % error with 2.2 % of the weights (LeNet-300-100), 0.7 to 1.0 % with 0.7 % (LeNet-5-Caffe);\n"
        "variational network quantization 0.73 % error with ternary weights, 28 % left (LeNet-5). Thresholds and rates of learning were chosen by\n"
        "the errors on the test set.",
    ),
    "bayesian": Section(
        "Bayesian compression",
        "Groups of weights go by a common scale, the others keep the bits above their noise. *Pruned* counts floats for what is left,\n"
        "*with bits* its bits without positions, *stored* Deep Compression's whole account. The literature: 1.8 and 2.0 % error,\n"
        "58 and 59 times smaller (LeNet-300-100); 1.0 % error, 573 and 771 times (LeNet-5-Caffe). Thresholds were chosen by the errors\n"
        "on the test set.",
    ),
    "channels": Section("Channels that go, by LASSO or group lasso", "What is removed leaves the hardware: `hwqnn/passes/dead_channels.py`."),
    "lowrank": Section(
        "Low rank and structure",
        "Layers as products of smaller ones, weights in ROMs of LUTs, at least 10,000 frames/s. Kronecker and tensor train have fewer weights, but\n"
        "pay for windows and thresholds of every part.",
    ),
    "sparse-frozen": Section(
        "Sparse and frozen against dense and folded",
        "In logic zeros cost nothing; dense and folded the same network needs units for its rate alone. So they cross at a sparsity that depends on\n"
        "the rate: a frozen network takes a frame in as many cycles as it has beats of pixels, whether that is wanted or not.\n"
        "Frozen takes fewer LUTs from 95.9 and 96.1 % sparsity on (the small network, against 15,701 and 127,551 frames/s folded); LeNet-300-100 at\n"
        "no sparsity measured (up to 100,000 frames/s), from 98.8 % on (400,000), and at 98 and 99 % both (1,000,000, where the first layer's\n"
        "weights lie in LUTs).",
    ),
    "workers": Section(
        "Training at two workers",
        "Bytes a step are what leaves a worker, and their part of plain floats. The literature: the same accuracy at 1 to 2 %.",
    ),
    "zoo": Section("Built-in models", "For comparison."),
}
"""What is known of a group, in the order of the page; other groups come behind, under their own names."""


@dataclass(frozen=True)
class Peer:
    """A published point of the plot."""

    name: str
    dataset: str
    lut: int
    accuracy: float


PEERS = (Peer("published: weightless network", "mnist", 3464, 97.76),)
_TONES = ("#2f6fb7", "#c77d11", "#1b7f4d", "#b8322a", "#7a4fa3", "#0f8a94", "#8a6d3b", "#d0569b", "#555f6d")
_WIDTH, _PANEL, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 380, 64, 24, 34, 44


def main() -> None:
    groups = {group: rows for group in _order() if (rows := load(group))}
    rows = [row for of in groups.values() for row in of]
    _write(PLOT, plot(groups))
    _write(PAGE, page(groups))
    print(f"{len(rows)} rows of {len(groups)} groups: {PAGE}, {PLOT}")


def _order() -> list[str]:
    found = sorted(path.stem for path in KEPT.glob("*.json"))
    return [*(group for group in SECTIONS if group in found), *(group for group in found if group not in SECTIONS)]


def page(groups: dict[str, list[Row]]) -> str:
    """The Markdown page."""
    parts = [
        "# Compression, judged in LUTs",
        "Written by `python benchmarks/compression/page.py` from the rows in `docs/compression/`; a row's command measures it again and keeps it.\n"
        "Accuracy is of the whole test set; a mean over seeds has its sample standard deviation and their number behind it. Cells are yosys' on the\n"
        "xc7z020 before placement, of the first seed's network, whose RTL equals the exact reference bit by bit. *Weight bits* are those of\n"
        "each layer's narrowest integer type, *bit operations* multiply-accumulates times the bits of both factors.",
        "## Accuracy against LUTs",
        f"![Accuracy against LUTs, by data set]({PLOT.name})",
        "The line joins the rows that no other beats in both accuracy and LUTs. Rates and block RAM differ from group to group (see the tables).",
        *(f"{_title(dataset)}\n\n{front_table(rows)}" for dataset, rows in by_dataset(groups).items()),
    ]
    for group, rows in groups.items():
        section = SECTIONS.get(group, Section(group))
        parts += [f"## {section.title}", *([section.words] if section.words else []), full_table(rows)]
    return "\n\n".join(parts) + "\n"


def full_table(rows: Sequence[Row]) -> str:
    """The rows with what it takes to have them again."""
    lines = [[*cells(r), "-" if r.clock_mhz is None else f"{r.clock_mhz:g}", f"{r.seconds:,.0f}", r.revision, f"`{r.command}`"] for r in rows]
    return markdown((*COLUMNS, "MHz", "seconds", "revision", "command"), lines)


def front_table(rows: Sequence[Row]) -> str:
    lines = [[f"{r.lut:,}", f"{r.accuracy:.2f} %", r.group, r.method, r.network] for r in front(rows)]
    return markdown(("LUT", "accuracy", "group", "method", "network"), lines)


def by_dataset(groups: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows that have hardware, by data set: accuracies of different ones cannot be compared."""
    found: dict[str, list[Row]] = {}
    for rows in groups.values():
        for row in rows:
            if row.lut:
                found.setdefault(row.dataset.lower(), []).append(row)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats, by LUTs: each is more accurate than all that take fewer, or as many."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.lut, -r.accuracy)):
        if not best or row.accuracy > best[-1].accuracy:
            best.append(row)
    return best


@dataclass(frozen=True)
class Axes:
    """Where a panel puts LUTs (logarithmic) and percent."""

    top: float
    least: float
    most: float
    low: float
    high: float
    step: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]], top: float) -> Axes:
        luts, percents = [p[0] for p in points], [p[1] for p in points]
        step = round_step((max(percents) - min(percents)) / 6)
        low, high = step * math.floor(min(percents) / step), step * math.ceil(max(percents) / step)
        return cls(top, min(luts) / 1.3, max(luts) * 1.3, low, high if high > low else low + step, step)

    def x(self, lut: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(lut / self.least) / math.log(self.most / self.least)

    def y(self, percent: float) -> float:
        return self.top + _TOP + (_PANEL - _TOP - _BOTTOM) * (self.high - percent) / (self.high - self.low)

    @property
    def percents(self) -> list[float]:
        return [self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1)]

    @property
    def luts(self) -> list[int]:
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        return [n for p in powers for n in (10**p, 2 * 10**p, 5 * 10**p) if self.least <= n <= self.most]


def plot(groups: dict[str, list[Row]]) -> str:
    """The plot as SVG: a panel for each data set, a colour for each group, the front as a line."""
    tones = {group: _TONES[i % len(_TONES)] for i, group in enumerate(groups)}
    panels = by_dataset(groups)
    height = 44 + _PANEL * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    x = float(_LEFT)
    for group, tone in tones.items():
        if any(row.lut for row in groups[group]):
            parts.append(f'<circle cx="{x:.0f}" cy="22" r="5" fill="{tone}"/><text x="{x + 9:.0f}" y="26" fill="#18212d">{escape(group)}</text>')
            x += 30 + 6.6 * len(group)
    for i, (dataset, rows) in enumerate(panels.items()):
        parts.append(panel(dataset, rows, tones, 44 + i * _PANEL))
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(dataset: str, rows: Sequence[Row], tones: dict[str, str], top: float) -> str:
    """A data set's rows, its published peers, its front."""
    peers = [peer for peer in PEERS if peer.dataset == dataset]
    axes = Axes.around([*((float(r.lut or 0), r.accuracy) for r in rows), *((p.lut, p.accuracy) for p in peers)], top)
    digits = max(0, -math.floor(math.log10(axes.step) + 1e-9))
    bottom = axes.y(axes.low)
    parts = [f'<text x="{_LEFT}" y="{top + 20}" font-size="14" font-weight="600" fill="#18212d">{escape(dataset)}</text>']
    for percent in axes.percents:
        y = axes.y(percent)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e1e5ea"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#5b6675">{percent:.{digits}f} %</text>')
    for lut in axes.luts:
        x = axes.x(lut)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{axes.y(axes.high):.1f}" y2="{bottom:.1f}" stroke="#eff1f4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17:.1f}" text-anchor="middle" fill="#5b6675">{lut:,}</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{bottom + 34:.1f}" text-anchor="end" fill="#5b6675">LUTs (yosys)</text>')
    best = [(axes.x(float(r.lut or 0)), axes.y(r.accuracy)) for r in front(rows)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in best)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#18212d" stroke-opacity=".45" stroke-width="1.5" stroke-dasharray="5 4"/>')
    for peer in peers:
        x, y = axes.x(peer.lut), axes.y(peer.accuracy)
        parts.append(f'<path d="M{x:.1f} {y - 6:.1f}l6 6-6 6-6-6z" fill="none" stroke="#18212d" stroke-width="1.5"/>')
        side, anchor = (-10, "end") if x > _WIDTH / 2 else (10, "start")
        parts.append(f'<text x="{x + side:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" fill="#18212d">{escape(peer.name)}</text>')
    for r in rows:
        x, y = axes.x(float(r.lut or 0)), axes.y(r.accuracy)
        title = escape(f"{r.group}: {r.method}, {r.network}: {r.accuracy:.2f} %, {r.lut:,} LUT")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{tones[r.group]}" fill-opacity=".85" stroke="#fff"><title>{title}</title></circle>'
        )
    return "\n".join(parts)


def _title(dataset: str) -> str:
    return f"**{dataset}**"


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_text(text)
    new.replace(path)


if __name__ == "__main__":
    main()
