"""Safe names: what a user called a layer, turned into an identifier that Verilog, Tcl, C++ and every file system accept."""

from __future__ import annotations

import re

_KEYWORDS = (
    "accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins binsof bit break buf "
    "bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const constraint context continue cover covergroup "
    "coverpoint cross deassign default defparam design disable dist do edge else end endcase endchecker endclass endclocking endconfig "
    "endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive endprogram endproperty endsequence endspecify endtable "
    "endtask enum event eventually expect export extends extern final first_match for force foreach forever fork forkjoin function generate "
    "genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside "
    "instance int integer interconnect interface intersect join join_any join_none large let liblist library local localparam logic longint "
    "macromodule matches medium modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output "
    "package packed parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect "
    "pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos "
    "rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed "
    "small soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table "
    "tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique "
    "unique0 unsigned until until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire "
    "with within wor xnor xor "
)
"""SystemVerilog's (IEEE 1800-2017, annex B)."""


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
