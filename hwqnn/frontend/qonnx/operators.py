"""The nodes that ONNX does not define, as operators of its reference evaluator: qonnx' own functions wherever it has one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.im2col import im2col_indices_nchw
from qonnx.custom_op.general.multithreshold import multithreshold
from qonnx.custom_op.general.quant import quant
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2
from qonnx.custom_op.general.xnorpopcount import xnorpopcountmatmul

from hwqnn.frontend.qonnx.registry import CHANNELS_LAST, CUSTOM_DOMAINS

_OPSET = 21


def operators() -> list[type[OpRun]]:
    """All of them, in every domain that they go by; and those of ONNX that its evaluator lacks or gets wrong, in some or all opsets."""
    general = {
        "Quant": run_quant, "IntQuant": run_quant, "BipolarQuant": binary_quant, "Trunc": run_trunc, "MultiThreshold": run_steps,
        "XnorPopcountMatMul": xnorpopcountmatmul, "Im2Col": run_patches, "MaxPoolNHWC": last("MaxPool"), "QuantAvgPool2d": run_quant_average,
    }  # fmt: skip
    return [
        operator("", "BatchNormalization", run_norm),
        *(operator("", name, partial(standard, name)) for name in ("QuantizeLinear", "DequantizeLinear")),
        *(operator("", name, partial(run_windows, name)) for name in ("Conv", "MaxPool", "AveragePool")),
        operator(CHANNELS_LAST, "BatchNormalization", lambda x, *rest, **given: np.moveaxis(run_norm(np.moveaxis(x, -1, 1), *rest, **given), 1, -1)),
        *(operator(CHANNELS_LAST, name, last(name)) for name in ("Conv", "MaxPool")),
        *(operator(domain, name, function) for domain in CUSTOM_DOMAINS for name, function in general.items()),
    ]


def operator(domain: str, name: str, function: Callable[..., Any]) -> type[OpRun]:
    """The evaluator reads an operator's domain and type off its class."""

    class Operator(OpRun):
        op_domain = domain

        def run(self, *inputs: Any, **_: Any) -> tuple[np.ndarray]:
            given = {str(a.name): helper.get_attribute_value(a) for a in self.onnx_node.attribute}
            plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in given.items()}
            return (np.asarray(function(*inputs, **plain)),)

        def _run(self, *inputs: Any, **_: Any) -> tuple[np.ndarray]:
            raise NotImplementedError

    Operator.__name__ = name
    return Operator


def standard(name: str, *inputs: np.ndarray, **attributes: Any) -> np.ndarray:
    """What a node of ONNX computes."""
    names = [f"in{i}" for i in range(len(inputs))]
    node = helper.make_node(name, names, ["out"], **attributes)
    graph = helper.make_graph([node], name, [helper.make_empty_tensor_value_info(n) for n in names], [helper.make_empty_tensor_value_info("out")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    (out,) = ReferenceEvaluator(model).run(["out"], dict(zip(names, inputs, strict=True)))
    return np.asarray(out)


def run_windows(name: str, x: np.ndarray, *rest: np.ndarray, **attributes: Any) -> np.ndarray:
    """With automatic padding made explicit, and signals as maps: there the evaluator's own differs from the standard's."""
    if x.ndim == 3:
        pads = attributes.get("pads") or [0, 0]
        pairs = {key: [1, *attributes[key]] for key in ("kernel_shape", "strides", "dilations") if attributes.get(key)}
        flat = attributes | pairs | {"pads": [0, pads[0], 0, pads[1]]}
        return run_windows(name, x[:, :, None], *(v[:, :, None] if v.ndim == 3 else v for v in rest), **flat)[:, :, 0]
    auto_pad = attributes.pop("auto_pad", "NOTSET")
    if auto_pad != "NOTSET":
        kernel = attributes.get("kernel_shape") or list(rest[0].shape[2:])
        strides, dilations = (attributes.get(key) or [1, 1] for key in ("strides", "dilations"))
        needed = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)]
        needed = [0 if auto_pad == "VALID" else n for n in needed]
        less, more = [n // 2 for n in needed], [(n + 1) // 2 for n in needed]
        attributes["pads"] = less + more if auto_pad == "SAME_UPPER" else more + less
    if name == "MaxPool" and not attributes.get("ceil_mode"):
        return greatest(x, **attributes)
    return standard(name, x, *rest, **attributes)


def greatest(x: np.ndarray, kernel_shape: Any, strides: Any = None, pads: Any = (0, 0, 0, 0), dilations: Any = None, **_: Any) -> np.ndarray:
    """MaxPool; the evaluator's own takes most of the time of a binary network, and pads unevenly only with luck."""
    (rows, columns), (down, across), (by, over) = kernel_shape, strides or (1, 1), dilations or (1, 1)
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=least)
    height, width = (x.shape[2] - by * (rows - 1) - 1) // down * down + 1, (x.shape[3] - over * (columns - 1) - 1) // across * across + 1
    taps = [x[:, :, i * by : i * by + height : down, j * over : j * over + width : across] for i in range(rows) for j in range(columns)]
    return np.maximum.reduce(taps)


def last(name: str) -> Callable[..., np.ndarray]:
    """A node of ONNX on tensors whose channels come last; the kernel of a Conv has them last, too."""

    def run(x: np.ndarray, *rest: np.ndarray, **attributes: Any) -> np.ndarray:
        first = (np.moveaxis(x, -1, 1), *(np.moveaxis(v, -1, 1) if v.ndim == x.ndim else v for v in rest))
        return np.moveaxis(standard(name, *first, **attributes), 1, -1)

    return run


def run_quant(x: Any, scale: Any, zero_point: Any, bits: Any, signed: int = 1, narrow: int = 0, rounding_mode: str = "ROUND") -> Any:
    return quant(x, scale, zero_point, bits, signed, narrow, rounding_mode)


def run_trunc(x: Any, *rest: Any, rounding_mode: str = "FLOOR", signed: int = 1, narrow: int = 0) -> Any:
    if len(rest) == 4:
        return trunc_v1(x, *rest, rounding_mode)
    scale, zero_point, bits, out_scale, out_bits = rest  # version 2
    return trunc_v2(x, scale, zero_point, bits, narrow, signed, out_scale, out_bits, rounding_mode)


def run_steps(x: Any, table: Any, out_scale: float = 1.0, out_bias: float = 0.0, out_dtype: str = "", data_layout: str = "") -> Any:
    layout = data_layout or {2: "NC", 3: "NWC", 4: "NCHW"}.get(x.ndim, "NC")
    return multithreshold(x, table, x.dtype.type(out_scale), x.dtype.type(out_bias), channels_last=x.ndim > 2 and layout[-1] == "C")


def run_patches(
    x: Any, stride: Any, kernel_size: Any, input_shape: str = "", pad_amount: Any = (0, 0, 0, 0), pad_value: int = 0, depthwise: int = 0,
    dilations: Any = (1, 1),
) -> Any:  # fmt: skip
    """qonnx' function takes one sample."""
    _, height, width, channels = x.shape
    found = []
    for sample in x:
        flat = im2col_indices_nchw(sample.transpose(2, 0, 1)[None], height, width, *kernel_size, list(pad_amount), *stride, pad_value, *dilations)
        rows = (height + pad_amount[0] + pad_amount[2] - dilations[0] * (kernel_size[0] - 1) - 1) // stride[0] + 1
        patches = flat.reshape(channels, *kernel_size, rows, -1)
        found.append(patches.transpose(3, 4, 1, 2, 0).reshape(rows, patches.shape[-1], -1))
    return np.stack(found)


def run_quant_average(x: Any, stride: int, kernel: int, ibits: int, obits: int, signed: int = 0, data_layout: str = "NCHW") -> Any:
    """As qonnx' class computes it: the sum of a window, shifted to obits."""
    if data_layout == "NHWC":
        return np.moveaxis(run_quant_average(np.moveaxis(x, -1, 1), stride, kernel, ibits, obits, signed), 1, -1)
    total = np.round(standard("AveragePool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2) * kernel**2).astype(np.int64)
    return (total >> max(int((2**ibits - 1) * kernel**2).bit_length() - obits, 0)).astype(x.dtype)


def run_norm(x: Any, scale: Any, bias: Any, mean: Any, variance: Any, epsilon: float = 1e-5, **_: Any) -> Any:
    scale, bias, mean, variance = (v.reshape(-1, *[1] * (x.ndim - 2)) for v in (scale, bias, mean, variance))
    return scale * (x - mean) / np.sqrt(variance + x.dtype.type(epsilon)) + bias
