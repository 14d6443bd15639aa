"""AXI4-Stream agents for the library's module benches. A beat is one Python int of any width."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

PERIOD_NS = 10


def cycle_now() -> int:
    """The number of the clock edge that the simulator is at."""
    return round(get_sim_time("ns") / PERIOD_NS)


def pack(values: Iterable[int], bits: int) -> int:
    """`values` as bit fields, the first in the least significant bits; negative ones in two's complement."""
    word = 0
    for i, value in enumerate(values):
        word |= (value & ((1 << bits) - 1)) << (i * bits)
    return word


def unpack(word: int, bits: int, count: int) -> list[int]:
    """The `count` bit fields of `word`, unsigned, the least significant first."""
    return [(word >> (i * bits)) & ((1 << bits) - 1) for i in range(count)]


def signed(value: int, bits: int) -> int:
    """`value`'s low `bits` bits as a two's complement number."""
    return value - (1 << bits) if value >> (bits - 1) else value


@dataclass(frozen=True)
class Transfer:
    """One handshake: the clock edge that it happened at, the data, and the last flag."""

    cycle: int
    data: int
    last: bool


@dataclass
class Port:
    """The four wires of a stream, `{prefix}_tdata` and so on."""

    dut: Any
    prefix: str

    def __post_init__(self) -> None:
        self.data, self.valid, self.ready, self.last = (getattr(self.dut, f"{self.prefix}_{w}") for w in ("tdata", "tvalid", "tready", "tlast"))

    @property
    def moves(self) -> bool:
        return bool(self.valid.value) and bool(self.ready.value)

    def transfer(self) -> Transfer:
        return Transfer(cycle_now(), int(self.data.value), bool(self.last.value))


@dataclass
class Source:
    """Offers beats, pausing before each one with probability `pause` a cycle; an offered beat stays until it is taken. Reset forgets all."""

    port: Port
    pause: float
    random: Random
    sent: list[Transfer] = field(default_factory=list)
    queue: deque[tuple[int, bool]] = field(default_factory=deque)

    def send(self, frame: Sequence[int]) -> None:
        self.queue.extend((beat, i == len(frame) - 1) for i, beat in enumerate(frame))

    async def run(self, clock: Any, reset_n: Any) -> None:
        offered = False
        self.port.valid.value = 0
        while True:
            await RisingEdge(clock)
            if not reset_n.value:
                self.queue.clear()
                self.sent.clear()
                offered = False
            elif offered and self.port.moves:
                self.sent.append(self.port.transfer())
                self.queue.popleft()
                offered = False
            if not offered:
                offered = bool(self.queue) and self.random.random() >= self.pause
            self.port.valid.value = offered
            if offered:
                self.port.data.value, self.port.last.value = self.queue[0]


@dataclass
class Sink:
    """Takes beats, not ready with probability `pause` in each cycle. Reset forgets all."""

    port: Port
    pause: float
    random: Random
    received: list[Transfer] = field(default_factory=list)

    async def run(self, clock: Any, reset_n: Any) -> None:
        while True:
            self.port.ready.value = self.random.random() >= self.pause
            await RisingEdge(clock)
            if not reset_n.value:
                self.received.clear()
            elif self.port.moves:
                self.received.append(self.port.transfer())
