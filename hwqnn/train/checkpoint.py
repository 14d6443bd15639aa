"""The state of a training between two epochs, in one file that is replaced in one step."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hwqnn.errors import InputError

if TYPE_CHECKING:
    from hwqnn.train.settings import Settings


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: Settings, history: Sequence[Any]) -> None:
    """Writes model, optimizer, settings and the finished epochs (dataclasses).

    Raises:
        InputError: the file cannot be written.
    """
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "settings": asdict(settings),
        "history": [asdict(epoch) for epoch in history],
    }
    new = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise InputError(f"checkpoint {path} cannot be written: {error.strerror}") from error
    finally:
        new.unlink(missing_ok=True)


def load(path: Path, model: nn.Module, settings: Settings) -> tuple[torch.optim.Optimizer, list[dict[str, Any]]]:
    """Puts a checkpoint's state into the model; its optimizer, and the finished epochs.

    The optimizer is made behind the model's loading, in which Brevitas replaces some parameters. A checkpoint without a finished epoch leaves the
    model as it is: before its first training step Brevitas' state lacks learned scales, so that it could not be loaded.

    Raises:
        InputError: the file is corrupt, or of other settings or another network.
    """
    state = read(path)
    now = asdict(settings)
    differ = [f"{name} = {state['settings'].get(name)}, now {now[name]}" for name in now if state["settings"].get(name) != now[name]]
    if differ:
        raise InputError(f"checkpoint {path} is of another training ({differ[0]}): remove it, or train with its settings")
    if not state["history"]:
        return settings.make_optimizer(model), []
    try:
        model.load_state_dict(state["model"])
        optimizer = settings.make_optimizer(model)
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"checkpoint {path} is of another network: remove it, or train that network") from error
    return optimizer, list(state["history"])


def read(path: Path) -> Mapping[str, Any]:
    """What `save` wrote.

    Raises:
        InputError: the file is missing or corrupt.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(f"checkpoint {path} cannot be read ({type(error).__name__}): remove it to train from the beginning") from error
    if not (isinstance(state, Mapping) and {"model", "optimizer", "settings", "history"} <= set(state)):
        raise InputError(f"{path} is no checkpoint of a training")
    return state
