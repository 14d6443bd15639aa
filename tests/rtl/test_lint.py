"""Verilator's lint, all warnings on, over every module of the architecture with parameters of every kind, for 7-series and any vendor; and illegal
parameters stop elaboration."""

import subprocess

import pytest
from bench_runner import FORMS
from primitives import write_models

from hwqnn.paths import RTL
from hwqnn.tools import verilator_binary, verilator_environment

LEGAL = {
    "fifo": (
        {},
        {"WIDTH": 9, "DEPTH": 37},
        {"DEPTH": 1, "STORE": 1},
        {"WIDTH": 5, "STORE": 1},
        {"DEPTH": 64, "STORE": 1},
        {"DEPTH": 512, "STORE": 2},
    ),
    "fifo_shift": ({}, {"WIDTH": 9, "DEPTH": 37}),
    "fifo_ram": ({}, {"WIDTH": 9, "DEPTH": 1}, {"DEPTH": 32}, {"WIDTH": 9, "DEPTH": 256, "BLOCK_RAM": 1}),
    "de_bruijn": ({}, {"BITS": 5}),
    "delay_line": ({}, {"WIDTH": 3, "STEPS": 4}, {"WIDTH": 3, "STEPS": 5, "STORE": 1}, {"STEPS": 64, "STORE": 2}),
    "greater": ({}, {"SIGNED": 1}, {"BITS": 2}, {"BITS": 3, "SIGNED": 1}, {"BITS": 4}, {"BITS": 5}, {"BITS": 9, "SIGNED": 1, "EQUAL": 1}),
    "reached": ({}, {"BITS": 1, "DIGIT": 1}, {"BITS": 11}, {"BITS": 9, "DIGIT": 2}, {"BITS": 7, "DIGIT": 1}, {"BITS": 30}),
    "extreme": ({}, {"SIGNED": 1}, {"BITS": 3, "SIGNED": 1}),
    "pool_stream": (
        {},
        {"PE": 3, "FOLD": 5, "HEIGHT": 7, "WIDTH": 8, "KERNEL_H": 2, "KERNEL_W": 3, "BITS": 4, "SIGNED": 1, "MIN_ROWS": 5},
        {"PE": 2, "WIDTH": 4, "KERNEL_W": 4, "MIN_ROWS": 1},
        {"HEIGHT": 4, "WIDTH": 9, "KERNEL_H": 2, "KERNEL_W": 2},
    ),
    "same": ({}, {"BITS": 3}, {"BITS": 7}, {"BITS": 19}),
    "lut_ram": ({}, {"WIDTH": 3, "DEPTH": 1}, {"WIDTH": 5, "DEPTH": 33}, {"WIDTH": 2, "DEPTH": 130}, {"DEPTH": 1025}),
    "choose": ({}, {"COUNT": 1}, {"WIDTH": 2, "COUNT": 35}),
    "choose_slice": ({}, {"COUNT": 1}, {"WIDTH": 3, "COUNT": 13}),
    "width_down": ({}, {"WIDTH": 3, "RATIO": 5}),
    "width_up": ({}, {"WIDTH": 3, "RATIO": 5, "BEATS": 15}),
    "threshold": (
        {},
        {"PE": 3, "FOLD": 5, "WIDTH": 8, "LEVELS": 7, "T_BITS": 10, "FLIP": 1, "OUT_BITS": 3, "ROWS": 5},
        {"PE": 2, "WIDTH": 8, "SIGNED": 1, "LEVELS": 255, "T_BITS": 9, "FLIP": 1, "OUT_BITS": 8, "BASE": -128},
        {"FOLD": 20, "VECTORS": 9, "ROWS": 20, "LEVELS": 2, "OUT_BITS": 2, "STEP": -1},
        {"PE": 2, "FOLD": 20, "ROWS": 20, "LEVELS": 6, "OUT_BITS": 3, "SEARCH_REGISTERS": 2},
    ),
    "mvu": (
        {},
        {"PE": 4, "NF": 2, "SF": 49, "X_BITS": 16, "W_WORDS": 98, "W_BITS": 64, "SUM_BITS": 5, "ACC_BITS": 11},
        {"PE": 3, "NF": 7, "X_BITS": 5, "W_STORE": 2, "W_WORDS": 7, "W_BITS": 3, "LEVELS": 0, "ACC_BITS": 5, "OUT_BITS": 6, "ODD": 1},
        {"PE": 3, "NF": 2, "SF": 3, "X_BITS": 20, "X_REGISTER": 1, "W_STORE": 1, "W_WORDS": 6, "W_BITS": 30, "SUM_BITS": 4, "ACC_BITS": 9}
        | {"LEVELS": 3, "T_BITS": 9, "SEARCH_REGISTERS": 2, "OUT_BITS": 2, "DP_DEPTH": 3},
        {"X_BITS": 8, "X_REGISTER": 1, "W_STORE": 2, "SUM_BITS": 8, "ACC_BITS": 20, "OUT_BITS": 20, "LEVELS": 0},
        {"SUM_BITS": 3, "ACC_BITS": 3, "LEVELS": 255, "T_BITS": 9, "NF": 16, "W_WORDS": 16, "OUT_BITS": 8},
        {"PE": 2, "SF": 3, "X_BITS": 3, "GROUPS": 5, "VECTORS": 60, "CLASSES": 9, "COLUMNS": 4, "ACC_BITS": 6, "W_WORDS": 15, "W_BITS": 6},
        {"X_BITS": 4, "VECTORS": 6, "CLASSES": 2, "COLUMNS": 6, "ACC_BITS": 8, "DOUBLE": 1, "LEVELS": 0, "OUT_BITS": 8},
        {"SF": 7, "W_WORDS": 7, "W_BITS": 8, "SUM_BITS": 10, "ACC_BITS": 16, "W_STORE": 1},
        {"PE": 2, "SF": 5, "NF": 3, "W_WORDS": 15, "W_BITS": 8, "DP_SUMS": 1, "SUM_BITS": 12, "ACC_BITS": 12},
    ),
    "accumulators": ({}, {"PE": 2, "PIECES": 3, "SETS": 5, "INITS": 45, "DEPTH": 4, "SUM_BITS": 7, "ACC_BITS": 8}, {"SUMS": 1, "SUM_BITS": 2}),
    "delay": ({}, {"WIDTH": 5, "DEPTH": 0}, {"WIDTH": 5, "DEPTH": 3}),
    "add_chain": ({}, {"BITS": 4}, {"BITS": 11}),
    "factors": ({}, {"X_BITS": 3, "X_KIND": 2, "W_BITS": 24, "W_KIND": 1}, {"X_BITS": 25, "X_KIND": 2, "W_BITS": 17, "W_KIND": 1}),
    "products_dsp": (
        {},
        {"PE": 3, "SIMD": 7, "X_BITS": 3, "X_KIND": 2, "W_BITS": 2, "W_KIND": 2, "SUM_BITS": 6},
        {"PE": 2, "SIMD": 10, "X_BITS": 8, "X_KIND": 1, "W_BITS": 8, "W_KIND": 2, "SUM_BITS": 21},
    ),
    "sums_dsp": ({}, {"PE": 3, "SHARED": 0, "X_BITS": 8, "X_KIND": 1, "W_BITS": 5, "W_KIND": 1, "SUM_BITS": 20}),
    "activation": ({}, {"PE": 2, "ACC_BITS": 5, "LEVELS": 0, "OUT_BITS": 6, "ODD": 1}),
    "position_base": ({}, {"ROWS": 3, "COLUMNS": 5, "BITS": 4}),
    "lookup": ({}, {"WIDTH": 5, "DEPTH": 8}, {"WIDTH": 5, "DEPTH": 9}),
    "stream_fork": ({}, {"WIDTH": 7, "OUTPUTS": 1}, {"OUTPUTS": 5}),
    "widen": ({}, {"OUT_BITS": 4}, {"BITS": 3, "KIND": 1, "OUT_BITS": 5}, {"BITS": 3, "KIND": 2, "OUT_BITS": 4}),
    "add": ({}, {"PE": 3, "BEATS": 5, "A_BITS": 4, "A_KIND": 2, "B_BITS": 2, "B_KIND": 1, "OUT_BITS": 5}),
    "concat": ({}, {"PE": 3, "A_FOLD": 5, "B_FOLD": 2, "VECTORS": 7, "A_BITS": 4, "A_KIND": 2, "B_BITS": 2, "B_KIND": 1, "OUT_BITS": 4}),
    "step_control": ({}, {"DEPTH": 3, "VECTORS": 5}),
    "counter": ({}, {"COUNT": 4, "START": 1}, {"COUNT": 3}, {"COUNT": 11, "START": 2}, {"COUNT": 64}),
    "argmax": (
        {},
        {"PE": 3, "FOLD": 4, "WIDTH": 8, "SIGNED": 1, "OUT_BITS": 4},
        {"FOLD": 10, "OUT_BITS": 8},
        {"PE": 3, "FOLD": 2, "VECTORS": 5, "K": 4, "WIDTH": 8, "OUT_BITS": 3},
    ),
    "vote": ({}, {"X_BITS": 20, "Y_BITS": 12, "FOLD": 5, "VECTORS": 3, "W_BITS": 3, "DP_DEPTH": 4}),
    "channel_affine": (
        {},
        {"PE": 3, "FOLD": 5, "WIDTH": 8, "MUL_BITS": 7, "ADD_BITS": 9, "OUT_BITS": 17, "DP_DEPTH": 2},
        {"WIDTH": 8, "VECTORS": 4, "MUL_BITS": 2, "ADD_BITS": 12, "OUT_BITS": 8},
    ),
    "affine_dsp": (
        {},
        {"PE": 3, "X_BITS": 8, "SIGNED": 1, "MUL_BITS": 25, "ADD_BITS": 30, "SUM_BITS": 34, "REGISTER": 1},
        {"X_BITS": 20, "SIGNED": 1, "MUL_BITS": 19, "ADD_BITS": 3, "SUM_BITS": 38},
        {"PE": 2, "X_BITS": 34, "MUL_BITS": 25, "ADD_BITS": 46, "SUM_BITS": 60, "REGISTER": 1},
    ),
    "multiply_add": ({}, {"REGISTERS": 1}, {"REGISTERS": 2, "ADDED": 1}, {"ADDED": 2}),
    "word_rom": ({}, {"WIDTH": 3, "DEPTH": 5}, {"WIDTH": 130, "DEPTH": 65}),
    "ring_buffer": ({}, {"WIDTH": 3, "BEATS": 3, "CAPACITY": 16, "COUNT_BITS": 6, "START": -5, "BLOCK_RAM": 1, "PAD_ROWS": 3}),
    "window": (
        {},
        {"WIDTH": 9, "KERNEL_W": 4, "LEFT": 3, "CAPACITY": 8, "COUNT_BITS": 5, "CHANNELS": 6, "TILE": 6},
        {"BITS": 3, "E": 2, "CHANNELS": 4, "TILE": 4, "HEIGHT": 5, "WIDTH": 7, "KERNEL_H": 3, "KERNEL_W": 3, "CAPACITY": 16, "COUNT_BITS": 6},
        {
            "E": 2,
            "CHANNELS": 12,
            "TILE": 4,
            "HEIGHT": 5,
            "WIDTH": 7,
            "KERNEL_H": 3,
            "KERNEL_W": 2,
            "STRIDE_H": 2,
            "DILATION_W": 3,
            "TOP": 1,
            "RIGHT": 2,
            "CAPACITY": 16,
            "COUNT_BITS": 6,
            "BLOCK_RAM": 1,
            "PAD_ROWS": 6,
        },
        {"HEIGHT": 3, "WIDTH": 3, "TOP": 1, "LEFT": 1, "BOTTOM": 1, "RIGHT": 1, "CAPACITY": 16, "COUNT_BITS": 6, "CHANNELS": 2, "TILE": 2},
    ),
    "window_parallel": (
        {},
        {"BITS": 24, "HEIGHT": 6, "WIDTH": 7, "KERNEL_H": 3, "KERNEL_W": 3, "TOP": 1, "LEFT": 1, "BOTTOM": 1, "RIGHT": 1},
        {"BITS": 3, "HEIGHT": 9, "WIDTH": 40, "KERNEL_H": 3, "KERNEL_W": 2, "STRIDE_H": 3, "STRIDE_W": 2, "DILATION_W": 3, "TOP": 1, "RIGHT": 2},
        {"WIDTH": 9, "KERNEL_W": 4, "LEFT": 3},
        {"HEIGHT": 6, "WIDTH": 7, "KERNEL_H": 3, "KERNEL_W": 3, "LINE_STORE": 1},
        {"HEIGHT": 6, "WIDTH": 7, "KERNEL_H": 3, "KERNEL_W": 3, "LINE_STORE": 2},
    ),
    "pool": (
        {},
        {"PE": 3, "FOLD": 5, "TAPS": 9, "PIXELS": 7, "BITS": 4, "SIGNED": 1, "MIN_ROWS": 5},
        {"PE": 2, "TAPS": 4, "MIN_ROWS": 1},
    ),
    "upsample": ({}, {"E": 2, "CHANNELS": 6, "HEIGHT": 3, "WIDTH": 5, "FACTOR_H": 2, "FACTOR_W": 3, "CAPACITY": 8, "COUNT_BITS": 5}),
    "stream_rules": ({}, {"WIDTH": 5, "BEATS": 3}),
}
ILLEGAL = (
    ("fifo", {"STORE": 3}),
    ("fifo_shift", {"DEPTH": 1}),
    ("same", {"BITS": 0}),
    ("lut_ram", {"WIDTH": 0}),
    ("fifo_ram", {"DEPTH": 3}),
    ("fifo_ram", {"DEPTH": 2, "BLOCK_RAM": 1}),
    ("de_bruijn", {"BITS": 17}),
    ("delay_line", {"STEPS": 0}),
    ("delay_line", {"STORE": 1}),
    ("pool_stream", {"KERNEL_W": 2}),
    ("pool_stream", {"FOLD": 4, "MIN_ROWS": 2}),
    ("width_down", {"RATIO": 1}),
    ("choose", {"COUNT": 0}),
    ("choose_slice", {"COUNT": 17}),
    ("width_up", {"RATIO": 3, "BEATS": 4}),
    ("threshold", {"WIDTH": 8, "T_BITS": 8}),
    ("threshold", {"FOLD": 4, "ROWS": 2}),
    ("mvu", {"GROUPS": 2, "VECTORS": 3}),
    ("mvu", {"SF": 3, "W_WORDS": 2}),
    ("mvu", {"SF": 3, "W_WORDS": 3, "W_STORE": 2}),
    ("activation", {"LEVELS": 0, "OUT_BITS": 4, "ACC_BITS": 2}),
    ("factors", {"X_KIND": 0, "X_BITS": 2}),
    ("factors", {"W_KIND": 3}),
    ("factors", {"X_KIND": 2, "X_BITS": 26}),
    ("products_dsp", {"SIMD": 1}),
    ("sums_dsp", {"SUM_BITS": 49}),
    ("threshold_search", {"REGISTERS": 3}),
    ("activation", {"LEVELS": 3, "ACC_BITS": 4, "T_BITS": 3}),
    ("argmax", {"PE": 5, "OUT_BITS": 2}),
    ("ring_buffer", {"CAPACITY": 12}),
    ("ring_buffer", {"CAPACITY": 16, "COUNT_BITS": 4}),
    ("ring_buffer", {"BEATS": 4, "PAD_ROWS": 2}),
    ("window", {"CHANNELS": 6, "TILE": 4}),
    ("window", {"WIDTH": 4, "KERNEL_W": 3, "DILATION_W": 2}),
    ("window", {"DILATION_W": 0}),
    ("window_parallel", {"WIDTH": 4, "KERNEL_W": 3, "DILATION_W": 2}),
    ("window_parallel", {"TOP": 1}),
    ("window_parallel", {"WIDTH": 2, "HEIGHT": 2, "KERNEL_H": 2, "KERNEL_W": 2, "LEFT": 1, "RIGHT": 1}),
    ("window_parallel", {"DILATION_W": 0}),
    ("pool", {"FOLD": 4, "MIN_ROWS": 2}),
    ("upsample", {"CHANNELS": 3, "E": 2}),
    ("argmax", {"K": 2}),
    ("widen", {"BITS": 2, "OUT_BITS": 1}),
    ("step_control", {"VECTORS": 0}),
    ("counter", {"COUNT": 0}),
    ("counter", {"COUNT": 3, "START": 3}),
    ("stream_fork", {"OUTPUTS": 0}),
    ("add", {"PE": 0}),
    ("concat", {"B_FOLD": 0}),
    ("vote", {"FOLD": 3, "W_BITS": 1}),
    ("vote", {"FOLD": 0}),
    ("channel_affine", {"FOLD": 0}),
    ("affine_dsp", {"X_BITS": 26, "MUL_BITS": 26}),
    ("affine_dsp", {"MUL_BITS": 36}),
    ("affine_dsp", {"MUL_BITS": 10, "SUM_BITS": 49}),
    ("affine_dsp", {"MUL_BITS": 30, "ADD_BITS": 47}),
    ("multiply_add", {"REGISTERS": 3}),
    ("multiply_add", {"ADDED": 3}),
    ("word_rom", {"DEPTH": 0}),
)


def lint(module, parameters, *arguments):
    """(exit status, messages) of verilator --lint-only -Wall."""
    values = [f"-G{name}={value}" for name, value in parameters.items()]
    sources = ["-y", str(RTL), str(RTL / f"{module}.sv")]
    command = [str(verilator_binary()), "--lint-only", "-Wall", *arguments, *sources, "--top-module", module, *values]
    done = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("module", "parameters"), [(module, parameters) for module, sets in LEGAL.items() for parameters in sets])
def test_clean(module, parameters, form, tmp_path):
    status, messages = lint(module, parameters, *FORMS[form], *([str(write_models(tmp_path))] if form == "xc7" else []))
    assert status == 0 and not messages, messages


@pytest.mark.parametrize(("module", "parameters"), ILLEGAL)
def test_illegal_parameters_stop_elaboration(module, parameters):
    status, messages = lint(module, parameters)
    assert status != 0
    assert f"USERFATAL: {RTL}/{module}.sv" in messages, messages


def test_every_module_is_named_after_its_file():
    for path in RTL.glob("*.sv"):
        source = path.read_text()
        assert source.startswith("// "), f"{path.name} says not what it is for"
        assert source.count(f"\nmodule {path.stem} ") == 1 and source.count("\nendmodule") == 1, path.name
