"""Models of the 7-series primitives that the library instantiates, for tests that hand emitted RTL to Verilator themselves."""

from __future__ import annotations

from pathlib import Path

from hwqnn.synth import models

# as a vendor's library: several modules in a file, and a lint of the RTL is none of the models
_WARNINGS = ("COMBDLY", "DECLFILENAME", "GENUNNAMED", "PROCASSINIT", "UNUSEDPARAM", "UNUSEDSIGNAL", "WIDTHEXPAND", "WIDTHTRUNC")
_NO_LINT = " ".join(f"/* verilator lint_off {warning} */" for warning in _WARNINGS) + "\n"
_LINT = " ".join(f"/* verilator lint_on {warning} */" for warning in _WARNINGS) + "\n"


def write_models(folder: Path) -> Path:
    """Writes them into a file, and returns its path."""
    path = folder / "primitives.v"
    path.write_text(_NO_LINT + models(["CARRY4", "DSP48E1", "LUT6_2", "MUXF7", "MUXF8", *(f"LUT{inputs}" for inputs in range(1, 7))]) + _LINT)
    return path
