"""The datatypes with which FINN and qonnx annotate tensors: checked, never trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hwqnn.errors import InputError
from hwqnn.frontend.qonnx.file import OnnxFile

_NAMED = {"BINARY": (0, 1), "TERNARY": (-1, 1)}


@dataclass(frozen=True)
class Datatype:
    """Integers of an inclusive range; of the bipolar ones, not zero."""

    lo: int
    hi: int
    zero: bool = True

    def holds(self, value: Fraction | float) -> bool:
        return value == int(value) and self.lo <= value <= self.hi and (self.zero or value != 0)


def datatype(name: str) -> Datatype | None:
    """What a name such as UINT4 or BIPOLAR stands for; None for those that are not integers, or unknown."""
    if name == "BIPOLAR":
        return Datatype(-1, 1, zero=False)
    if name in _NAMED:
        return Datatype(*_NAMED[name])
    if (match := re.fullmatch(r"(U?)INT([1-9][0-9]?)", name)) is None:
        return None
    bits = int(match[2])
    return Datatype(0, 2**bits - 1) if match[1] else Datatype(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def check_annotations(file: OnnxFile) -> None:
    """Raises `InputError` when a constant holds a value that its annotated datatype does not have."""
    for annotation in file.model.graph.quantization_annotation:
        values = file.initializers.get(annotation.tensor_name)
        name = next((entry.value for entry in annotation.quant_parameter_tensor_names if entry.key == "finn_datatype"), "")
        if values is None or (kind := datatype(name)) is None:
            continue
        wrong = (values != np.rint(values)) | (values < kind.lo) | (values > kind.hi) | (not kind.zero) & (values == 0)
        if wrong.any():
            raise InputError(f"{file.path}: initializer {annotation.tensor_name!r} is annotated as {name}, but holds {values[wrong].flat[0]:g}")
