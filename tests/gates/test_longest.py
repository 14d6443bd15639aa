"""The longest paths of generated datapaths, against static timing of what yosys makes of them."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from gates_bench import XC7

from hwqnn.dataflow.design import Datapath
from hwqnn.gates.affine import Affine
from hwqnn.gates.affine import variable as scaled
from hwqnn.gates.delay import CLOCK_TO_OUT, LUT, budget_ns
from hwqnn.gates.products import Lanes, fused, variable
from hwqnn.ir import Bipolar, Int, Ternary, UInt
from hwqnn.synth import Unit, netlists
from hwqnn.synth.gates import gates
from hwqnn.synth.sta import Netlists

B = Bipolar()
SLOW, FAST = budget_ns(100), budget_ns(200)


def words(lanes: Lanes, depth: int) -> tuple[int, ...]:
    random = Random(depth)
    return tuple(random.getrandbits(lanes.pe * lanes.lane_w_bits) for _ in range(depth))


ODD, SMALL = Lanes(2, 5, UInt(2), Int(3), True, 8), Lanes(1, 34, B, B, True, 6)


DATAPATHS: dict[str, Callable[[], Datapath]] = {
    "agreements": lambda: variable(SMALL, SLOW),  # rows of ternary positions: the majority of one is a pin of the next, though it tells it nothing
    "fast": lambda: variable(Lanes(1, 12, Int(4), Int(4), True, 7), FAST),
    "one product": lambda: variable(Lanes(3, 1, B, Int(4), False, 6), SLOW),
    "ternary": lambda: variable(Lanes(1, 7, B, Ternary(), True, 6), SLOW),
    "fused": lambda: fused(ODD, words(ODD, 5), SLOW),
    "fused and fast": lambda: fused(SMALL, words(SMALL, 12), FAST),
    "affine": lambda: scaled(Affine(2, 4, True, 5, 9, 10), SLOW, LUT),
}


@pytest.mark.parametrize("name", DATAPATHS)
def test_longest(name: str, tmp_path: Path) -> None:
    datapath = DATAPATHS[name]()
    sources = []
    for module, text in datapath.texts:
        sources.append(tmp_path / f"{module}.sv")
        sources[-1].write_text(XC7 + text)
    netlist = netlists([Unit("unit", datapath.module, tuple(sources), tmp_path)], jobs=1, timeout_s=60)["unit"]
    found = Netlists({"unit": gates(netlist.verilog)}).longest().ps / 1000
    assert datapath.longest is not None
    expected = CLOCK_TO_OUT + max(*datapath.longest.from_inputs.values(), datapath.longest.from_registers)
    assert found == pytest.approx(expected, abs=0.04)  # as exact as `delay.chain` is of DI
