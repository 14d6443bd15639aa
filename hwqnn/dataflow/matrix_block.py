"""What the blocks that multiply with a matrix have in common: a datapath, accumulators, fused thresholds, ROMs and their cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np

from hwqnn.dataflow import delays
from hwqnn.dataflow.accumulator import Accumulator, Product, counts_agreements, plane_excess
from hwqnn.dataflow.cost import MeasuredBlock, Parts, adder_carry4, counters, deep_rom, rom_luts
from hwqnn.dataflow.datapath import datapath_cost, make_datapath, needs_register, source_ns, step_bits, sums_beside
from hwqnn.dataflow.delays import Paths
from hwqnn.dataflow.design import Datapath, Memory, Resources, Store
from hwqnn.dataflow.matrix import Matrix
from hwqnn.dataflow.pack import memory
from hwqnn.dataflow.storage import block_ram, lut_ram
from hwqnn.dataflow.threshold import compare_bits, output_code, search_registers, search_stages, search_table
from hwqnn.dataflow.threshold_cost import Search
from hwqnn.gates.delay import CLOCK_TO_OUT
from hwqnn.gates.products import Lanes
from hwqnn.ir import Int, Threshold, Type

_SHALLOW = 16
"""Words of a ROM of weights up to which two bits may well be alike."""
_MELTED = 8
"""So many initial values melt into the adders (`rtl/accumulators.sv`)."""


def sum_type(matrix: Matrix, x: Type, acc: Accumulator) -> Type:
    """Of the sums themselves, when no threshold follows: agreements are half of them."""
    return Int(acc.bits + (counts_agreements(matrix, x) and not acc.doubled))


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixBlock(MeasuredBlock):
    """`beat_out.elements` is PE: so many outputs at a time, with a multiplier for each of `simd` inputs. `rtl/mvu.sv` with a datapath beside it.

    Attributes:
        store: where the weights lie.
        product: how the multipliers are built.
        budget_ns: logic delay allowed between registers.
    """

    module: ClassVar[str] = "mvu"
    matrix: Matrix
    threshold: Threshold | None
    accumulator: Accumulator
    store: Store
    product: Product
    budget_ns: float

    @property
    def pe(self) -> int:
        return self.beat_out.elements

    @property
    def simd(self) -> int:
        raise NotImplementedError

    @property
    def nf(self) -> int:
        """Passes over a vector."""
        raise NotImplementedError

    @property
    def weight_words(self) -> int:
        """Words of the weight ROM."""
        raise NotImplementedError

    @property
    def replayed(self) -> int:
        """Beats of a buffer from which inputs are read again; 0 when there is none."""
        raise NotImplementedError

    @property
    def steps_a_sum(self) -> int:
        """Steps whose sums of products one output adds up."""
        raise NotImplementedError

    @property
    def sets(self) -> int:
        """How many times PE outputs there are."""
        return self.matrix.outputs // self.pe

    @property
    def classes(self) -> int:
        """Kinds of positions that start from different values."""
        return len(self.accumulator.init)

    @property
    def levels(self) -> int:
        return self.threshold.levels if self.threshold is not None else 0

    @property
    def search_stages(self) -> int:
        return search_stages(self.levels) if self.levels > 1 else 0

    @property
    def threshold_bits(self) -> int:
        acc = self.accumulator
        return 1 if acc.thresholds is None else compare_bits(acc.thresholds, acc.lo, acc.hi)

    @property
    def search_registers(self) -> int:
        """Each stage of the search has so many."""
        return search_registers(self.threshold_bits, self.levels, self.sets, self.budget_ns)

    @property
    def lanes(self) -> Lanes:
        """What the datapath multiplies in a step."""
        return Lanes(self.pe, self.simd, self.beat_in.type, self.matrix.weight_type, self.shared, self.sum_bits)

    @property
    def shared(self) -> bool:
        """All outputs of a step read the same inputs."""
        raise NotImplementedError

    @property
    def sums_beside(self) -> bool:
        """The accumulators are the datapath's, too."""
        return sums_beside(self.product, self.simd)

    @cached_property
    def sum_bits(self) -> int:
        """Of what a step adds to an output."""
        return step_bits(self.product, self.simd, self.beat_in.type, self.matrix.weight_type, self.accumulator.bits)

    @cached_property
    def x_register(self) -> bool:
        """The datapath's inputs get a register of their own."""
        return needs_register(self.product, self.store, self.lanes, self.weight_words, self.budget_ns)

    @property
    def datapath_budget_ns(self) -> float:
        """What the datapath's first stage may take."""
        return self.budget_ns if self.x_register else self.budget_ns - source_ns(self.store)

    @cached_property
    def datapath(self) -> Datapath:
        words = self.weights.words if self.store is Store.FUSED else ()
        return make_datapath(self.product, self.lanes, words, self.datapath_budget_ns)

    @property
    def depth(self) -> int:
        """Cycles from a step to its output."""
        return (self.replayed > 0) + self.x_register + self.datapath.depth + 1 + self.search_stages * self.search_registers

    @property
    def style(self) -> str:
        binary = counts_agreements(self.matrix, self.beat_in.type)
        by = "XNOR" if binary else {Product.PLANES: "bit planes", Product.DSP: "DSP48"}[self.product]
        where = {Store.LUT: "in LUTs", Store.FUSED: "in the products' LUTs", Store.BRAM: "in BRAM"}[self.store]
        return f"{by}, weights " + (where if self.weight_words > 1 else "fixed")

    @property
    def parameters(self) -> dict[str, int]:
        """Those that both kinds have."""
        base, step = output_code(self.threshold) if self.threshold is not None else (0, 1)
        return {
            "PE": self.pe,
            "VECTORS": self.matrix.pixels * (self.sets // self.nf),
            "NF": self.nf,
            "CLASSES": self.classes,
            "COLUMNS": len(self.matrix.positions.columns) if self.classes > 1 else 1,
            "X_BITS": self.beat_in.bits,
            "X_REGISTER": int(self.x_register),
            "W_STORE": {Store.LUT: 0, Store.BRAM: 1, Store.FUSED: 2}[self.store],
            "W_WORDS": self.weight_words,
            "W_BITS": self.pe * self.matrix.weight_type.bits if self.sums_beside else self.datapath.w_bits,
            "DP_DEPTH": self.datapath.depth,
            "DP_SUMS": int(self.sums_beside),
            "SUM_BITS": self.sum_bits,
            "DOUBLE": int(self.accumulator.doubled),
            "ACC_BITS": self.accumulator.bits,
            "ODD": self.matrix.inputs % 2,
            "LEVELS": self.levels,
            "T_BITS": self.threshold_bits,
            "SEARCH_REGISTERS": self.search_registers if self.levels > 1 else 1,
            "BASE": base,
            "STEP": step,
            "OUT_BITS": self.beat_out.type.bits,
        }

    @property
    def weight_patterns(self) -> np.ndarray:
        """int64 (weight_words, elements), bit patterns."""
        raise NotImplementedError

    @property
    def weights(self) -> Memory:
        return memory(self.weight_patterns, self.matrix.weight_type.bits)

    @cached_property
    def memories(self) -> dict[str, Memory]:
        acc = self.accumulator
        files = {} if self.store is Store.FUSED else {"WEIGHT_FILE": self.weights}
        files |= {
            "INIT_FILE": memory(self._starts, acc.bits),
        }
        if acc.thresholds is not None:
            files["THRESHOLD_FILE"] = search_table(acc.thresholds, self.pe, self.threshold_bits)
        if self.classes > 1:
            positions = self.matrix.positions
            width = (self.classes * self.sets - 1).bit_length()
            kinds_of_columns = positions.padded.shape[1]
            files["ROW_FILE"] = memory((positions.rows * kinds_of_columns * self.sets)[:, None], width)
            files["COLUMN_FILE"] = memory((positions.columns * self.sets)[:, None], width)
        return files

    @property
    def parts(self) -> Parts:
        """Of `rtl/mvu.sv`, without the datapath."""
        return self._parts(self.datapath.depth)

    def _parts(self, datapath_depth: int) -> Parts:
        after = (self.replayed > 0) + self.x_register + datapath_depth
        depth = after + 1 + self.search_stages * self.search_registers
        return self._steps(depth) + self._rom + self._sums(after) + self._searched(after)

    @property
    def paths(self) -> Paths:
        """Through the control, what operands come from, the datapath, the accumulator, the search."""
        found = dict(delays.control(self.sets, self.steps_a_sum, self.matrix.pixels))
        kept = delays.RAM if self.replayed > 1 else CLOCK_TO_OUT
        x = CLOCK_TO_OUT if self.x_register else kept
        if self.replayed > 1:
            found["kept"] = {"ns": delays.lut_ram(self.replayed)}
        if (longest := self.datapath.longest) is not None:
            inputs = max(x + longest.from_inputs["x_i"], CLOCK_TO_OUT + longest.from_inputs["w_i"])
            found |= {"from inputs": {"ns": inputs}, "datapath": {"ns": CLOCK_TO_OUT + longest.from_registers}}
        else:
            found["multiplier"] = {"ns": x + delays.MULTIPLY}
            found["products"] = {"ns": CLOCK_TO_OUT + 0.64 + delays.added(self.sum_bits), "several": self.simd > 3}
        if self.weight_words > 1:
            where = delays.BLOCK if self.store is Store.BRAM else CLOCK_TO_OUT + (delays.rom(self.weight_words) if self.store is Store.LUT else 0.0)
            found |= {"weights": {"ns": where}, "address": {"ns": delays.counter(self.weight_words)}}
        if self.search_stages * self.search_registers + self.datapath.depth > 1:
            found["last"] = {"ns": delays.SHIFTED}
        inits = self.classes * self.sets if self._starts_differ else 1
        ahead = self.sums_beside or inits > _MELTED
        if self.sums_beside:
            found["sign"] = {"ns": 1.3}
        else:
            start = 1 if ahead else counters(inits).bits
            chosen = delays.lut(start + (3 if self.steps_a_sum > 1 else 1))  # of a sum so far, what a step adds, and which it starts from
            found["sum"] = {"ns": CLOCK_TO_OUT + chosen + delays.added(self.accumulator.bits)}
        if self.classes > 1:
            rows, columns = len(self.matrix.positions.rows), len(self.matrix.positions.columns)
            found["place words"] = {"ns": CLOCK_TO_OUT + delays.rom(max(rows, columns))}
            placed = CLOCK_TO_OUT + (0.64 if self.sets > 2 else 0.238) + delays.added(counters(inits).bits)
            found["place"] = {"ns": placed}
            if ahead and (self.replayed > 0) + self.x_register + self.datapath.depth == 1:  # no register between the address and the ROM
                found["placed"] = {"ns": placed + delays.rom(inits), "deep": inits > 64}
        if ahead:
            found["start"] = {"ns": CLOCK_TO_OUT + delays.rom(inits)}
        if self.search_stages:
            found |= self._search.paths
        return found

    @property
    def rough_estimate(self) -> Resources:
        cells, depth = datapath_cost(self.product, self.store, self.lanes, self.weight_words, self.datapath_budget_ns)
        return self._cells(self._parts(depth)) + cells

    def _steps(self, depth: int) -> Parts:
        """Control, and the input's buffer; of `depth` cycles from a step to its output."""
        vectors, bits = self.matrix.pixels, self.beat_in.bits
        count = counters(self.nf, self.steps_a_sum, *((self.sets,) if self.sets > self.nf else ()), vectors)
        x_delay = (self.replayed > 0) + self.x_register
        last = depth if depth < 3 else 0
        kept = bits if self.replayed == 1 else 0
        stored = Resources(lut=lut_ram(bits, self.replayed), ff=counters(self.replayed).bits) if self.replayed > 1 else Resources()
        pipeline = Resources(lut=depth > 2, ff=depth + last + x_delay + kept + bits * self.x_register)
        places = self._places
        return Parts(
            stored + pipeline + Resources(ff=count.bits, carry4=count.carry4) + places.exact,
            {"counters": count.luts, "replayed": self.replayed > 1, **places.mapped},
        )

    @property
    def _places(self) -> Parts:
        """What tells where on the map a pixel lies: the first words of a row and of a column, and a set, in one sum."""
        if self.classes == 1:
            return Parts(Resources())
        positions = self.matrix.positions
        rows, columns = len(positions.rows), len(positions.columns)
        width = (self.classes * self.sets - 1).bit_length()
        count = counters(columns, columns, rows)
        kinds_of_columns = positions.padded.shape[1]
        rom = rom_luts((positions.rows * kinds_of_columns * self.sets)[:, None], width)
        rom += rom_luts((positions.columns * self.sets)[:, None], width)
        return Parts(
            Resources(lut=rom, ff=count.bits + (columns > 1) + 2 * width, carry4=count.carry4 + adder_carry4(width)),
            {"places": count.untold_luts, "place bits": width, "placed": 1},
        )

    @property
    def _rom(self) -> Parts:
        """The weights, or their address."""
        w_bits, words = self.matrix.weight_type.bits, self.weight_words
        bits = self.pe * self.simd * w_bits
        if words == 1:
            return Parts(Resources())
        address = counters(words)
        if self.store is Store.FUSED:
            return Parts(Resources(ff=address.bits, carry4=address.carry4), {"address": address.untold_luts, "fused": 1})
        if self.store is Store.BRAM:
            shown = _changing(self.weight_patterns, w_bits) if words <= _SHALLOW else bits
            ram = block_ram(shown, words) + Resources(ff=address.bits + shown + shown * self.x_register, carry4=address.carry4)
            return Parts(ram, {"address": address.untold_luts, "bram": 1})
        rom = rom_luts(self.weight_patterns, w_bits) if words <= _SHALLOW else bits * deep_rom(words)
        exact = Resources(lut=rom, ff=address.bits + bits, carry4=address.carry4)
        return Parts(exact, {"address": address.untold_luts, "weight bits": bits})

    def _sums(self, after: int) -> Parts:
        """Of sums that come `after` so many advancing cycles after their step."""
        acc, inits = self.accumulator.bits, self.classes * self.sets
        bits, low = self.pe * acc, min(self.sum_bits, acc)
        beside, several = self.sums_beside, self.steps_a_sum > 1
        ahead, differ = beside or inits > _MELTED, self._starts_differ
        address = counters(inits).bits * (after - ahead) if differ and not (self.search_stages and self.classes == 1) else 0  # else the search has it
        begins = (2 * after - beside) * several
        delayed = address + begins
        together = {"together": bits} if inits <= _MELTED else {}  # a table of so few words is no ROM in pieces
        start = Resources(lut=rom_luts(self._starts, acc, **together) if ahead else 0, ff=bits * (ahead and not beside) + delayed)
        passing = self._passing
        signs = {"signs": self.pe if self.levels == 1 else 0}
        if beside:
            return Parts(start + Resources(lut=several), signs)
        kept = bits if several or self.levels != 1 else self.pe  # of a sum that nothing is added to, a threshold only asks the sign
        own = Resources(ff=kept, carry4=self.pe * adder_carry4(acc - passing))
        mapped = {
            "accumulated": self.pe * low if several else 0,
            "carried": bits - self.pe * low if several else 0,
            "added": 0 if several else self.pe * max(0, low - passing),
            "melted": bits if 1 < inits <= _MELTED and differ else 0,
            "melted much": bits if 4 < inits <= _MELTED and differ else 0,
        }
        return Parts(start + own, mapped | signs)

    @property
    def _passing(self) -> int:
        """Low bits of a sum of one step that are the step's own: those below the lowest that is set in any start."""
        if self.steps_a_sum > 1:
            return 0
        set_bits = int(np.bitwise_or.reduce(self._starts, axis=None))
        return min((set_bits & -set_bits).bit_length() - 1, self.accumulator.bits) if set_bits else self.accumulator.bits

    @property
    def _starts(self) -> np.ndarray:
        """What the sums start from, bit patterns, int64 (kinds of positions * sets, PE)."""
        start = _start(self.matrix, self.beat_in.type, self.accumulator, self.product)
        return start.reshape(self.classes * self.sets, self.pe) & ((1 << self.accumulator.bits) - 1)

    @property
    def _starts_differ(self) -> bool:
        """Between outputs or positions: a ROM that says the same everywhere vanishes."""
        return bool((self._starts != self._starts[:1, :1]).any())

    def _searched(self, after: int) -> Parts:
        """The search, and what tells it whose thresholds are asked for."""
        if not self.search_stages:
            return Parts(Resources())
        return Parts(Resources(ff=counters(self.sets).bits * (after + 1))) + self._search.parts

    @cached_property
    def _search(self) -> Search:
        acc = self.accumulator
        assert acc.thresholds is not None
        start_passes = acc.doubled and self.steps_a_sum == 1 and self.classes * self.sets > _MELTED  # as the lowest bit of what counts twice
        return Search(
            lanes=self.pe,
            bits=self.threshold_bits,
            value_bits=min(acc.bits, self.threshold_bits),
            thresholds=acc.thresholds,
            stages=self.search_stages,
            rows=self.sets,
            registers=self.search_registers,
            outside=self.sums_beside,
            passing=self._passing or int(start_passes),
        )


def _changing(patterns: np.ndarray, bits: int) -> int:
    """Of the low bits of all elements, int64 (words, elements), those that are not the same in all words."""
    return sum(int((patterns >> k & 1).any(axis=0).sum() - (patterns >> k & 1).all(axis=0).sum()) for k in range(bits))


@lru_cache(maxsize=64)  # all foldings of a layer have the same
def _start(matrix: Matrix, x: Type, acc: Accumulator, product: Product) -> np.ndarray:
    """What the sums start from, int64 (kinds of positions, outputs)."""
    if product is Product.PLANES and not counts_agreements(matrix, x):
        return acc.init - plane_excess(matrix, x)
    return acc.init


def every(steps: int, of: int, which: slice) -> np.ndarray:
    """bool (steps,): marks `which` of every `of` steps."""
    marked = np.zeros(of, dtype=bool)
    marked[which] = True
    return np.tile(marked, steps // of)
