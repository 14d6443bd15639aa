"""`hwqnn train` and `hwqnn compress` through the command line: what they write, going on after an interruption, and what is wrong with a recipe."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from running import Ran, contents
from safetensors.torch import load_file

from hwqnn import data
from hwqnn.frontend import import_brevitas, load_model
from hwqnn.passes import Head, lower
from hwqnn.reference import Executor
from hwqnn.train import load, loop
from hwqnn.train.grid import dump, points
from hwqnn.train.images import Images

Run = Callable[..., Ran]

MODEL = '[model]\nkind = "mlp"\nsizes = [16, 12, 3]\nweight = { name = "integer", bits = 6 }\nact = { name = "relu", bits = 2 }\n'
DATA = '[data]\ntrain = "train.npz"\ntest = "test.npz"\n'
TRAIN = "[train]\nepochs = 3\nbatch = 20\nlr = 0.02\n"
COMPRESS = '[[compress]]\nmethod = "signed-digit"\ndigits = 1\nfinetune = { epochs = 2, lr = 0.005 }\n'
RECIPE = MODEL + DATA + TRAIN
GRID = '[grid]\n"model.weight.bits" = [2, 3]\n"model.act.bits" = [1, 2]\n'


@pytest.fixture
def here(hwqnn: Run) -> Path:
    """The current folder, with small training and test data and a recipe, small.toml."""
    rng = np.random.default_rng(0)
    for name, count in (("train", 200), ("test", 70)):
        y = np.arange(count) % 3
        x = rng.integers(0, 150, (count, 4, 4))
        x[np.arange(count), y] += 100
        np.savez(f"{name}.npz", x=x.astype(np.uint8), y=y)
    Path("small.toml").write_text(RECIPE)
    return Path.cwd()


def test_a_run_prints_its_epochs_and_leaves_what_a_build_takes(hwqnn: Run, here: Path) -> None:
    ran = hwqnn("train", "small.toml")
    assert ran.code == 0, ran
    assert ran.err == ""
    epochs = [line for line in ran.out.splitlines() if line.startswith("epoch ")]
    assert [re.match(r"epoch (\d)/3  loss \d\.\d{4}  training [\d.]+ %  test [\d.]+ %  [\d.]+ s", line)[1] for line in epochs] == ["1", "2", "3"]
    assert ["left" in line for line in epochs] == [True, True, False]
    out = Path("runs/small")
    assert set(contents(out)) == {"recipe.toml", "checkpoint.pt", "trained.safetensors", "model.py", "report.json", "report.html"}
    report = json.loads((out / "report.json").read_text())
    assert f"accuracy   {report['accuracy']:.2f} % of 70 test images" in ran.out
    assert report["recipe"] == RECIPE
    assert [e["epoch"] for e in report["training"]["history"]] == [1, 2, 3]
    assert report["training"]["settings"]["lr"] == 0.02
    assert report["versions"]["torch"]
    command = next(line for line in ran.out.splitlines() if line.startswith("hardware")).split()[2:]
    assert command == ["build", "runs/small/model.py:trained", "--data", "test.npz"]
    imported = hwqnn("import", *command[1:])
    assert imported.code == 0
    test = data.load("test.npz")
    graph = import_brevitas(load_model(command[1]), torch.from_numpy(test.real()[:2]).unsqueeze(1), name="small")
    labels = Executor(lower(graph, Head.LABEL), threads=1).run(test.x[..., None]).reshape(-1)
    assert (labels == test.y).mean() * 100 == pytest.approx(report["accuracy"])


def test_the_report_is_one_page_with_both_curves(hwqnn: Run, here: Path) -> None:
    Path("small.toml").write_text('name = "<b>small</b>"\n' + RECIPE + COMPRESS)
    assert hwqnn("compress", "small.toml", "--out", "out").code == 0
    page = Path("out/report.html").read_text()
    assert "<b>small" not in page
    assert not re.search(r"<script|<link|https?://(?!www\.w3\.org)|NaN", page)
    assert page.count("<svg") == 4
    for curve, epochs in zip(re.findall(r'<polyline[^>]*points="([^"]*)"', page), (3, 3, 3, 2, 2, 2), strict=True):
        pairs = [tuple(map(float, pair.split(","))) for pair in curve.split()]
        assert len(pairs) == epochs
        assert pairs == sorted(pairs)
        assert all(0 <= x <= 560 and 0 <= y <= 240 for x, y in pairs)


def test_an_interrupted_run_goes_on_to_the_same_network(hwqnn: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hwqnn("train", "small.toml", "--out", "whole").code == 0
    tests = 0

    def interrupt(model: torch.nn.Module, images: Images) -> float:
        nonlocal tests
        tests += 1
        if tests == 2:
            raise KeyboardInterrupt
        return evaluate(model, images)

    evaluate = loop.evaluate
    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", interrupt)
        ran = hwqnn("train", "small.toml", "--out", "out")
    assert ran.code == 130
    assert "Go on with: hwqnn train small.toml --out out --resume" in ran.out
    assert not Path("out/report.json").exists()
    refused = hwqnn("train", "small.toml", "--out", "out")
    assert refused.code == 2
    assert "--resume" in refused.err
    ran = hwqnn("train", "small.toml", "--out", "out", "--resume")
    assert ran.code == 0
    assert "epoch 1/3" not in ran.out
    assert "epoch 2/3" in ran.out
    assert Path("out/trained.safetensors").read_bytes() == Path("whole/trained.safetensors").read_bytes()


def test_a_seed_on_the_command_line_goes_before_the_recipes(hwqnn: Run, here: Path) -> None:
    for out, seed in (("a", ()), ("b", ("--seed", 0)), ("c", ("--seed", 1))):
        assert hwqnn("train", "small.toml", "--out", out, *seed).code == 0
    a, b, c = (Path(out, "trained.safetensors").read_bytes() for out in "abc")
    assert a == b != c
    ran = hwqnn("train", "small.toml", "--out", "a", "--seed", 1, "--resume")
    assert ran.code == 2
    assert "seed = 0, now 1" in ran.err


def test_compression_goes_on_from_the_training_and_stores_other_integers(hwqnn: Run, here: Path) -> None:
    Path("small.toml").write_text(RECIPE + COMPRESS)
    assert hwqnn("train", "small.toml").code == 0
    trained = Path("runs/small/trained.safetensors").read_bytes()
    ran = hwqnn("compress", "small.toml")
    assert ran.code == 0, ran
    out = Path("runs/small")
    assert (out / "trained.safetensors").read_bytes() == trained
    assert ran.out.count("epoch ") == 2  # of fine-tuning alone
    report = json.loads((out / "report.json").read_text())
    (step,) = report["steps"]
    assert len(step["finetune"]["history"]) == 2
    assert step["finetune"]["settings"]["lr"] == 0.005
    assert step["finetune"]["settings"]["batch"] == 20
    assert report["accuracy"] == step["finetune"]["accuracy"]
    for name, layer in step["report"]["after"].items():
        codes = load_file(out / "compressed.safetensors")[f"{name}.codes"].numpy().ravel()
        assert layer["nonzero"] == np.count_nonzero(codes)
        assert all(bin(abs(int(c))).count("1") <= 1 for c in codes)  # one signed digit
    test = data.load("test.npz")
    labels = load(out, "compressed")(torch.from_numpy(test.real())).argmax(1).numpy()
    assert (labels == test.y).mean() * 100 == pytest.approx(report["accuracy"])
    compressed = (out / "compressed.safetensors").read_bytes()
    for folder in ("again", "runs/small"):  # from the beginning, and from checkpoints that leave nothing to do
        assert hwqnn("compress", "small.toml", "--out", folder).code == 0
        assert Path(folder, "compressed.safetensors").read_bytes() == compressed


def test_weights_that_are_there_are_compressed_without_training(hwqnn: Run, here: Path) -> None:
    """Signs are one signed digit each, so they stay as they are."""
    step = '[[compress]]\nmethod = "signed-digit"\ndigits = 1\n'
    Path("zoo.toml").write_text('[model]\nzoo = "tfc-w1a1"\n[data]\ntrain = "digits.npz"\n' + step)
    first = data.excerpt("mnist")
    np.savez("digits.npz", x=first.x[:200], y=first.y[:200])
    ran = hwqnn("train", "zoo.toml")
    assert ran.code == 2
    assert "has no table [train]" in ran.err
    assert hwqnn("compress", "zoo.toml").code == 0
    report = json.loads(Path("runs/zoo/report.json").read_text())
    assert report["training"] is None
    assert report["accuracy"] == report["start_accuracy"] > 90
    assert {name: layer["digits"] for name, layer in report["steps"][0]["report"]["after"].items()} == {
        "hidden.0.0": 784 * 64, "hidden.1.0": 64 * 64, "hidden.2.0": 64 * 64, "output": 640,
    }  # fmt: skip


def test_divergence_is_one_line(hwqnn: Run, here: Path) -> None:
    Path("small.toml").write_text(RECIPE.replace("lr = 0.02", 'lr = 1e30\noptimizer = "sgd"'))
    ran = hwqnn("train", "small.toml")
    assert ran.code == 1
    assert re.fullmatch(
        r"error: .* in epoch 1, step \d+: the training diverged; the last good checkpoint, after 0 epochs, stays in \S+\. .*\n", ran.err
    )
    assert Path("runs/small/checkpoint.pt").exists()


def replaced(old: str, new: str) -> str:
    assert old in RECIPE
    return RECIPE.replace(old, new)


WRONG = {
    "no TOML": ("epochs: 3", "is no TOML"),
    "no model": (DATA + TRAIN, "needs the key 'model'"),
    "no data": (MODEL + TRAIN, "needs the key 'data'"),
    "unknown table": (replaced("[train]", "[trian]"), "the top level has no key 'trian'; did you mean 'train'?"),
    "unknown setting": (replaced("epochs", "epoch"), "[train] has no key 'epoch'; did you mean 'epochs'?"),
    "no epochs": (replaced("epochs = 3", "epochs = 0"), "[train]: epochs = 0: it must be at least 1"),
    "words for numbers": (replaced("epochs = 3", 'epochs = "many"'), "[train.epochs] must be a whole number, not 'many'"),
    "truth for numbers": (replaced("lr = 0.02", "lr = true"), "[train.lr] must be a number, not true"),
    "a negative rate": (replaced("lr = 0.02", "lr = -1"), "lr = -1"),
    "unknown optimizer": (RECIPE + 'optimizer = "adan"', "[train]: no optimizer 'adan'; did you mean 'adam'?"),
    "a batch beyond the data": (replaced("batch = 20", "batch = 201"), "there are only 200 training images"),
    "no kind": (replaced('kind = "mlp"', ""), "[model] needs kind = 'mlp' or 'cnn', or zoo ="),
    "unknown kind": (replaced('"mlp"', '"mpl"'), "no kind of network 'mpl'; did you mean 'mlp'?"),
    "unknown built-in": (replaced(MODEL, '[model]\nzoo = "tfc-w1a9"\n'), "no built-in model 'tfc-w1a9'; did you mean 'tfc-w1a1'?"),
    "built-in with sizes": (replaced(MODEL, '[model]\nzoo = "tfc-w1a1"\nsizes = [3]\n'), "takes no other key, but has 'sizes'"),
    "no sizes": (replaced("sizes = [16, 12, 3]", ""), "[model] needs the key 'sizes'"),
    "one size": (replaced("[16, 12, 3]", "16"), "[model.sizes] must be a list, not 16"),
    "size in words": (replaced("12, 3]", "'a']"), "[model.sizes] must be a whole number, not 'a'"),
    "size of nothing": (replaced("12, 3]", "0, 3]"), "[model]: sizes holds 0"),
    "a key of the other kind": (replaced("[data]", "kernel = 3\n[data]"), "[model] has no key 'kernel'"),
    "quantizer in a word": (replaced('{ name = "relu", bits = 2 }', '"relu"'), "[model.act] must be a table, not 'relu'"),
    "unknown quantizer": (replaced('"integer"', '"intgeer"'), "no weight quantizer 'intgeer'; did you mean 'integer'?"),
    "bits that it cannot have": (replaced("bits = 6", "bits = 60"), "cannot have 60 bits"),
    "option that it has not": (replaced("bits = 6", "bits = 6, options = { k = 1 }"), "has no option 'k'"),
    "unknown key of a quantizer": (replaced("bits = 6", "bit = 6"), "[model.weight] has no key 'bit'; did you mean 'bits'?"),
    "no such data": (replaced("train.npz", "tarin.npz"), "tarin.npz"),
    "features": (replaced("[16, 12", "[15, 12"), "sizes begin with 15 features, but the data have 16 (1 x 4 x 4)"),
    "classes": (replaced("12, 3]", "12, 2]"), "tells 2 classes apart, but the data have 3"),
    "other test images": (replaced("test.npz", "mnist"), "'train' and 'mnist"),
    "method without a name": (RECIPE + "[[compress]]\ndigits = 1\n", "[[compress]] 1 needs the key 'method'"),
    "unknown method": (RECIPE + COMPRESS + '[[compress]]\nmethod = "signed-digits"\n', "[[compress]] 2: no compression method 'signed-digits'"),
    "unknown option of a method": (RECIPE + COMPRESS.replace("digits", "digit"), "has no option"),
    "impossible option": (RECIPE + COMPRESS.replace("digits = 1", "digits = 0"), "[[compress]] 1: "),
    "unknown setting of fine-tuning": (RECIPE + COMPRESS.replace("epochs", "epoch"), "[[compress]] 1 finetune has no key 'epoch'; did you mean"),
    "learning where nothing is learned": (RECIPE + COMPRESS + "learn = { epochs = 2 }", "[[compress]] 1: method 'signed-digit' learns nothing"),
    "no epochs of fine-tuning": (RECIPE + COMPRESS.replace("epochs = 2", "epochs = 0"), "epochs = 0"),
    "no table for the grid": (
        RECIPE + GRID.replace("model.act", "model.atc"),
        "[grid] 'model.atc.bits': there is no table 'atc'; did you mean 'act'",
    ),
    "a grid of nothing": (RECIPE + GRID.replace("[1, 2]", "[]"), "[grid] 'model.act.bits' must be a list of values, and not empty"),
    "a grid that is a list": ("grid = [1]\n" + RECIPE, "[grid] must be a table of lists"),
    "a wrong point of a grid": (
        RECIPE + GRID.replace("[1, 2]", "[2, 'x']"),
        "at weight.bits=2,act.bits=x: [model.act.bits] must be a whole",
    ),
    "unknown term": (RECIPE + '[[term]]\nname = "bit-width-decy"\n', "no training term 'bit-width-decy'; did you mean 'bit-width-decay'?"),
    "impossible term": (RECIPE + '[[term]]\nname = "bit-width-decay"\nstart = 2\nend = 3\n', "[[term]] 1: a bit width that decays from 2 to 3"),
    "term without a layer": (RECIPE + '[[term]]\nname = "bit-width-decay"\nstart = 4\nend = 3\n', "no weight quantizer of Mlp can change"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_recipe_is_one_line(what: str, hwqnn: Run, here: Path) -> None:
    text, words = WRONG[what]
    Path("small.toml").write_text(text)
    ran = hwqnn("train", "small.toml")
    assert ran.code == 2, ran
    assert words in ran.err
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("prepare", "arguments", "words"),
    [
        (lambda: None, ("train", "no.toml"), "recipe no.toml cannot be read: No such file"),
        (lambda: Path("bytes.toml").write_bytes(b"\xff\xfe\x00"), ("train", "bytes.toml"), "it is not text"),
        (lambda: None, ("compress", "small.toml"), "has no table [[compress]]"),
        (lambda: Path("out").write_text("mine"), ("train", "small.toml", "--out", "out"), "out is not empty, and no run's folder"),
        (lambda: (Path("out").mkdir(), Path("out/mine").touch()), ("train", "small.toml", "--out", "out"), "out is not empty, and no run's folder"),
        (lambda: (Path("out").mkdir(), Path("out/recipe.toml").write_text(RECIPE + "#")), ("train", "small.toml", "--out", "out"), "another recipe"),
        (
            lambda: Path("zoo.toml").write_text('[model]\nzoo = "cnv-w1a1"\n' + DATA + COMPRESS),
            ("compress", "zoo.toml"),
            "'cnv-w1a1' has no trained weights",
        ),
    ],
)
def test_what_is_wrong_around_a_recipe_is_one_line(prepare: Callable[[], object], arguments: tuple, words: str, hwqnn: Run, here: Path) -> None:
    prepare()
    ran = hwqnn(*arguments)
    assert ran.code == 2, ran
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not list(Path().glob("**/*.pt"))


def test_a_grid_is_a_run_for_each_combination(hwqnn: Run, here: Path) -> None:
    Path("small.toml").write_text(RECIPE.replace("epochs = 3", "epochs = 1") + GRID)
    ran = hwqnn("train", "small.toml", "--out", "out")
    assert ran.code == 0, ran
    labels = [f"weight.bits={w},act.bits={a}" for w in (2, 3) for a in (1, 2)]
    assert sorted(path.name for path in Path("out").iterdir()) == labels
    assert [line.split()[2] for line in ran.out.splitlines()[-4:]] == labels
    for label in labels:
        w, a = (int(n) for n in re.findall(r"=(\d)", label))
        document = tomllib.loads(Path("out", label, "recipe.toml").read_text())
        wanted = tomllib.loads(RECIPE.replace("epochs = 3", "epochs = 1").replace("bits = 2", f"bits = {a}").replace("bits = 6", f"bits = {w}"))
        assert document == wanted
        codes = load_file(f"out/{label}/trained.safetensors")["output.codes"]
        assert codes.abs().max() == 2 ** (w - 1) - 1
    again = hwqnn("train", "small.toml", "--out", "out", "--resume")
    assert again.out.splitlines()[-4:] == ran.out.splitlines()[-4:]
    assert "epoch 1/1" not in again.out


def test_dumped_toml_reads_back_as_the_same() -> None:
    table = {"a b": 'quote " and \\ and ü\n', "n": [1, -2.5, 1e-30, float("inf"), True], "t": {"x": {}, "y": [{"z": 1}, {"z.": []}]}}
    assert tomllib.loads(dump(table)) == table


def test_every_committed_recipe_can_be_read_and_made() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "compression" / "recipes"
    recipes = sorted(folder.glob("*.toml"))
    assert recipes
    for path in recipes:
        first, *_, last = [*points(path).values()] * 2
        for recipe in (first, last):
            assert recipe.model.make(0, trained=recipe.train is None)
