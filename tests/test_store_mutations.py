"""One wrong line in what only some stores and memories use, generated text among it, and simulation sees it: a wrong bit or a wrong cycle, at once
or when both sides pause, or an assertion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import batch_cosim
import numpy as np
from every_store import every_store
from network_checks import Case, run_rtl
from networks import Network

from hwqnn import accelerator
from hwqnn.emit import Emitted, emit
from hwqnn.passes import Head

LINES = {
    "frozen: wrong kinds of positions": ("frozen.sv", ".next_i(step)", ".next_i(1'b1)"),
    "frozen: a cycle early": ("frozen.sv", ".DEPTH(DP_DEPTH)", ".DEPTH(DP_DEPTH - 1)"),
    "accumulators: adds in bubbles": ("accumulators.sv", "adds = advance_i && step", "adds = advance_i"),
    "accumulators: next thresholds": ("accumulators.sv", ".DEPTH(DEPTH + 1)) i_set", ".DEPTH(DEPTH)) i_set"),
    "products_dsp: a product waits a cycle less": ("products_dsp.sv", "CHAIN - LENGTH + k", "k == 0 ? 0 : CHAIN - LENGTH + k - 1"),
    "mvu: a fused word short": ("mvu.sv", "counter #(.COUNT(W_WORDS))", "counter #(.COUNT(W_WORDS - 1))"),
    "mvu: weights too early": ("mvu.sv", "X_DELAY-(W_REGISTER?1:0)", "X_DELAY"),
    "cyclic_rom: second word first": ("cyclic_rom.sv", "FETCHED = BLOCK_RAM ? 2 : 1", "FETCHED = BLOCK_RAM ? 1 : 1"),
    "fifo_ram: never full": ("fifo_ram.sv", "pop || !last_fills", "pop || 1'b1"),
    "fifo_ram: block RAM moves while held": ("fifo_ram.sv", "if (advance) word_q", "word_q"),
    "pool_stream: no best so far": ("pool_stream.sv", "step && covered) words", "step && !covered) words"),
    "pool_stream: one place a row": ("pool_stream.sv", "ADDR_BITS'({column, beat})", "ADDR_BITS'(beat)"),
    "delay_line: moves while held": ("delay_line.sv", "if (step_i) wait_q", "wait_q"),
    "ring_buffer: block RAM pads late": ("ring_buffer.sv", "word_q   <= is_pad_q", "word_q   <= pad_i"),
}
"""Name: a file, what stands in it once, and what shall stand there.

Not here: products of DSPs that move while they are held, and a walk through too few addresses. This network's FIFOs keep either from showing; the
bench of the matrix unit (`test_mvu`) and the proof in `test_fifo.py` see them.
"""

GENERATED = {
    "a wire": (r"\.I0\((\S+)\), \.I1\((\S+)\)", r".I0(\1), .I1(\1)"),
    "a register": (r"(\w+) <= \w+\[0\];", r"\1 <= 1'b0;"),
}
"""Name: a pattern that a generated text has, and what becomes of its first place."""
TEXTS = {"frozen": "frozen_*.sv", "fused": "products_*.sv", "bram": "products_*.sv"}
"""A layer, and the generated text that it brings along."""


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path.name, old, text.count(old))
    path.write_text(text.replace(old, new))


def change_generated(emitted: Emitted, layer: str, pattern: str, new: str) -> None:
    node = next(n for n in emitted.nodes if n.node.layer == layer and n.node.edge is not None)
    path = next(p for p in node.sources if p.match(TEXTS[layer]) and re.search(pattern, p.read_text()))
    path.write_text(re.sub(pattern, new, path.read_text(), count=1))


MUTATIONS: dict[str, Callable[[Emitted], None]] = {
    name: lambda emitted, file=file, old=old, new=new: change(emitted.directory / file, old, new) for name, (file, old, new) in LINES.items()
} | {
    f"{layer}: {name}": lambda emitted, layer=layer, pattern=pattern, new=new: change_generated(emitted, layer, pattern, new)
    for layer in TEXTS
    for name, (pattern, new) in GENERATED.items()
}


def test_every_mutation_is_seen(tmp_path: Path) -> None:
    """All of them, and the right text, in one simulator."""
    made = every_store()
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1))
    case = Case(Network(made.imported, Head.LABEL, 1, accelerator.Port.RAW, 0, images), made)
    emitted = {name: emit(made.design, tmp_path / f"rtl{k}") for k, name in enumerate(["as it is", *MUTATIONS])}
    for name, mutate in MUTATIONS.items():
        mutate(emitted[name])
    simulators = batch_cosim.build(list(emitted.values()), tmp_path / "build", tmp_path / "runtime")
    found = {name: run_rtl(case, written, simulator) for (name, written), simulator in zip(emitted.items(), simulators, strict=True)}
    assert found.pop("as it is") is None
    assert not [name for name, why in found.items() if why is None]
