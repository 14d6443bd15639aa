"""Models and weights from files, and every way in which they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from hwqnn.errors import InputError
from hwqnn.frontend import load_model

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.fc = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)

def build(): return Net()
def wants(width, depth=1): return Net(width)
def wrong(): return 3
def fails(): raise ValueError("no such width")
def quits(): raise SystemExit(1)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def refuse(spec: str, *words: str, weights: Path | None = None) -> None:
    with pytest.raises(InputError) as caught:
        load_model(spec, weights)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def changed(source: Path) -> dict[str, torch.Tensor]:
    return {key: value + 1 for key, value in load_model(f"{source}:build").state_dict().items()}


@pytest.mark.parametrize("factory", ["build", "Net"])
def test_loads_in_eval_mode(source: Path, factory: str) -> None:
    model = load_model(f"{source}:{factory}")
    assert not model.training
    assert model.fc.weight.shape == (4, 3)


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
def test_loads_weights(source: Path, tmp_path: Path, wrap: str | None) -> None:
    state = changed(source)
    torch.save({wrap: state, "epoch": 3} if wrap else state, tmp_path / "w.pt")
    assert torch.equal(load_model(f"{source}:build", tmp_path / "w.pt").fc.weight, state["fc.weight"])


def test_loads_safetensors(source: Path, tmp_path: Path) -> None:
    state = changed(source)
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    assert torch.equal(load_model(f"{source}:build", tmp_path / "w.safetensors").norm.running_var, state["norm.running_var"])


def test_imports_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "hwqnn_test_neighbour.py").write_text("from torch import nn\ndef make(): return nn.Identity()\n")
    (tmp_path / "net.py").write_text("def build():\n    import hwqnn_test_neighbour\n    return hwqnn_test_neighbour.make()\n")
    assert isinstance(load_model(f"{tmp_path}/net.py:build"), torch.nn.Identity)


@pytest.mark.parametrize("spec", ["tfc", "net.py", "net.py:", ":build"])
def test_not_a_spec(spec: str) -> None:
    refuse(spec, spec, "path/to/model.py:factory")


def test_missing_file(tmp_path: Path) -> None:
    refuse(f"{tmp_path}/none.py:build", "none.py does not exist")
    refuse(f"{tmp_path}:build", "is not a file")


def test_not_python(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\ndef (:\n")
    refuse(f"{tmp_path}/bad.py:build", "bad.py is not Python", "line 2")
    (tmp_path / "binary.py").write_bytes(b"\x00\x01\xff")
    refuse(f"{tmp_path}/binary.py:build", "binary.py is not Python")
    (tmp_path / "net.txt").write_text(SOURCE)
    refuse(f"{tmp_path}/net.txt:build", "must end in .py")


def test_fails_when_imported(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import os\nimport hwqnn_there_is_no_such_module\n")
    refuse(f"{tmp_path}/net.py:build", "ModuleNotFoundError", "hwqnn_there_is_no_such_module", "line 2")


def test_factory(source: Path) -> None:
    refuse(f"{source}:bild", "no factory 'bild'", "it has build, ")
    refuse(f"{source}:wants", "needs arguments (width)")
    refuse(f"{source}:wrong", "returns a int, not a torch.nn.Module")
    refuse(f"{source}:fails", "ValueError: no such width", "line 14")
    refuse(f"{source}:quits", "SystemExit")
    empty = source.with_name("empty.py")
    empty.write_text("x = 1\n")
    refuse(f"{empty}:build", "defines no function or class")


def test_weights_files(source: Path, tmp_path: Path) -> None:
    spec = f"{source}:build"
    refuse(spec, "none.pt does not exist", weights=tmp_path / "none.pt")
    for name in ("junk.pt", "junk.safetensors", "empty.pt", "empty.safetensors"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"this is not a file of weights")
        refuse(spec, name, "cannot be loaded", weights=tmp_path / name)
    torch.save(changed(source), tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:700])
    refuse(spec, "cut.pt", "cannot be loaded", weights=tmp_path / "cut.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    refuse(spec, "Python objects besides tensors", "state_dict", weights=tmp_path / "module.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    refuse(spec, "hold a list, not a state_dict", weights=tmp_path / "list.pt")


def test_weights_that_do_not_fit(source: Path, tmp_path: Path) -> None:
    spec, path = f"{source}:build", tmp_path / "w.pt"
    state = changed(source)
    torch.save({f"net.{key}": value for key, value in state.items()}, path)
    refuse(spec, "missing fc.weight, fc.bias, norm.weight and 3 more", "unexpected net.fc.weight", weights=path)
    torch.save({**state, "fc.weight": torch.zeros(5, 3)}, path)
    refuse(spec, "fc.weight is (5, 3), the model has (4, 3)", weights=path)
    torch.save({**state, "norm.running_mean": torch.tensor([0, 1, float("nan"), 2])}, path)
    refuse(spec, "'norm.running_mean' has 1 of 4 values that are NaN", weights=path)
