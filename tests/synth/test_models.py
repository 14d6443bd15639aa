"""The models of primitives that netlists are simulated with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rtl.yosys import run_yosys

from hwqnn.errors import ToolError
from hwqnn.synth import models, primitives
from hwqnn.synth.yosys import yosys_folder

INITS = ("96969696E8E8E8E8", "177E7EE8E8808000", "FF00F0F0CCCCAAAA", "123456789ABCDEF0")
LUTS = [f"LUT{inputs}" for inputs in range(1, 7)]


def test_luts_are_those_of_yosys(tmp_path: Path) -> None:
    """With the truth table of input k in it, a LUT gives input k: for every k, so it looks at the right bit whatever the table."""
    theirs = (yosys_folder() / "share" / "xilinx" / "cells_sim.v").read_text()
    checks = []
    for inputs in range(1, 7):
        pins = ", ".join(f".I{i}(x[{i}])" for i in range(inputs))
        for k in range(inputs):
            table = sum(1 << address for address in range(2**inputs) if address >> k & 1)
            for lut in ("LUT", "THEIRS"):
                name = f"{lut.lower()}_{inputs}_{k}"
                checks.append(
                    f"wire {name}; {lut}{inputs} #(.INIT({2**inputs}'h{table:x})) i_{name} (.O({name}), {pins}); assert property ({name} == x[{k}]);"
                )
    (tmp_path / "ours.v").write_text(models(LUTS))
    (tmp_path / "theirs.v").write_text(
        "\n".join(re.search(rf"^module {lut}\(.*?^endmodule", theirs, re.S | re.M)[0] for lut in LUTS).replace("LUT", "THEIRS")
    )
    (tmp_path / "both.sv").write_text("module both(input [5:0] x);\n" + "\n".join(checks) + "\nendmodule\n")
    log = run_yosys(
        tmp_path,
        [
            "read_verilog ours.v theirs.v",
            "read_verilog -sv -formal both.sv",
            "hierarchy -top both",
            "proc",
            "flatten",
            "async2sync",
            "chformal -lower",
            "select -assert-count 42 t:$assert",
            "sat -verify -prove-asserts both",
        ],
    )
    assert "no model found: SUCCESS" in log


PINS = {
    "LUT6_2": (6, "O6(y[0])", "O5(y[1])", "I0(x[0])", "I1(x[1])", "I2(x[2])", "I3(x[3])", "I4(x[4])", "I5(x[5])"),
    "CARRY4": (10, "CO(y[3:0])", "O(y[7:4])", "CI(x[0])", "CYINIT(x[1])", "DI(x[5:2])", "S(x[9:6])"),
}


@pytest.mark.parametrize(("kind", "parameters"), [("LUT6_2", f"#(.INIT(64'h{init}))") for init in INITS] + [("CARRY4", "")])
def test_quicker_forms_are_those_of_yosys(kind: str, parameters: str, tmp_path: Path) -> None:
    theirs = (yosys_folder() / "share" / "xilinx" / "cells_sim.v").read_text()
    (tmp_path / "ours.v").write_text(models([kind]))
    (tmp_path / "theirs.v").write_text(re.search(rf"^module {kind}\(.*?^endmodule", theirs, re.S | re.M)[0].replace(kind, "THEIRS"))
    bits, *pins = PINS[kind]
    for name, cell in (("one", kind), ("other", "THEIRS")):
        instance = f"{cell} {parameters} i ({', '.join(f'.{pin}' for pin in pins)});"
        (tmp_path / f"{name}.v").write_text(f"module {name}(input [{bits - 1}:0] x, output [7:0] y); {instance} endmodule\n")
    log = run_yosys(
        tmp_path,
        [
            "read_verilog ours.v one.v other.v",
            "read_verilog -specify theirs.v",
            "delete t:$specify*",
            "proc",
            "flatten",
            "miter -equiv -flatten -make_assert one other both",
            "sat -verify -prove-asserts both",
        ],
    )
    assert "no model found: SUCCESS" in log


def test_only_what_is_needed_and_without_timing() -> None:
    text = models(["FDRE", "CARRY4"])
    assert re.findall(r"^module (\w+)", text, re.M) == ["CARRY4", "FDRE"]
    assert "specify" not in text


def test_primitives_are_those_instantiated_and_not_defined() -> None:
    one = "// LUT1 i (\nmodule one; LUT6 #(.INIT(1)) i (.O(o)); LUT6_2 j (.O6(o)); /* CARRY4 k ( */ mine LUT2 (); wire FDRE; endmodule"
    other = "module other; one i (); MUXF7 k (.O(o)); FDSE l (.Q(o)); endmodule\nmodule FDSE; endmodule"
    assert primitives([one, other]) == {"LUT6", "LUT6_2", "MUXF7"}


@pytest.mark.parametrize("kind", ["FIFO36E1", "NO_SUCH_CELL"])
def test_what_has_no_model_is_refused(kind: str) -> None:
    with pytest.raises(ToolError, match=kind):
        models(["LUT1", kind])
