"""The machine that runs a network of blocks, cycle for cycle: the inner loop of `network.py`.

The rules are those of `dataflow.design` and of `docs/architecture.md`, "Blocks are step machines". Each cycle, valid goes forward through the
nodes and ready backward, which is one pass each because valid never depends on ready. Most blocks wait most of the time; those are skipped.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from hwqnn.kernel import kernel

SETTLED = 6
"""Without a proof that it has, a design counts as settled when so many intervals in a row are equal."""
MOST_FRAMES = 512
_MOST_STEPS = 500_000_000
"""Node-cycles after which a proof is no longer waited for: seconds."""

MACHINE, BUFFER, FORK = range(3)
KIND, DEPTH, IN0, IN1, OUT, OUTPUTS, START, LENGTH, TAKES, CAPACITY = range(10)
NEED0, NEED1, TAKE0, TAKE1, GIVE = (1 << i for i in range(5))


class End(IntEnum):
    """Why a run ended.

    Attributes:
        FINISHED: all frames are out. REPEATS: the state was there before. STUCK: nothing moves any more. LATE: frames leave slower than they come.
    """

    FINISHED = 0
    REPEATS = 1
    STUCK = 2
    LATE = 3


_FINISHED, _REPEATS, _STUCK, _LATE = (int(end) for end in End)


@kernel
def run(node, table, beats_in, beats_out, frames, settle, pace, offered, state, held, most, valid, ready, stamps):  # type: ignore[no-untyped-def]
    n = len(node)
    last = len(valid) - 1
    can = np.zeros(n, dtype=np.bool_)  # all that the step needs is there
    asleep = np.zeros(n, dtype=np.int64)  # steps that a machine will make whatever happens around it, its pipeline empty
    still = np.zeros(n, dtype=np.bool_)  # nothing changed in the last cycle: nothing will until one of these does
    seen0, seen1, seen = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    snapshots = np.zeros((MOST_FRAMES if settle else 1, 3 * n + 1), dtype=np.int64)
    taken = given = done = cycle = kept = 0
    first = -1
    for b in range(n):
        if node[b, KIND] == BUFFER:
            held[b] = -table[node[b, START], 1]
    while True:
        if settle and pace > 0 and cycle % pace == 0:  # a paced design repeats from one frame's arrival to another's
            found = _snapshot(snapshots, kept, state, taken - cycle // pace * beats_in)
            if found >= 0:
                return done, _REPEATS, kept - found
            kept += 1
            if kept == len(snapshots):
                return done, _LATE, 0
        valid[0] = (offered < 0 or taken < offered * beats_in) and (pace == 0 or taken < (cycle // pace + 1) * beats_in)
        for b in range(n):
            kind, depth, out = node[b, KIND], node[b, DEPTH], node[b, OUT]
            if asleep[b]:
                valid[out] = False
                continue
            if still[b]:
                if valid[node[b, IN0]] == seen0[b] and valid[node[b, IN1]] == seen1[b]:
                    continue
                still[b] = False
            if kind == FORK:
                for k in range(node[b, OUTPUTS]):
                    valid[out + k] = valid[node[b, IN0]] and not state[b, 2] >> k & 1
                continue
            entry = table[node[b, START] + state[b, 0], 0]
            if kind == BUFFER:
                can[b] = state[b, 2] >= entry
                gives = True
            else:
                can[b] = (entry & NEED0 == 0 or valid[node[b, IN0]]) and (entry & NEED1 == 0 or valid[node[b, IN1]])
                gives = entry & GIVE != 0
            valid[out] = state[b, 1] >> (depth - 1) & 1 if depth > 0 else can[b] and gives
        moved = False
        ready[last] = True
        for b in range(n - 1, -1, -1):
            kind, depth, out, in0, in1 = node[b, KIND], node[b, DEPTH], node[b, OUT], node[b, IN0], node[b, IN1]
            if asleep[b]:
                asleep[b] -= 1
                ready[in0] = ready[in1] = False
                state[b, 0] = 0 if state[b, 0] + 1 == node[b, LENGTH] else state[b, 0] + 1
                moved = True
                continue
            if still[b] and ready[out] == seen[b]:
                continue
            before = moved
            moved = False
            if kind == FORK:
                served = state[b, 2]
                for k in range(node[b, OUTPUTS]):
                    if valid[out + k] and ready[out + k]:
                        served |= 1 << k
                        moved = True
                ready[in0] = True
                for k in range(node[b, OUTPUTS]):
                    ready[in0] &= (state[b, 2] >> k & 1) != 0 or ready[out + k]
                if valid[in0]:
                    state[b, 2] = 0 if ready[in0] else served
                moved |= before
                continue
            entry = table[node[b, START] + state[b, 0], 0]
            gives = kind == BUFFER or entry & GIVE != 0
            if depth > 0:
                advance = not valid[out] or ready[out]
                fires = advance and can[b]
                if advance:
                    pipe = (state[b, 1] << 1 | (fires and gives)) & ((1 << depth) - 1)
                    moved |= pipe != state[b, 1]
                    state[b, 1] = pipe
            else:
                advance = not gives or ready[out]
                fires = advance and can[b]
            if kind == BUFFER:
                ready[in0] = held[b] < node[b, CAPACITY]
                if ready[in0] and valid[in0]:
                    most[b] = max(most[b], held[b] + 1)
                    state[b, 2] += 1
                    moved = True
            else:
                ready[in0] = advance and entry & TAKE0 != 0 and (entry & NEED1 == 0 or valid[in1])
                if in1 != in0:
                    ready[in1] = advance and entry & TAKE1 != 0 and (entry & NEED0 == 0 or valid[in0])
            if fires:
                moved = True
                state[b, 0] += 1
                if state[b, 0] == node[b, LENGTH]:
                    state[b, 0] = 0
                    state[b, 2] -= node[b, TAKES]
            if kind == BUFFER:
                held[b] = state[b, 2] - table[node[b, START] + state[b, 0], 1]
            elif depth > 0 and state[b, 1] == 0:
                asleep[b] = table[node[b, START] + state[b, 0], 1]
            still[b] = not moved
            if not moved:
                seen0[b], seen1[b], seen[b] = valid[in0], valid[in1], ready[out]
            moved |= before
        if valid[0] and ready[0]:
            taken += 1
            if first < 0:
                first = cycle
        cycle += 1
        if valid[last]:
            given += 1
            if given % beats_out == 0:
                stamps[done] = cycle - 1 - first
                done += 1
                if done == frames:
                    return done, _FINISHED, 1 if settle else 0
                if settle:
                    alike = 0  # intervals at the end that are equal
                    while alike + 2 <= done - 1 and stamps[done - 1 - alike] - stamps[done - 2 - alike] == stamps[done - 1] - stamps[done - 2]:
                        alike += 1
                    if pace > 0:
                        if alike >= SETTLED and stamps[done - 1] - stamps[done - 2] > pace:
                            return done, _LATE, 0
                    else:
                        found = _snapshot(snapshots, kept, state, 0)
                        if found >= 0:
                            return done, _REPEATS, kept - found
                        kept += 1
                        if alike >= SETTLED and cycle * n > _MOST_STEPS:
                            return done, _FINISHED, 1
        if not moved and (pace == 0 or valid[0]):
            return done, _STUCK, 0


@kernel
def _snapshot(snapshots, kept, state, backlog):  # type: ignore[no-untyped-def]
    """Keeps the state; the number of the snapshot that is equal to it, or -1."""
    row = snapshots[kept]
    for b in range(len(state)):
        for k in range(3):
            row[3 * b + k] = state[b, k]
    row[3 * len(state)] = backlog
    for old in range(kept - 1, -1, -1):
        same = True
        for k in range(len(row)):
            if snapshots[old, k] != row[k]:
                same = False
                break
        if same:
            return old
    return -1
