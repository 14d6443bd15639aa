"""The driver of Vivado. There is none here: reports of its form (UG906) are parsed, and a stand-in on PATH checks what it is told."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hwqnn.errors import ToolError
from hwqnn.resources import Resources
from hwqnn.synth import place

UTILIZATION = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2024 Advanced Micro Devices, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2024.1 (lin64) Build 5076996 Wed May 22 18:36:09 MDT 2024
| Design       : net
| Design State : Routed
---------------------------------------------------------------------------------------------------------------------------------------------

1. Slice Logic
--------------

+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| Slice LUTs                 | 5123 |     0 |          0 |     53200 |  9.63 |
|   LUT as Logic             | 4987 |     0 |          0 |     53200 |  9.37 |
|   LUT as Memory            |  136 |     0 |          0 |     17400 |  0.78 |
| Slice Registers            | 6011 |     0 |          0 |    106400 |  5.65 |
|   Register as Flip Flop    | 6011 |     0 |          0 |    106400 |  5.65 |
| F7 Muxes                   |   12 |     0 |          0 |     26600 |  0.05 |
+----------------------------+------+-------+------------+-----------+-------+

3. Memory
---------

+-------------------+------+-------+------------+-----------+-------+
|     Site Type     | Used | Fixed | Prohibited | Available | Util% |
+-------------------+------+-------+------------+-----------+-------+
| Block RAM Tile    |  9.5 |     0 |          0 |       140 |  6.79 |
|   RAMB36/FIFO*    |    9 |     0 |          0 |       140 |  6.43 |
|   RAMB18          |    1 |     0 |          0 |       280 |  0.36 |
+-------------------+------+-------+------------+-----------+-------+

4. DSP
------

+-----------+------+-------+------------+-----------+-------+
| Site Type | Used | Fixed | Prohibited | Available | Util% |
+-----------+------+-------+------------+-----------+-------+
| DSPs      |    2 |     0 |          0 |       220 |  0.91 |
+-----------+------+-------+------------+-----------+-------+

7. Primitives
-------------

+------------+------+---------------------+
|  Ref Name  | Used | Functional Category |
+------------+------+---------------------+
| FDRE       | 5900 |        Flop & Latch |
| CARRY4     |  640 |          CarryLogic |
| RAMB36E1   |    9 |        Block Memory |
+------------+------+---------------------+
"""
TIMING = """\
| Tool Version : Vivado v.2024.1 (lin64) Build 5076996 Wed May 22 18:36:09 MDT 2024
| Design       : net

------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------
     {wns}        0.000                      0                12345        0.041        0.000                      0                12345


Max Delay Paths
--------------------------------------------------------------------------------------
Slack (MET) :             2.367ns  (required time - arrival time)
  Source:                 i_conv_1_mvu/i_mvu/i_sums/acc_q_reg[3]/C
                            (rising edge-triggered cell FDRE clocked by aclk  {{rise@0.000ns fall@5.000ns period=10.000ns}})
  Destination:            i_conv_1_fifo/full_q_reg/D
                            (rising edge-triggered cell FDRE clocked by aclk  {{rise@0.000ns fall@5.000ns period=10.000ns}})
"""
FOUND = Resources(lut=5123, ff=6011, carry4=640, bram36=9.5, dsp=2)


@pytest.mark.parametrize(("wns", "mhz"), [("2.367", 1000 / 7.633), ("-1.250", 1000 / 11.25), ("0.000", 100.0)])
def test_the_reports_are_read(wns: str, mhz: float) -> None:
    routed = place.parse(UTILIZATION, TIMING.format(wns=wns), 100.0)
    assert routed.mhz == pytest.approx(mhz)
    assert routed.resources == FOUND
    assert (routed.tool, routed.start, routed.end) == ("Vivado 2024.1", "i_conv_1_mvu/i_mvu/i_sums/acc_q_reg[3]/C", "i_conv_1_fifo/full_q_reg/D")


def test_older_reports_are_read() -> None:
    """Before 2020 there was no column `Prohibited`, and a star at LUTs whose number changes later."""
    older = UTILIZATION.replace("| Slice LUTs                 | 5123 |     0 |          0 |", "| Slice LUTs*                | 5123 |     0 |")
    without_carries = "".join(line for line in older.splitlines(keepends=True) if "CARRY4" not in line)
    assert place.parse(without_carries, TIMING.format(wns="1.0"), 100.0).resources == Resources(lut=5123, ff=6011, bram36=9.5, dsp=2)


@pytest.mark.parametrize(
    ("utilization", "timing", "words"),
    [
        ("", TIMING.format(wns="1.0"), "nothing of bram36, dsp, ff, lut"),
        (UTILIZATION, "", "no slack"),
        (UTILIZATION, TIMING.format(wns="NA"), "no slack"),
    ],
)
def test_what_is_missing_is_named(utilization: str, timing: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        place.parse(utilization, timing, 100.0)


NASTY = ["plain.sv", "two words", "a;b", "$x[exit 1]", 'quo"te', "{brace", "back\\slash", "new\nline", "#comment", "ünïcode", ""]


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")
@pytest.mark.parametrize("text", NASTY)
def test_every_name_is_one_word_to_a_real_tcl(text: str) -> None:
    code = f"proc show {{word}} {{ foreach c [split $word {{}}] {{ puts [scan $c %c] }} }}\nshow {place.word(text)}\n"
    done = subprocess.run(
        ["tclsh"], input=code, capture_output=True, text=True, encoding="utf-8", check=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert [int(line) for line in done.stdout.split()] == [ord(c) for c in text]
    assert not done.stderr


@pytest.mark.parametrize("text", NASTY)
def test_every_name_is_one_word(text: str) -> None:
    """Tcl's rules for a bare word, by hand: a backslash takes the next character as it is, but for n, t and r."""
    tcl, meant = place.word(text), []
    if tcl == "{}":
        assert text == ""
        return
    characters = iter(tcl)
    for character in characters:
        assert character not in ' ;$[]{}"#\n\t\r'
        if character == "\\":
            character = next(characters)
            meant.append({"n": "\n", "t": "\t", "r": "\r"}.get(character, character))
        else:
            meant.append(character)
    assert "".join(meant) == text


def stand_in(folder: Path, body: str) -> Path:
    """A `vivado` of one's own."""
    program = folder / "vivado"
    program.write_text(f"#!{sys.executable}\n" + textwrap.dedent(body))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, rtl = tmp_path / "tools", tmp_path / "r t l"
    tools.mkdir()
    rtl.mkdir()
    (rtl / "net.sv").write_text("module net; endmodule\n")
    (rtl / "net_weight.mem").write_text("0\n")
    (tools / "utilization.rpt").write_text(UTILIZATION)
    (tools / "timing.rpt").write_text(TIMING.format(wns="2.367"))
    stand_in(
        tools,
        f"""
        import pathlib, shutil, sys
        assert sys.argv[1:] == ["-mode", "batch", "-nojournal", "-log", "vivado.log", "-source", "place.tcl"], sys.argv
        assert pathlib.Path("net_weight.mem").exists()
        lines = pathlib.Path("place.tcl").read_text().splitlines()
        assert lines[:3] == [
            "read_verilog -sv " + {str(rtl / "net.sv")!r}.replace(" ", chr(92) + " "),
            "synth_design -mode out_of_context -top net -part xc7z020clg400-1",
            "create_clock -name aclk -period 5.000 [get_ports aclk]",
        ], lines
        assert [line.split()[0] for line in lines[3:]] == [
            "opt_design", "place_design", "phys_opt_design", "route_design", "report_utilization", "report_timing_summary",
        ], lines
        for line in lines[-2:]:
            name = line.split()[-1]
            shutil.copy(pathlib.Path({str(tools)!r}) / name, name)
        """,
    )
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    program = place.vivado()
    assert program == tools / "vivado"
    routed = place.place(program, [rtl / "net.sv"], rtl, "net", "xc7z020clg400-1", 200.0, timeout_s=30)
    assert routed.resources == FOUND
    assert routed.mhz == pytest.approx(1000 / (5 - 2.367))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('INFO: x')\nprint('ERROR: [Synth 8-439] module net not found')\nraise SystemExit(1)", "module net not found"),
        ("raise SystemExit(3)", "status 3: no output"),
        ("", "wrote no utilization.rpt"),
        ("import time\ntime.sleep(60)", "ran past 1 s"),
    ],
)
def test_its_failures(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        place.place(stand_in(tmp_path, body), [], tmp_path, "net", "part", 100.0, timeout_s=1 if "sleep" in body else 30)
