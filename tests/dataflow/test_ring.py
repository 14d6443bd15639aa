"""What a window's reader is scheduled to do: against the taps written out, for random geometries, and its capacity against a slow simulation."""

from random import Random

import numpy as np
import pytest
from machines import Buffering

from hwqnn.dataflow.design import Beat
from hwqnn.dataflow.upsample import UpsampleBlock
from hwqnn.dataflow.window import Window
from hwqnn.ir import Geometry, UInt

SEEDS = range(60)


def random_window(seed):
    random = Random(seed)
    while True:
        pair = [random.choice((1, 1, 2, 3)) for _ in range(4)]
        geometry = Geometry(
            (random.randint(1, 4), random.randint(1, 4)),
            (pair[0], pair[1]),
            tuple(random.choice((0, 0, 1, 2, 4)) for _ in range(4)),
            (random.choice((1, 1, 2)), random.choice((1, 1, 2))),
        )
        height, width = random.choice(((1, 9), (3, 3), (4, 6), (5, 5), (2, 8)))
        if geometry.problem(height, width) is None:
            break
    elements, tiles, beats = random.randint(1, 2), random.randint(1, 2), random.randint(1, 3)
    channels = elements * tiles * beats
    beat = Beat(elements, UInt(1))
    return Window(
        beat_in=beat, beat_out=beat, geometry=geometry, height=height, width=width, channels=channels, tile=channels // tiles, pad=0, bram=False
    )


def input_beats(window):
    """For each step the input beat of the frame that it gives again; None outside the map."""
    g, elements = window.geometry, window.beat_in.elements
    top, left, bottom, right = g.padding
    found = []
    for y in range(-top, window.height + bottom - (g.kernel[0] - 1) * g.dilation[0], g.stride[0]):
        for x in range(-left, window.width + right - (g.kernel[1] - 1) * g.dilation[1], g.stride[1]):
            for tile in range(0, window.channels, window.tile):
                for row in (y + k * g.dilation[0] for k in range(g.kernel[0])):
                    for column in (x + k * g.dilation[1] for k in range(g.kernel[1])):
                        for channel in range(tile, tile + window.tile, elements):
                            inside = 0 <= row < window.height and 0 <= column < window.width
                            found.append(((row * window.width + column) * window.channels + channel) // elements if inside else None)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_window_reads_what_is_there(seed):
    """No step reads a beat that need not have come, or that an earlier step, or one of the frame before, has let go."""
    window = random_window(seed)
    schedule, beats = window.schedule, input_beats(window)
    assert len(schedule.need) == len(schedule.free) == len(beats)
    assert window.cycles == schedule.cycles
    assert schedule.takes == window.height * window.width * window.channels // window.beat_in.elements
    twice = np.concatenate([schedule.free, schedule.free + schedule.takes])
    assert (np.diff(twice) >= 0).all()
    for step, beat in enumerate(beats):
        if beat is not None:
            assert schedule.free[step] <= beat < schedule.need[step] <= schedule.takes
    assert (schedule.need - schedule.free).max() <= schedule.capacity  # else it would wait forever


def interval(schedule, capacity):
    """Cycles between the last beats of the last two of six frames, when nobody else ever waits."""
    _, given = Buffering(schedule.takes, schedule.need.tolist(), schedule.free.tolist(), capacity, schedule.depth).ideal(6)
    return given[-1] - given[-1 - len(schedule.need)]


@pytest.mark.parametrize("seed", SEEDS)
def test_capacity_is_the_least_that_keeps_the_rate(seed):
    window = random_window(seed)
    check_capacity(window.schedule, window.beats)


@pytest.mark.parametrize("factor", [(2, 2), (1, 3), (3, 1)])
def test_capacity_of_the_upsampler(factor):
    beat = Beat(2, UInt(1))
    block = UpsampleBlock(beat_in=beat, beat_out=beat, factor=factor, height=4, width=5, channels=6)
    assert block.cycles == block.schedule.cycles
    check_capacity(block.schedule, 3)


def check_capacity(schedule, beats):
    """In pixels it is a power of two, and with half of it the frames come later, or never."""
    assert interval(schedule, schedule.capacity) == schedule.cycles
    pixels = schedule.capacity // beats
    assert pixels & (pixels - 1) == 0
    half = schedule.capacity // 2
    assert pixels == 2 or (schedule.need - schedule.free).max() > half or interval(schedule, half) > schedule.cycles


@pytest.mark.parametrize("seed", SEEDS)
def test_counters_hold_their_differences(seed):
    """With sides that pause at random, the RTL's two differences stay in COUNT_BITS wherever their signs are looked at."""
    window, random = random_window(seed), Random(seed)
    schedule, beats = window.schedule, window.beats
    bits = window.parameters["COUNT_BITS"]
    taps = [None if beat is None else beat // beats for beat in input_beats(window)]
    machine = Buffering(schedule.takes, schedule.need.tolist(), schedule.free.tolist(), schedule.capacity, 1)
    for cycle in range(3000):
        written, (frame, step) = machine.written // beats, divmod(machine.made, len(taps))
        start = frame * window.height * window.width
        seen = [written - (start + schedule.free[step] // beats) - schedule.capacity // beats]
        if taps[step] is not None:
            seen.append(written - (start + taps[step]) - 1)
        elif step == 0:
            seen.append(written - (start - window.geometry.padding[0] * window.width - window.geometry.padding[1]) - 1)
        assert all(-(1 << (bits - 1)) <= value < 1 << (bits - 1) for value in seen)
        slow = (cycle // 300) % 3  # in turn nobody, the source and the sink lag
        machine.clock(random.random() < (0.9, 0.2, 1)[slow], random.random() < (0.9, 1, 0.2)[slow])
