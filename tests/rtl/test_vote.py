"""rtl/vote.sv under cocotb, as RTL and as the netlist that yosys makes of it; a SAT proof of what adds the votes."""

import pytest
from bench_runner import run_bench, write_rom
from streams import pack
from yosys import prove_equal, synthesize

# weights, LABEL_BITS, PE, FOLD, VECTORS
GRID = (
    ((1,), 1, 1, 1, 1),
    ((1, 1, 1), 4, 1, 10, 1),
    ((7, 5, 3, 1, 1), 4, 5, 2, 1),
    ((1, 1, 1, 1, 1, 1, 1, 1), 4, 10, 1, 1),
    ((15, 0, 4), 2, 1, 3, 4),
    ((2, 3), 5, 2, 2, 3),
)
NAMES = ("weights", "LABEL_BITS", "PE", "FOLD", "VECTORS")


def sized(case):
    """With the widths that follow."""
    weights = case["weights"]
    return case | {"LABELS": len(weights), "WEIGHT_BITS": max(weights).bit_length(), "OUT_BITS": sum(weights).bit_length()}


CASES = [sized(dict(zip(NAMES, row, strict=True))) for row in GRID]


@pytest.mark.parametrize("netlist", [None, synthesize], ids=["rtl", "netlist"])
def test_vote(tmp_path, monkeypatch, netlist):
    widths = [(c["LABELS"] * c["LABEL_BITS"], c["PE"] * c["OUT_BITS"]) for c in CASES]
    roms = [{"WEIGHT_FILE": [pack(c["weights"], c["WEIGHT_BITS"])]} for c in CASES]
    run_bench(tmp_path, monkeypatch, "vote", CASES, widths, roms, **({"netlist": netlist} if netlist else {}))


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1, 1, 1), (3, 0, 5, 15), (1, 2, 4)])
def test_weighted_count(tmp_path, weights):
    width, out = max(weights).bit_length(), sum(weights).bit_length()
    write_rom(tmp_path / "weights.hex", [pack(weights, width)])
    ports = f"input logic [{len(weights) - 1}:0] x, output logic [{out - 1}:0] y"
    cases = " ".join(f"{x}: y = {sum(w for i, w in enumerate(weights) if x >> i & 1)};" for x in range(1 << len(weights)))
    parameters = f'.INPUTS({len(weights)}), .WEIGHT_BITS({width}), .OUT_BITS({out}), .FILE("weights.hex")'
    prove_equal(
        tmp_path,
        f"module structural({ports}); weighted_count #({parameters}) i (.bits_i(x), .sum_o(y)); endmodule\n",
        f"module golden({ports}); always_comb case (x) {cases} endcase endmodule\n",
    )
