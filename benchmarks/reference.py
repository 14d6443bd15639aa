"""The reference simulator against Brevitas eager on the same images, one thread each: python benchmarks/reference.py

Both sides run in turn, pinned to one core, so that what else the machine does slows both; medians of the processor's time, and the ratio of the
medians. Labels must agree. With --qonnx (slow), two more: qonnx executing the file that Brevitas exports of the model, for the whole batch at once
and for one image; onnxruntime, which it calls for ordinary nodes and which by itself starts a thread for each core, is told to use one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from brevitas.export import export_qonnx

from hwqnn import data, layout, zoo
from hwqnn.frontend import import_brevitas
from hwqnn.passes import lower
from hwqnn.reference import Executor
from hwqnn.summary import multiply_accumulates

Side = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Case:
    """How many images pass at once, and how many times faster than eager and than qonnx the reference has to be."""

    batch: int
    eager: float | None
    qonnx: float | None


CASES = {
    "tfc-w1a1": Case(1000, 3, None),
    "sfc-w1a1": Case(1000, None, None),
    "lfc-w1a1": Case(1000, 10, None),
    "cnv-w1a1": Case(100, 10, 100),
    "cnv-w2a2": Case(100, 3, None),
    "resnet-w4a4": Case(100, 3, None),
    "mobilenet-w4a4": Case(100, 3, None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=zoo.MODELS, nargs="*", default=list(CASES))
    parser.add_argument("--batch", type=int, help="images that pass at once")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the only core that anything runs on")
    parser.add_argument("--qonnx", action="store_true", help="qonnx' executor, too")
    args = parser.parse_args()
    os.sched_setaffinity(0, {args.core})
    torch.set_num_threads(1)
    met = [compare(name, args.batch, args.rounds, args.qonnx) for name in args.model]
    sys.exit(0 if all(met) else 1)


def compare(name: str, batch: int | None, rounds: int, with_qonnx: bool) -> bool:
    """Prints the times for one model, and whether the goals are met."""
    case = CASES.get(name, Case(100, None, None))
    batch = batch or case.batch
    model, images = zoo.load(name), data.load(zoo.MODELS[name].dataset)
    pick = np.arange(batch) % len(images)
    real = torch.from_numpy(images.real()[pick]).reshape(batch, *zoo.MODELS[name].input_shape)
    graph = lower(import_brevitas(model, real[:1], name=name))
    x = np.ascontiguousarray(layout.to_hardware(images.x[pick], graph.input.shape))
    executor = Executor(graph, threads=1)

    def eager() -> np.ndarray:
        with torch.inference_mode():
            return model(real).argmax(1).numpy()

    def reference() -> np.ndarray:
        return executor.run(x)[..., 0]

    sides: dict[str, Side] = {"Brevitas": eager, "reference": reference}
    if with_qonnx:
        hold_onnxruntime()
        sides["qonnx"], sides["qonnx image by image"] = qonnx(model, real), qonnx(model, real, at_once=1)
    labels = {side: run() for side, run in sides.items()}  # and so all are warm
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            start = time.process_time()
            run()
            times[side].append(time.process_time() - start)
    median = {side: statistics.median(taken) for side, taken in times.items()}
    macs = multiply_accumulates(graph) * batch
    print(f"{name}: {images.name}, batch {batch}, 1 thread, median of {rounds} rounds")
    print(f"  reference {median['reference'] * 1e3:.3f} ms ({macs / median['reference'] / 1e9:.0f} G MAC/s)")
    met = True
    for side, goal in (("Brevitas", case.eager), ("qonnx", case.qonnx), ("qonnx image by image", None)):
        if side in sides:
            ratio, disagree = median[side] / median["reference"], int((labels[side] != labels["reference"]).sum())
            print(f"  {side} {median[side] * 1e3:.2f} ms, {ratio:.1f} x (goal {goal or '-'}), {disagree} labels differ")
            met = met and not disagree and (goal is None or ratio >= goal)
    return met


def hold_onnxruntime() -> None:
    """One thread for every session, of which qonnx makes one for each node."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = partial(onnxruntime.InferenceSession, sess_options=options)


def qonnx(model: torch.nn.Module, real: torch.Tensor, at_once: int | None = None) -> Side:
    """qonnx' own executor, node by node, on the model exported for so many images, by default the whole batch."""
    images = real.split(at_once or len(real))
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        export_qonnx(model, images[0], str(path), dynamo=False)
        wrapper = ModelWrapper(str(path)).transform(InferShapes())
    entry, result = wrapper.graph.input[0].name, wrapper.graph.output[0].name
    return lambda: np.concatenate([execute_onnx(wrapper, {entry: part.numpy()})[result].argmax(1) for part in images])


if __name__ == "__main__":
    main()
