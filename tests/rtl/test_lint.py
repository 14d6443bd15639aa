"""Verilator's lint, all warnings on, over every module of the architecture with parameters of every kind, for 7-series and any vendor; and illegal
parameters stop elaboration."""

import subprocess

import pytest
from bench_runner import FORMS
from primitives import write_models

from hwqnn.paths import RTL
from hwqnn.tools import verilator_binary, verilator_environment

LEGAL = {
    "fifo": ({}, {"WIDTH": 9, "DEPTH": 37}),
    "width_down": ({}, {"WIDTH": 3, "RATIO": 5}),
    "width_up": ({}, {"WIDTH": 3, "RATIO": 5, "BEATS": 15}),
    "threshold": (
        {},
        {"PE": 3, "FOLD": 5, "WIDTH": 8, "LEVELS": 7, "T_BITS": 10, "FLIP": 1, "OUT_BITS": 3, "ROWS": 5},
        {"PE": 2, "WIDTH": 8, "SIGNED": 1, "LEVELS": 255, "T_BITS": 9, "FLIP": 1, "OUT_BITS": 8, "BASE": -128},
        {"FOLD": 20, "ROWS": 20, "LEVELS": 2, "OUT_BITS": 2, "STEP": -1},
    ),
    "mvu": (
        {},
        {"PE": 4, "SIMD": 16, "NF": 2, "SF": 49, "ACC_BITS": 11},
        {"PE": 3, "SIMD": 5, "NF": 7, "LEVELS": 0, "ACC_BITS": 5, "OUT_BITS": 6},
        {
            "PE": 3,
            "SIMD": 5,
            "NF": 2,
            "SF": 3,
            "X_BITS": 4,
            "X_KIND": 2,
            "W_BITS": 2,
            "W_KIND": 2,
            "ACC_BITS": 9,
            "LEVELS": 3,
            "T_BITS": 9,
            "OUT_BITS": 2,
        },
        {"X_BITS": 8, "X_KIND": 1, "ACC_BITS": 20, "OUT_BITS": 20, "LEVELS": 0},
        {"W_BITS": 4, "W_KIND": 1, "ACC_BITS": 3, "LEVELS": 255, "T_BITS": 9, "NF": 16, "OUT_BITS": 8},
    ),
    "argmax": ({}, {"PE": 3, "FOLD": 4, "WIDTH": 8, "SIGNED": 1, "OUT_BITS": 4}, {"FOLD": 10, "OUT_BITS": 8}),
    "channel_affine": (
        {},
        {"PE": 3, "FOLD": 5, "WIDTH": 8, "SIGNED": 1, "MUL_BITS": 7, "ADD_BITS": 9, "OUT_BITS": 17},
        {"WIDTH": 8, "MUL_BITS": 2, "ADD_BITS": 12, "OUT_BITS": 8},
    ),
    "stream_rules": ({}, {"WIDTH": 5, "BEATS": 3}),
}
ILLEGAL = (
    ("fifo", {"DEPTH": 1}),
    ("width_down", {"RATIO": 1}),
    ("width_up", {"RATIO": 3, "BEATS": 4}),
    ("threshold", {"WIDTH": 8, "T_BITS": 8}),
    ("threshold", {"FOLD": 4, "ROWS": 2}),
    ("mvu", {"X_KIND": 0, "X_BITS": 2}),
    ("mvu", {"LEVELS": 0, "OUT_BITS": 2, "ACC_BITS": 2}),
    ("mvu", {"LEVELS": 3, "ACC_BITS": 4, "T_BITS": 3}),
    ("argmax", {"PE": 5, "OUT_BITS": 2}),
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
