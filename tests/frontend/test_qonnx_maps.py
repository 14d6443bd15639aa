"""Convolutional networks that Brevitas exports: the file and the live module give one network, and the file computes what was imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brevitas.export import export_onnx_qcdq, export_qonnx
from qonnx_files import assert_executed, export, same_network
from qonnx_models import MODELS, SHAPE, trained

from hwqnn.frontend import import_brevitas, import_qonnx
from hwqnn.passes import Head, lower

EXPORTS = {"torchscript": (export_qonnx, False), "dynamo": (export_qonnx, True), "qcdq": (export_onnx_qcdq, False)}
NOT_EXPORTED = {("qcdq", "binary, padded"), ("qcdq", "binary, pooled first")}
"""Brevitas writes no binary quantizer as QuantizeLinear."""
NOT_THE_MODULE = {("qcdq", "truncated"), ("qcdq", "rounded by thirds")}
"""Brevitas writes a truncation as QuantizeLinear: it rounds where the module floors, and float32 scales that are no power of two apart move ties."""


@pytest.mark.parametrize("exporter", EXPORTS)
@pytest.mark.parametrize("name", MODELS)
def test_export_is_the_module(name: str, exporter: str, tmp_path: Path) -> None:
    if (exporter, name) in NOT_EXPORTED:
        pytest.skip("Brevitas has no such export")
    model, example = trained(name)
    how, dynamo = EXPORTS[exporter]
    path = export(model, example, tmp_path / "n.onnx", dynamo, how)
    graph = import_qonnx(path, name="n")
    if (exporter, name) not in NOT_THE_MODULE:
        recorded = import_brevitas(model, example, name="n")
        assert same_network(lower(graph, Head.SCORES), lower(recorded, Head.SCORES)) is None
    images = np.random.default_rng(1).integers(0, 256, (5, *SHAPE))
    assert len(np.unique(assert_executed(path, images), axis=0)) > 1
