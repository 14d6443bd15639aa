"""How long each 7-series primitive takes, in picoseconds: the `specify` blocks of yosys' `cells_sim.v`, measured by Project X-Ray on an Artix-7.

Data sheet DS187 (Zynq-7020, speed grade -1) agrees where it states the same: clock to output of a block RAM is 2.46 ns without its output register
(here 2454 ps) and 0.89 ns with it (882 ps), of a flip-flop at most 0.58 ns at the slice's pin. yosys' file says nothing of three things, and
they are added here: a RAM64M's sixth address bit; the clock enable of SRL16E; block RAM without its output register (a slip: it asks `&DOA_REG`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hwqnn.errors import ToolError
from hwqnn.synth.yosys import yosys_folder

Pin = tuple[str, int | None]
"""A port and one of its bits, or all of them (None)."""


@dataclass(frozen=True)
class Arcs:
    """The timing of a primitive, in ps.

    Attributes:
        through: from an input to an output that follows it without a clock.
        launch: from the clock's edge to an output. setup: how long before the edge an input must be there.
    """

    through: tuple[tuple[Pin, Pin, int], ...] = ()
    launch: tuple[tuple[Pin, int], ...] = ()
    setup: tuple[tuple[Pin, int], ...] = ()


def arcs(kind: str, parameters: Mapping[str, str | int]) -> Arcs:
    """The timing of a primitive.

    Args:
        parameters: of the instance, those in `CONFIGURED[kind]`.
    Raises:
        ToolError: pyosys is not installed, or its library states no timing of such a primitive.
    """
    if kind == "DSP48E1":
        return _dsp(**parameters)  # type: ignore[arg-type]
    known = _library()
    if kind not in known:
        raise ToolError(f"no timing is known of cells of type {kind!r}; yosys' cells_sim.v has no specify block for them")
    if not kind.startswith("RAMB"):
        return known[kind]
    launch = tuple(((port, None), 882 if parameters[register] else 2454) for port, register in _RAM_OUTPUTS)
    return Arcs(launch=launch, setup=known[kind].setup)


CONFIGURED = {
    "DSP48E1": ("AREG", "BREG", "CREG", "MREG", "PREG", "USE_MULT", "USE_DPORT"),
    "RAMB18E1": ("DOA_REG", "DOB_REG"),
    "RAMB36E1": ("DOA_REG", "DOB_REG"),
}
"""The parameters that the timing of a primitive depends on."""
_RAM_OUTPUTS = (("DOADO", "DOA_REG"), ("DOPADOP", "DOA_REG"), ("DOBDO", "DOB_REG"), ("DOPBDOP", "DOB_REG"))

_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule$", re.S | re.M)
_SPECIFY = re.compile(r"^ *specify$(.*?)^ *endspecify$", re.S | re.M)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|`\w+[^\n]*", re.S)
_PIN = r"(\w+)(?:\[(\d+)\])?"
_THROUGH = re.compile(rf"(?:^|[;)])\s*\({_PIN}\s*[*=]>\s*{_PIN}\)\s*=\s*(\d[\d+ ]*);?")
_LAUNCH = re.compile(rf"\((?:posedge|negedge)\s+\w+\s*=>\s*\({_PIN}\s*:[^)]*\)\)\s*=\s*(\d[\d+ ]*)")
_SETUP = re.compile(rf"\$setup\({_PIN}\s*,[^,]*,\s*(\d[\d+ ]*)\)")


@cache
def _library() -> dict[str, Arcs]:
    """Each primitive with fixed timing, by its name. Where a figure depends on the clock's edge, the greater one."""
    text = (yosys_folder() / "share" / "xilinx" / "cells_sim.v").read_text()
    found: dict[str, Arcs] = {}
    for module in _MODULE.finditer(text):
        statements = [s.strip() for block in _SPECIFY.findall(module[0]) for s in _COMMENT.sub("", block).split(";")]
        if statements:
            found[module[1]] = _parsed(module[1], statements)
    for words in (32, 64, 128, 256):
        found[f"RAM{words}X1S"] = _single_port(found[f"RAM{min(words, 128)}X1D"], words)
    return found


def _single_port(dual: Arcs, words: int) -> Arcs:
    """A RAM of one port is the one of two without its read port. 256 words are two of 128 joined by a MUXF8: 121 ps on the way out, 465 ps from its
    select (as yosys states them for LUTs of 7 and 8 inputs)."""
    big = words == 256

    def renamed(pin: Pin) -> Pin:
        return (f"A{pin[1]}", None) if words == 128 and pin[0] == "A" else pin

    through = tuple((renamed(source), ("O", None), ps + 121 * big) for source, sink, ps in dual.through if sink[0] == "SPO")
    launch = tuple((("O", None), ps + 121 * big) for pin, ps in dual.launch if pin[0] == "SPO")
    setup = tuple((renamed(pin), ps) for pin, ps in dual.setup)
    if big:
        through += ((("A", 7), ("O", None), 465),)
        setup += ((("A", 7), max(ps for (port, _), ps in setup if port == "A")),)
    return Arcs(through, launch, setup)


def _parsed(kind: str, statements: list[str]) -> Arcs:
    through: dict[tuple[Pin, Pin], int] = {}
    launch: dict[Pin, int] = {}
    setup: dict[Pin, int] = {}
    for statement in statements:
        if match := _SETUP.search(statement):
            pin = _pin(match[1], match[2])
            setup[pin] = max(setup.get(pin, 0), _ps(match[3]))
        elif match := _LAUNCH.search(statement):
            pin = _pin(match[1], match[2])
            launch[pin] = max(launch.get(pin, 0), _ps(match[3]))
        elif match := _THROUGH.match(statement):
            ends = _pin(match[1], match[2]), _pin(match[3], match[4])
            through[ends] = max(through.get(ends, 0), _ps(match[5]))
    if kind == "RAM64M":
        through |= {((f"ADDR{port}", 5), (f"DO{port}", None)): 127 for port in "ABCD"}  # a LUT6's fastest pin, as the others are its slower ones
    if kind == "SRL16E":
        setup["CE", None] = 109  # as of SRLC32E
    return Arcs(tuple((source, sink, ps) for (source, sink), ps in through.items()), tuple(launch.items()), tuple(setup.items()))


def _pin(port: str, bit: str | None) -> Pin:
    return port, None if bit is None else int(bit)


def _ps(text: str) -> int:
    return sum(map(int, text.split("+")))


def _dsp(AREG: int, BREG: int, CREG: int, MREG: int, PREG: int, USE_MULT: str, USE_DPORT: str) -> Arcs:  # noqa: N803
    """A DSP48E1 that multiplies and may add, as `cells_sim.v` computes it from the registers it uses (DS187: 3.0 ns from A to P at most).

    Raises:
        ToolError: it uses the pre-adder, or no multiplier; yosys infers no such one here.
    """
    if (USE_MULT, USE_DPORT) != ("MULTIPLY", "FALSE"):
        raise ToolError(f"no timing is known of a DSP48E1 with USE_MULT {USE_MULT!r} and USE_DPORT {USE_DPORT!r}")
    inner = MREG or PREG
    setup = {
        "A": 254 if AREG else 1416 if MREG else 2739 if PREG else None,
        "B": 324 if BREG else 1285 if MREG else 2608 if PREG else None,
        "C": 168 if CREG else 1244 if PREG else None,
        "PCIN": 1025 if PREG else None,
    }
    through = {
        "A": None if AREG or inner else (2823, 2970),
        "B": None if BREG or inner else (2690, 2838),
        "C": None if CREG or PREG else (1325, 1474),
        "PCIN": None if PREG else (1107, 1255),
    }
    registers = ((PREG, 329, 435), (CREG, 1687, 1835), (MREG, 1671, 1819), (AREG, 2952, 3098), (BREG, 2813, 2960))
    p, cascade = next(((p, cascade) for used, p, cascade in registers if used), (None, None))
    return Arcs(
        tuple(((port, None), (out, None), ps) for port, both in through.items() if both for out, ps in zip(("P", "PCOUT"), both, strict=True)),
        tuple(((out, None), ps) for out, ps in (("P", p), ("PCOUT", cascade)) if ps is not None),
        tuple(((port, None), ps) for port, ps in setup.items() if ps is not None),
    )
