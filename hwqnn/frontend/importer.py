"""From a live Brevitas module to an imported graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import brevitas.config
import numpy as np
import torch

from hwqnn.errors import HwqnnError, InputError, UnsupportedError
from hwqnn.frontend import activations, convolutions, glue, joining, layers, moves, pooling, voting  # noqa: F401  (they register their handlers)
from hwqnn.frontend.load import check_finite
from hwqnn.frontend.recorder import Recorder, Visit
from hwqnn.frontend.registry import plain
from hwqnn.frontend.symbolic import GraphBuilder
from hwqnn.ir import Graph, Type, UInt

PIXEL = UInt(8)
PIXEL_SCALE = Fraction(1, 255)


def import_brevitas(
    model: torch.nn.Module, example_input: torch.Tensor, *, name: str, input_type: Type = PIXEL, input_scale: Fraction = PIXEL_SCALE
) -> Graph:
    """What a Brevitas module computes in eval mode, as an imported graph over integers.

    The graph's input carries integers q of `input_type`; the model sees q * `input_scale`. Images (C, H, W) enter with their channels last,
    shape (H, W, C); (C, L) as (1, L, C) where a layer reads it as a signal; anything else flat, in row-major order. An output (C, H, W) leaves
    as (H, W, C), flattened or not. The model is run twice or more on the example and left as it was.

    Args:
        model: any module built from the supported layers, on any device.
        example_input: floats as the model takes them, first axis the batch; the values do not matter.
        name: the graph's name.

    Raises:
        UnsupportedError: a layer or operation that cannot be imported exactly; names it by its path in `model`.
        InputError: the model or the example is not usable.
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"the model is a {type(model).__name__}, not a torch.nn.Module")
    if not torch.is_tensor(example_input) or not example_input.is_floating_point() or example_input.ndim < 2 or 0 in example_input.shape:
        raise InputError("the example input must be a float tensor whose first axis is the batch, such as torch.rand(1, 784)")
    if input_scale <= 0:
        raise InputError(f"the input scale is {input_scale}; it must be above zero")
    if brevitas.config.JIT_ENABLED:
        raise InputError("Brevitas compiles its quantizers (BREVITAS_JIT=1), which hides what they do; start again with BREVITAS_JIT=0")
    check_finite(model)
    graph, again = (record(model, x, name, input_type, input_scale) for x in (example_input.detach().clone(), -1 - example_input.detach()))
    if not same((graph.ops, graph.meaning), (again.ops, again.meaning)):
        raise UnsupportedError(
            "the model computes something from its input's values that cannot be followed: two runs on different inputs gave different "
            "networks. Dynamic quantizers, random functions, numpy and autograd functions do this"
        )
    return graph


def record(model: torch.nn.Module, x: torch.Tensor, name: str, input_type: Type, input_scale: Fraction) -> Graph:
    """What the model does with `x`, which it may overwrite."""
    if x.ndim == 3:  # a signal's channels, or rows of an image that dense layers read: those then enter one after the other
        try:
            return run(model, x.clone(), name, input_type, input_scale, flat=True)
        except UnsupportedError:
            pass
    return run(model, x, name, input_type, input_scale, flat=False)


def run(model: torch.nn.Module, x: torch.Tensor, name: str, input_type: Type, input_scale: Fraction, flat: bool) -> Graph:
    """One recorded run; (C, L) enters `flat` or as a signal."""
    builder = GraphBuilder()
    shape = tuple(x.shape[1:])
    recorder = Recorder(model, x, builder.input(shape, input_type, input_scale, flat), builder)
    with quiet_eval(model), recorder:
        try:
            out = model(x)
        except HwqnnError:
            raise
        except Exception as error:
            raise InputError(explain(error, recorder.running, (int(recorder.batch), *shape))) from None
    return builder.graph(name, recorder.output(out))


@contextmanager
def quiet_eval(model: torch.nn.Module) -> Iterator[None]:
    """Eval mode, no gradients, no warnings; then each submodule's training flag as it was."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.eval()
            yield
    finally:
        for module, training in flags:
            module.training = training


def explain(error: Exception, running: list[Visit], shape: tuple[int, ...]) -> str:
    """Why the model fails on the example: the layer it was in, what that layer expects and got."""
    message = (str(error) or type(error).__name__).splitlines()[0]
    if not running:
        return f"the model fails on an input of shape {shape}: {message}"
    visit = running[-1]
    operand: Any = plain(visit.args[0]) if visit.args else None
    wants = next((getattr(visit.module, a) for a in ("in_features", "num_features", "in_channels") if hasattr(visit.module, a)), None)
    expected = ""
    if wants is not None and torch.is_tensor(operand):
        expected = f" It expects {wants} features, and got a tensor of shape {tuple(operand.shape)}."
    return f"the model fails on an input of shape {shape}, in {visit.place}: {message}.{expected}"


def same(a: Any, b: Any) -> bool:
    """Equality of ops, pieces, quantizers and whatever they hold."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b
