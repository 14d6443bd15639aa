"""The user's model from files: `path/to/model.py:factory`, and its weights."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import inspect
import os
import pickle
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import safetensors.torch
import torch

from hwqnn.errors import InputError

SHOWN = 3
"""How many names an error lists before it says how many more there are."""


def load_model(spec: str, weights: Path | None = None) -> torch.nn.Module:
    """The module that a user's factory makes, in eval mode, with its weights.

    Args:
        spec: `path/to/model.py:factory`; the file is run, and the factory called without arguments.
        weights: a state_dict, as `.safetensors` or as `torch.save` wrote it (alone, or under 'state_dict' or 'model').

    Raises:
        InputError: whatever of this does not work out; the message says which file, name or tensor and why.
    """
    file, colon, name = spec.rpartition(":")
    if not (colon and file and name):
        raise InputError(f"model '{spec}' is neither a built-in name nor of the form path/to/model.py:factory")
    path = Path(file)
    with run_user_file(path) as user:
        factory = getattr(user, name, None)
        if not callable(factory):
            raise InputError(f"{path} has no factory '{name}'{offer(name, user)}")
        model = make(factory, f"{path}:{name}")
    if weights is not None:
        load_weights(model, weights)
    check_finite(model)
    return model.eval()


@contextmanager
def run_user_file(path: Path) -> Iterator[ModuleType]:
    """Runs a Python file under a private module name; its own folder is importable meanwhile, as when Python runs it."""
    if not path.is_file():
        raise InputError(f"model file {path} does not exist" if not path.exists() else f"model file {path} is not a file")
    private = f"_hwqnn_user_{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(private, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[private] = module
    sys.path.insert(0, folder)
    try:
        if b"\0" in path.read_bytes():
            raise InputError(f"{path} is not Python: it holds null bytes")
        try:
            spec.loader.exec_module(module)
        except SyntaxError as error:
            raise InputError(f"{path} is not Python: {error.msg} (line {error.lineno})") from None
        except (Exception, SystemExit) as error:
            raise InputError(f"{path} fails when imported: {last_line(error, path)}") from None
        yield module
    finally:
        sys.path.remove(folder)


def last_line(error: BaseException, path: Path) -> str:
    """The error as Python would print it, with the last line of the user's file that it passed through."""
    text = traceback.format_exception_only(error)[-1].strip()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{text} (line {lines[-1]})" if lines else text


def offer(name: str, user: ModuleType) -> str:
    """What else the user's file defines, the nearest name first."""
    own = [key for key, value in vars(user).items() if callable(value) and getattr(value, "__module__", None) == user.__name__]
    near = difflib.get_close_matches(name, own, n=1)
    return f"; it has {listing(near + [key for key in own if key not in near])}" if own else "; it defines no function or class"


def make(factory: Any, name: str) -> torch.nn.Module:
    """Calls the factory."""
    try:
        signature = inspect.signature(factory)
        needed = [p.name for p in signature.parameters.values() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (ValueError, TypeError):
        needed = []
    if needed:
        raise InputError(f"factory {name} needs arguments ({', '.join(needed)}); give them defaults, or write a function that fills them in")
    try:
        model = factory()
    except (Exception, SystemExit) as error:
        raise InputError(f"factory {name} fails: {last_line(error, Path(name.rpartition(':')[0]))}") from None
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"factory {name} returns a {type(model).__name__}, not a torch.nn.Module")
    return model


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Loads a state_dict into the model; every key and shape must match."""
    state = read_state(path)
    own = model.state_dict()
    wrong = [
        f"{key} is {tuple(state[key].shape)}, the model has {tuple(own[key].shape)}"
        for key in state
        if key in own and hasattr(own[key], "shape") and state[key].shape != own[key].shape
    ]
    if wrong:
        raise InputError(f"weights {path} do not fit the model: {listing(wrong)}")
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise InputError(f"weights {path} do not fit the model: {listing([line.strip() for line in str(error).splitlines()[1:]])}") from None
    problems = [f"{what} {listing(keys)}" for what, keys in (("missing", result.missing_keys), ("unexpected", result.unexpected_keys)) if keys]
    if problems:
        raise InputError(f"weights {path} do not fit the model: {'; '.join(problems)}")


def read_state(path: Path) -> Mapping[str, torch.Tensor]:
    """The state_dict in a file."""
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist" if not path.exists() else f"weights {path} are not a file")
    try:
        state = safetensors.torch.load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = "it holds Python objects besides tensors" if "Unsupported" in str(error) else "it is corrupt, or not a file of torch.save"
        raise InputError(f"weights {path} cannot be loaded: {why}; save model.state_dict() with torch.save or safetensors") from None
    except Exception as error:  # a corrupt file can raise anything
        raise InputError(f"weights {path} cannot be loaded: {(str(error) or type(error).__name__).splitlines()[0]}") from None
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(key, str) and torch.is_tensor(value) for key, value in state.items()):
        raise InputError(f"weights {path} hold a {type(state).__name__}, not a state_dict (names to tensors); save model.state_dict()")
    return state


def check_finite(model: torch.nn.Module) -> None:
    """Raises `InputError` when a parameter or buffer holds NaN or infinity, or was never given a shape."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if torch.nn.parameter.is_lazy(tensor):
            raise InputError(f"parameter '{name}' has no shape yet; run the model once before")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            raise InputError(f"parameter '{name}' has {count} of {tensor.numel()} values that are NaN or infinite; load sound weights")


def listing(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
