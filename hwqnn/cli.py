"""The command line: arguments in, one call into the library, words out."""

from __future__ import annotations

import json
import os
import signal
import sys
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text

from hwqnn.accelerator import Port
from hwqnn.dataflow.fold import MAX_UTILIZATION, Rate
from hwqnn.errors import HwqnnError, InputError
from hwqnn.passes import Head

if TYPE_CHECKING:
    from hwqnn.build import Built
    from hwqnn.report import Report
    from hwqnn.train import Epoch, Run

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="From a quantized PyTorch model to a proven FPGA accelerator."
)
_BOARD_COLUMNS = ("board", "part", "LUT", "FF", "BRAM36", "DSP", "clock", "description")
_INTERRUPTED, _TERMINATED = 130, 143
_SCALE_MIN = Fraction(1, 10**20)
"""So far from the ends of float32 that the torch model can still compute with it."""


class Terminated(SystemExit):
    """The process was asked to end, by SIGTERM. Everything that cleans up after Ctrl-C does so after this as well."""


class Live:
    """Shows a build's stages as they run: one line for each, the running one with a spinner on a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.status: Status | None = None
        self.stage = ""

    def start(self, stage: str) -> None:
        self.stage = stage
        self.status = self.console.status(Text(stage))
        self.status.start()

    def note(self, text: str) -> None:
        if self.status is not None:
            self.status.update(Text(f"{self.stage}: {text}"))

    def finish(self, stage: str, seconds: float, summary: str) -> None:
        self.close()
        self.console.print(Text.assemble(("✓ ", "green"), f"{stage:<10}", f"{seconds:6.1f} s  ", summary), soft_wrap=True)

    def close(self) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None


@app.command()
def build(
    model: Annotated[str, typer.Argument(help="A built-in name, path/to/model.py:factory, or a QONNX file.")] = "tfc-w1a1",
    board: Annotated[str, typer.Option(help="A name from `hwqnn boards`, or a board's .toml file.")] = "zynq7020",
    weights: Annotated[Path | None, typer.Option(help="state_dict of the factory's model: torch.save or .safetensors.")] = None,
    data: Annotated[str | None, typer.Option(help="mnist, a folder of IDX files, or an .npz with x and y.")] = None,
    input_scale: Annotated[str | None, typer.Option(help="The real value of one integer step of the data, such as 1/255.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="How many images to simulate in RTL.")] = None,
    fps: Annotated[str | None, typer.Option(help="Frames per second to reach, or max. [default: a million, or the best that fits]")] = None,
    clock: Annotated[float | None, typer.Option(help="Clock in MHz. [default: the board's]")] = None,
    max_utilization: Annotated[float, typer.Option(help="The share of the board's cells that the design may use.")] = MAX_UTILIZATION,
    limit: Annotated[list[str] | None, typer.Option(help="The most cells of a kind, such as bram36=0; may be given again.")] = None,
    fold: Annotated[Path | None, typer.Option(help="A fold file that pins layers' PE and SIMD (a build writes one: folding.json).")] = None,
    head: Annotated[Head, typer.Option(help="What leaves the accelerator.")] = Head.LABEL,
    top: Annotated[int, typer.Option(min=1, help="How many labels leave it, the best first.")] = 1,
    port: Annotated[Port, typer.Option("--input", help="What enters it: raw values, or the input quantizer's codes.")] = Port.RAW,
    synth: Annotated[bool, typer.Option(help="Synthesize with yosys; without, resources are estimates.")] = True,
    route: Annotated[bool, typer.Option(help="Place and route as well, if vivado is on PATH; without, the clock is an estimate.")] = True,
    netlist: Annotated[bool, typer.Option("--netlist", help="Simulate what yosys synthesized as well, as gates.")] = False,
    trace: Annotated[bool, typer.Option(help="Write trace.fst, a waveform of the first wrong image, or of the first two.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The folder to write. [default: build/MODEL-BOARD]")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Seed of random weights, for models that carry none.")] = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes at a time. [default: all cores]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json on standard output.")] = False,
) -> None:
    """Turn a model into a proven accelerator. Exit code 0: all checks passed; 1: one failed; 2: bad input."""
    console = Console(stderr=True) if as_json else Console()
    live = Live(console)
    try:
        from hwqnn import build as flow

        options = flow.Options(
            model=model,
            board=board,
            weights=weights,
            data=data,
            input_scale=_fraction(input_scale),
            images=images,
            fps=_rate(fps),
            clock_mhz=clock,
            max_utilization=max_utilization,
            limits=dict(_limit(text) for text in limit or ()),
            fold=fold,
            synth=synth,
            route=route,
            netlist=netlist,
            trace=trace,
            head=head,
            top=top,
            port=port,
            output=output,
            seed=seed,
            jobs=jobs,
        )
        built = flow.build(options, live)
    except HwqnnError as error:
        if as_json:
            print(json.dumps({"verdict": {"passed": False, "error": str(error)}}))
        raise
    except (KeyboardInterrupt, Terminated) as stop:
        live.close()
        console.print("interrupted; nothing was written")
        raise typer.Exit(_TERMINATED if isinstance(stop, Terminated) else _INTERRUPTED) from None
    finally:
        live.close()
    if as_json:
        print((built.directory / "report.json").read_text(), end="")
    _verdict(console, built)
    if not built.report.passed:
        raise typer.Exit(1)


def _fraction(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"--input-scale {text!r} is not a number such as 1/255 or 0.5") from error
    if not _SCALE_MIN <= value <= 1 / _SCALE_MIN:
        raise InputError(f"--input-scale {text}: it must be above 0, and between 1e-20 and 1e20")
    return value


def _rate(text: str | None) -> Rate:
    if text is None:
        return None
    if text == "max":
        return "max"
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"--fps {text!r} is neither a number nor max") from error


def _limit(text: str) -> tuple[str, float]:
    name, _, most = text.partition("=")
    try:
        return name, float(most)
    except ValueError as error:
        raise InputError(f"--limit {text!r} is not of the form bram36=0") from error


def _verdict(console: Console, built: Built) -> None:
    """The checks, and the figures that people look for first."""
    from hwqnn.report import words

    result = built.report
    console.print()
    for check in result.checks:
        mark = ("✓ ", "green") if check.passed else ("✗ ", "bold red")
        console.print(Text.assemble(mark, f"{check.name}: {check.detail}"), soft_wrap=True)
    a, p, r = result.accuracy, result.performance, result.resources
    software = "not run" if a.software is None else f"{a.software:.2%}"
    same = f"; reference on these {a.reference_same:.2%}" if a.rtl_images < a.images else ""
    lines = [
        f"accuracy   software {software}, reference {a.reference:.2%}, RTL {a.rtl:.2%} ({a.rtl_images:,} images{same})",
        f"speed      {p.fps:,.0f} frames/s at {result.clock_mhz:g} MHz, latency {p.latency_cycles} cycles, {p.binary_tops:.3f} binary TOPS",
        f"clock      {_clock(result)}",
        f"resources  {r.lut:,.0f} LUT, {r.ff:,.0f} FF, {r.carry4:,.0f} CARRY4, {r.bram36:g} BRAM36, {r.dsp:g} DSP ({result.source})",
    ]
    if result.power is not None:
        lines.append(f"power      {words.power(result)} (estimate, within a factor of about two)")
    console.print()
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    for warning in words.warnings(result):
        console.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
    word = ("PASS ", "bold green") if result.passed else ("FAIL ", "bold red")
    console.print(Text.assemble(word, str(built.directory / "report.html")), soft_wrap=True)


def _clock(result: Report) -> str:
    if result.clock is None:
        return f"{result.clock_mhz:g} MHz is a target, not placed or routed"
    layers = " to ".join(dict.fromkeys([result.clock.path[0].layer, result.clock.path[-1].layer])) if result.clock.path else ""
    return f"{'' if result.clock.routed else 'estimated '}{result.clock}{f'; critical path: {layers}' if layers else ''}"


@app.command("import")
def import_(
    model: Annotated[str, typer.Argument(help="A built-in name, path/to/model.py:factory, or a QONNX file.")],
    weights: Annotated[Path | None, typer.Option(help="state_dict of the factory's model: torch.save or .safetensors.")] = None,
    data: Annotated[str | None, typer.Option(help="mnist, a folder of IDX files, or an .npz with x and y: tells a factory's input shape.")] = None,
    input_scale: Annotated[str | None, typer.Option(help="The real value of one integer step of the input, such as 1/255.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Seed of random weights, for models that carry none.")] = 0,
) -> None:
    """Print the network as it was understood, as text, without building it."""
    from hwqnn import build as flow

    options = flow.Options(model=model, weights=weights, data=data, input_scale=_fraction(input_scale), seed=seed)
    print(flow.import_model(options))


class Lines:
    """Shows a training: a line for each phase and each epoch."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def note(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def epoch(self, epoch: Epoch, epochs: int, left: float) -> None:
        words = f"epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}  loss {epoch.loss:.4f}  training {epoch.train_accuracy:.2f} %  "
        words += f"test {epoch.test_accuracy:.2f} %  {epoch.seconds:.1f} s" + (f", about {left:.0f} s left" if epoch.epoch < epochs else "")
        self.console.print(Text(words), soft_wrap=True)


_RECIPE = Annotated[Path, typer.Argument(help="A recipe, a .toml file: which network, which data, how.")]
_OUT = Annotated[Path | None, typer.Option("-o", "--out", help="The folder to write; runs/ and the recipe's file name by default.")]
_SEED = Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Goes before the recipe's own seed.")]


@app.command()
def train(
    recipe: _RECIPE,
    out: _OUT = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that the folder holds, if it holds one.")] = False,
    seed: _SEED = None,
) -> None:
    """Train the network of a recipe. Exit code 1: the training diverged; 2: bad input."""
    _run_recipe(recipe, out, seed, resume=resume, compressing=False)


@app.command()
def compress(recipe: _RECIPE, out: _OUT = None, seed: _SEED = None) -> None:
    """Train the network of a recipe, if it is not yet, and run the recipe's steps of compression."""
    _run_recipe(recipe, out, seed, resume=True, compressing=True)


def _run_recipe(path: Path, out: Path | None, seed: int | None, *, resume: bool, compressing: bool) -> None:
    """Runs a recipe, or every one of its grid, each in a folder of its own."""
    from hwqnn.train.grid import points
    from hwqnn.train.run import run

    console = Console()
    recipes = points(path, seed)
    folder = out or Path("runs") / path.stem
    accuracies = {}
    try:
        for label, recipe in recipes.items():
            done = run(recipe, folder / label, resume=resume, compressing=compressing, progress=Lines(console))
            _outcome(console, done)
            accuracies[label] = done.report.accuracy
    except (KeyboardInterrupt, Terminated) as stop:
        command = f"hwqnn {'compress' if compressing else 'train'} {path} --out {folder}{'' if compressing else ' --resume'}"
        command += "" if seed is None else f" --seed {seed}"
        console.print(Text(f"interrupted; every finished epoch is kept. Go on with: {command}"), soft_wrap=True)
        raise typer.Exit(_TERMINATED if isinstance(stop, Terminated) else _INTERRUPTED) from None
    if len(recipes) > 1:
        for label, accuracy in accuracies.items():
            console.print(Text(f"{accuracy:6.2f} %  {label}"), soft_wrap=True)


def _outcome(console: Console, done: Run) -> None:
    """What a recipe's run found, and what to do with it."""
    for step in done.report.steps:
        console.print()
        console.print(Text(str(step.report)), soft_wrap=True)
    console.print()
    console.print(Text(f"accuracy   {done.report.accuracy:.2f} % of {done.report.test_images:,} test images"), soft_wrap=True)
    console.print(Text(f"report     {done.folder / 'report.html'}"), soft_wrap=True)
    console.print(Text(f"hardware   hwqnn build {done.factory} --data {done.report.test_data}"), soft_wrap=True)
    console.print()


@app.command()
def doctor() -> None:
    """Check the tools that builds need, and say what to install."""
    from hwqnn import doctor as checks

    console = Console()
    findings = checks.check()
    for finding in findings:
        mark = ("✓ ", "green") if finding.ok else ("✗ ", "bold red") if finding.required else ("- ", "yellow")
        advice = f"  {'' if finding.required else 'optional: '}{finding.advice}" if finding.advice else ""
        console.print(Text.assemble(mark, f"{finding.name:<22} ", finding.found, advice), soft_wrap=True)
    if not all(finding.ok for finding in findings if finding.required):
        raise typer.Exit(1)


@app.command()
def boards() -> None:
    """List the boards."""
    from hwqnn import boards as known

    table = Table(*(Column(name, no_wrap=name != "description") for name in _BOARD_COLUMNS), box=None)
    for board in known.available():
        r = board.resources
        table.add_row(
            board.name, board.part, f"{r.lut:,}", f"{r.ff:,}", f"{r.bram36}", f"{r.dsp}", f"{board.clocks.default_mhz:g} MHz", board.description
        )
    Console().print(table)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    raise Terminated(_TERMINATED)


def main() -> None:
    """The `hwqnn` command: one clear line for whatever the user can fix, never a traceback for it."""
    os.environ.setdefault("BREVITAS_JIT", "0")
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except HwqnnError as error:
        Console(stderr=True).print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(error.exit_code)
    finally:
        signal.signal(signal.SIGTERM, before)
