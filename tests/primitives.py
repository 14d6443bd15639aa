"""Models of the 7-series primitives that the library instantiates, for tests that hand emitted RTL to Verilator themselves."""

from __future__ import annotations

from pathlib import Path

from hwqnn.synth import models

# as a vendor's library: several modules in a file, and a lint of the RTL is none of the models
_NO_LINT = "/* verilator lint_off DECLFILENAME */ /* verilator lint_off UNUSEDSIGNAL */\n"


def write_models(folder: Path) -> Path:
    """Writes them into a file, and returns its path."""
    path = folder / "primitives.v"
    path.write_text(_NO_LINT + models(["CARRY4", "LUT6_2", "MUXF7", "MUXF8", *(f"LUT{inputs}" for inputs in range(1, 7))]))
    return path
