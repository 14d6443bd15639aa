"""Safe names: what a user called a layer, turned into an identifier that Verilog, Tcl, C++ and every file system accept."""

from __future__ import annotations

import re

_KEYWORDS = (
    "always and assign begin bit buf byte case cell class clocking config const context cover default design disable do edge else "
    "end enum event expect export extends extern final for force forever fork function generate genvar global if iff import in "
    "include initial inout input inside instance int integer interface join large let library local localparam logic longint "
    "macromodule matches medium modport module nand negedge new nor not null or output package packed parameter posedge primitive "
    "priority program property protected pull0 pull1 pulldown pullup pure rand randc real ref reg release repeat restrict return "
    "scalared sequence shortint signed small solve specify static string strong struct super supply0 supply1 table tagged task "
    "this throughout time timeunit tran tri type typedef union unique unsigned use uwire var vectored virtual void wait wand weak "
    "while wire with within wor xnor xor "
)


def identifier(text: str) -> str:
    """`text` with everything but ASCII letters, digits and single inner underscores replaced; never a keyword, never empty, at most 48 long."""
    name = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", text)).strip("_").lower()[:48].rstrip("_")
    if not name or name[0].isdigit() or name in _KEYWORDS.split():
        name = f"n_{name}".rstrip("_")
    return name


def unique(texts: list[str]) -> list[str]:
    """An identifier for each text, in order; clashes get a number."""
    taken: set[str] = set()
    names = []
    for text in texts:
        base = name = identifier(text)
        count = 2
        while name in taken:
            name, count = f"{base}_{count}", count + 1
        taken.add(name)
        names.append(name)
    return names
