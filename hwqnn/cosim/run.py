"""Runs frames through the simulator, several processes at a time, and decodes what every block sent."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwqnn.cosim.build import Simulator
from hwqnn.dataflow.pack import code, decode, from_bytes, to_bytes
from hwqnn.emit import Emitted
from hwqnn.errors import CheckError, ToolError

_LEAST_CYCLES = 20_000
"""A process of its own pays off from so many cycles on."""
_KEEP = "to keep the RTL and look into it: hwqnn.compile(...).write(folder), and .simulate(x, waveform=file) with images before the one that fails"


@dataclass(frozen=True, eq=False)
class Activity:
    """How much the blocks' nets switch, in thousands of cycles behind the first frame: registers and the wires that the simulator keeps, no memories.

    Attributes:
        cycles: watched; 0 when a single frame was simulated.
        bits: by node name, how many one-bit nets were watched.
        toggles: by node name, their changes in all those cycles.
    """

    cycles: int
    bits: dict[str, int]
    toggles: dict[str, int]

    def rate(self, node: str | None = None) -> float:
        """Changes of a net in a clock cycle, on average over the node's nets, or over all."""
        bits, toggles = (sum(self.bits.values()), sum(self.toggles.values())) if node is None else (self.bits[node], self.toggles[node])
        return toggles / (bits * self.cycles) if bits and self.cycles else 0.0


@dataclass(frozen=True, eq=False)
class Trace:
    """What the RTL did.

    Attributes:
        streams: op name -> int64 (frames, elements): what the block that computes this op sent.
        output: int64 (frames, elements): what left the accelerator's own port. lasts: bool (frames, beats): its tlast.
        stamps: per process, int64 (its frames,): the cycle of each frame's last output; cycle 0 is the first input transfer.
        finished: frames that came out. Fewer than asked for: the RTL made no progress any more.
        activity: of the first process.
    """

    streams: dict[str, np.ndarray]
    output: np.ndarray
    lasts: np.ndarray
    stamps: tuple[np.ndarray, ...]
    finished: int
    activity: Activity

    @property
    def latency(self) -> int:
        """Cycles from the first input transfer to the first frame's last output transfer, that one included."""
        return int(self.stamps[0][0]) + 1

    @property
    def interval(self) -> int | None:
        """Cycles between the last two frames; None when there was only one."""
        longest = max(self.stamps, key=len)
        return int(longest[-1] - longest[-2]) if len(longest) > 1 else None


def run(
    emitted: Emitted,
    simulator: Simulator,
    x: np.ndarray,
    *,
    patience: int,
    jobs: int = 1,
    pause_seed: int = 0,
    waveform: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Trace:
    """Simulates every frame of `x`, integers (frames, ...) of the accelerator's input type.

    Args:
        patience: cycles without any transfer after which the RTL counts as stuck.
        pause_seed: not 0: source and sink pause at random.
        waveform: where to write an FST file (the simulator was built with `trace`); one process then.
        progress: called with the number of frames finished so far.
    Raises:
        CheckError: the RTL finished no frame at all.
        ToolError: the simulator crashed.
    """
    x = x.reshape(len(x), -1)
    cycles = len(x) * max(n.node.block.cycles for n in emitted.nodes)
    shards = max(1, min(jobs, len(x), cycles // _LEAST_CYCLES)) if waveform is None else 1
    bounds = np.linspace(0, len(x), shards + 1).astype(int)
    done = [0] * shards
    processes: list[subprocess.Popen[str]] = []
    lock = threading.Lock()

    def shard(k: int, work: str) -> _Shard:
        def report(frames: int) -> None:
            with lock:
                done[k] = frames
                if progress is not None:
                    progress(sum(done))

        return _run_one(emitted, simulator, x[bounds[k] : bounds[k + 1]], Path(work) / str(k), patience, pause_seed, waveform, report, processes)

    with tempfile.TemporaryDirectory(prefix="hwqnn-run-") as work, ThreadPoolExecutor(shards) as pool:
        try:
            futures = [pool.submit(shard, k, work) for k in range(shards)]
            results = [f.result() for f in futures]
        finally:
            for process in processes:  # on an error or Ctrl-C nothing keeps running
                process.kill()
    probes = [n.node for n in emitted.nodes if n.node.edge is not None]
    if not len(results[0].stamps):
        # of those that sent least the first: the blocks behind it wait for it
        stuck, sent = min(zip(probes, results[0].streams, strict=True), key=lambda pair: len(pair[1]))
        where = "its result never left the output port" if len(sent) else f"layer '{stuck.layer}' ({stuck.block.module}) never finished"
        raise CheckError(f"the RTL is stuck on the first image: nothing moved for {patience:,} cycles, and {where}; {_KEEP}")
    # behind a process that got stuck the frames would not line up
    results = results[: next((k + 1 for k, r in enumerate(results) if len(r.stamps) < bounds[k + 1] - bounds[k]), shards)]
    return Trace(
        streams={str(node.edge): np.concatenate([r.streams[i] for r in results]) for i, node in enumerate(probes)},
        output=np.concatenate([r.output for r in results]),
        lasts=np.concatenate([r.lasts for r in results]),
        stamps=tuple(r.stamps for r in results),
        finished=sum(len(r.stamps) for r in results),
        activity=_activity(emitted, results[0].activity),
    )


def _activity(emitted: Emitted, counts: np.ndarray) -> Activity:
    """From what the harness wrote: the cycles, then each node's bits and toggles."""
    cycles, *pairs = map(int, counts)
    names = [n.node.name for n in emitted.nodes]
    return Activity(cycles, dict(zip(names, pairs[::2], strict=True)), dict(zip(names, pairs[1::2], strict=True)))


@dataclass(frozen=True, eq=False)
class _Shard:
    """What one process recorded: the probed streams in order, the output port, the stamps, the activity."""

    streams: list[np.ndarray]
    output: np.ndarray
    lasts: np.ndarray
    stamps: np.ndarray
    activity: np.ndarray


def _run_one(
    emitted: Emitted,
    simulator: Simulator,
    x: np.ndarray,
    prefix: Path,
    patience: int,
    pause_seed: int,
    waveform: Path | None,
    report: Callable[[int], None],
    processes: list[subprocess.Popen[str]],
) -> _Shard:
    """Runs one process and decodes what it recorded."""
    beat, last = emitted.nodes[0].node.block.beat_in, emitted.result.block
    beats = x.shape[1] // beat.elements
    out_beats = last.schedule.gives
    patterns = code(x, beat.type).reshape(-1, beat.elements)
    source = prefix.with_suffix(".in")
    source.write_bytes(to_bytes(patterns, beat.type.bits, emitted.input_bytes).tobytes())
    arguments = [source, len(x), beats, out_beats, patience, pause_seed, prefix, *([waveform.resolve()] if waveform else [])]
    process = subprocess.Popen(
        [str(simulator.binary), *map(str, arguments)], cwd=emitted.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    processes.append(process)
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        if line.startswith("frames "):
            report(int(line.split()[1]))
        elif "%Error" in line or "Assert" in line:
            process.kill()
            where = next((f" in layer '{n.node.layer}' ({n.node.block.module})" for n in emitted.nodes if f".i_{n.signal}." in line), "")
            raise CheckError(f"the RTL broke one of its own assertions{where}: {line.strip()}; {_KEEP}")
    errors = process.stderr.read()
    if process.wait() not in (0, 3):
        raise ToolError(
            f"the RTL simulator ended with code {process.returncode}: {errors.strip().splitlines()[-1] if errors.strip() else 'no message'}"
        )
    stamps = np.fromfile(prefix.with_suffix(".stamps"), dtype=np.int64)
    activity = np.fromfile(prefix.with_suffix(".activity"), dtype=np.int64)
    streams = []
    for i, node in enumerate(n.node for n in emitted.nodes if n.node.edge is not None):
        out = node.block.beat_out
        rows = np.fromfile(prefix.with_suffix(f".{i}"), dtype=np.uint8).reshape(-1, -(-out.bits // 8))
        per_frame = node.block.schedule.gives
        whole = min(len(rows) // per_frame, len(x)) * per_frame
        streams.append(decode(from_bytes(rows[:whole], out.type.bits, out.elements), out.type).reshape(-1, per_frame * out.elements))
    rows = np.fromfile(prefix.with_suffix(".out"), dtype=np.uint8).reshape(-1, emitted.output_bytes + 1)[: len(stamps) * out_beats]
    output, lasts = _port(rows[:, :-1], last.beat_out.elements, signed=last.beat_out.type.min < 0), rows[:, -1] != 0
    return _Shard(streams, output.reshape(-1, out_beats * last.beat_out.elements), lasts.reshape(-1, out_beats), stamps, activity)


def _port(rows: np.ndarray, elements: int, signed: bool) -> np.ndarray:
    """Beats of the output port, uint8 (beats, bytes), as numbers (beats, elements): whole bytes each, two's complement if signed."""
    size = rows.shape[1] // elements
    values = rows.reshape(-1, elements, size).astype(np.int64) @ (1 << 8 * np.arange(size, dtype=np.int64))
    return values - ((values >> (8 * size - 1) & 1) << (8 * size)) if signed and size < 8 else values
