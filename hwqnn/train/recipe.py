"""A recipe: a TOML file that says which network is trained on which data, how, and what compresses it afterwards."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hwqnn import compress, zoo
from hwqnn.data import Dataset
from hwqnn.errors import InputError
from hwqnn.train import tables
from hwqnn.train.network import KINDS
from hwqnn.train.settings import Settings
from hwqnn.train.workers import Workers
from hwqnn.words import choose

TERMS: dict[str, Callable[..., compress.Term]] = {"bit-width-decay": compress.BitWidthDecay}
"""Every training term by the name that [[term]] uses; its arguments are the table's other keys."""


@dataclass(frozen=True)
class Model:
    """Which network: a kind with its arguments, or a built-in one by its name.

    Raises:
        InputError: there is no such kind or built-in model, or neither is named, or both.
    """

    kind: str | None
    zoo: str | None
    arguments: Mapping[str, Any]

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> Model:
        """From the recipe's table [model]."""
        if ("kind" in table) == ("zoo" in table):
            raise InputError(f"[model] needs kind = {' or '.join(map(repr, KINDS))}, or zoo = the name of a built-in model, and not both")
        if "zoo" in table:
            if more := set(table) - {"zoo"}:
                raise InputError(f"[model] with zoo takes no other key, but has '{sorted(more)[0]}'")
            choose("built-in model", _word(table["zoo"], "[model.zoo]"), zoo.MODELS)
            return cls(None, table["zoo"], {})
        kind = choose("kind of network", _word(table["kind"], "[model.kind]"), KINDS)
        return cls(table["kind"], None, tables.checked(kind, {k: v for k, v in table.items() if k != "kind"}, "[model]"))

    def make(self, seed: int, trained: bool = False) -> nn.Module:
        """The network with the first weights that `seed` gives; a built-in one with its trained weights if asked.

        Raises:
            InputError: an argument is impossible, or there are no trained weights.
        """
        if self.zoo is not None and trained:
            if zoo.MODELS[self.zoo].weights is None:
                raise InputError(f"'{self.zoo}' has no trained weights: give a table [train]")
            return zoo.load(self.zoo)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.zoo is not None:
                return zoo.MODELS[self.zoo].factory()
            try:
                return KINDS[str(self.kind)](**self.arguments)
            except InputError as error:
                raise InputError(f"[model]: {error}") from error

    def input_shape(self, data: Dataset) -> tuple[int, ...]:
        """Of one input, without the batch axis: what the network takes of such data."""
        if self.zoo is not None:
            return zoo.MODELS[self.zoo].input_shape
        return (1, *data.x.shape[1:]) if data.x.ndim == 3 else data.x.shape[1:]


@dataclass(frozen=True)
class Data:
    """Names of data sets, as `hwqnn.data.load` takes them; `test` is that of `train` when None. An `.npz` has only itself, so it needs both."""

    train: str
    test: str | None = None


@dataclass(frozen=True)
class Step:
    """A [[compress]] table: a method of `hwqnn.compress` with its options.

    Attributes:
        learn: the settings of the training that a `Learned` method needs, and no other.
        finetune: those of the training behind it, None for none.
    """

    method: compress.Method[Any]
    learn: Settings | None
    finetune: Settings | None


@dataclass(frozen=True)
class Recipe:
    """What a recipe says.

    Attributes:
        train: None where the recipe starts from a built-in model's trained weights.
        workers: who trains; None for this process alone. What `compress` trains, it trains alone.
        text: the file itself.
    """

    name: str
    model: Model
    data: Data
    train: Settings | None
    workers: Workers | None
    steps: tuple[Step, ...]
    terms: tuple[compress.Term, ...]
    text: str

    @classmethod
    def read(cls, path: Path, seed: int | None = None) -> Recipe:
        """Reads a file; `seed` goes before its own.

        Raises:
            InputError: the file is missing or no TOML; a key is unknown, missing or of another type; a value is impossible.
        """
        return cls.parse(read_text(path), path.stem, str(path), seed)

    @classmethod
    def parse(cls, text: str, name: str = "recipe", where: str = "the recipe", seed: int | None = None) -> Recipe:
        """As `read`, from text; `name` is the recipe's where it says none, `where` what errors call it."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"recipe {where} is no TOML: {error}") from error
        try:
            return tables.make(_Sections, document, tables.TOP).recipe(name, text, seed)
        except InputError as error:
            raise InputError(f"recipe {where}: {error}") from error


def read_text(path: Path) -> str:
    """A recipe's file. Raises `InputError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"recipe {path} cannot be read: {why}") from error


@dataclass(frozen=True)
class _Sections:
    """The tables of a recipe, before they are looked into."""

    model: Mapping[str, Any]
    data: Data
    name: str = ""
    train: Settings | None = None
    workers: Workers | None = None
    compress: tuple[Mapping[str, Any], ...] = ()
    term: tuple[Mapping[str, Any], ...] = ()

    def recipe(self, name: str, text: str, seed: int | None) -> Recipe:
        settings = self.train if self.train is None or seed is None else replace(self.train, seed=seed)
        model = Model.read(self.model)
        if settings is None:
            model.make(0, trained=True)
            if self.workers is not None:
                raise InputError("[workers] share out a training: give a table [train], too")
        steps = tuple(_step(dict(table), f"[[compress]] {number}", settings or Settings()) for number, table in enumerate(self.compress, 1))
        terms = tuple(_term(dict(table), f"[[term]] {number}") for number, table in enumerate(self.term, 1))
        return Recipe(self.name or name, model, self.data, settings, self.workers, steps, terms, text)


def _step(table: dict[str, Any], where: str, settings: Settings) -> Step:
    """`learn` and `finetune` hold the settings that differ from those of the training."""
    if "method" not in table:
        raise InputError(f"{where} needs the key 'method'; there are {', '.join(compress.METHODS)}")
    name = _word(table.pop("method"), f"{where} method")
    learn, finetune = (_changed(settings, table.pop(key, None), f"{where} {key}") for key in ("learn", "finetune"))
    try:
        method = compress.make(name, **table)
    except (InputError, TypeError) as error:
        raise InputError(f"{where}: {error}") from error
    if learn is None and isinstance(method, compress.Learned):
        raise InputError(f"{where}: method '{name}' is learned in a training; say how, such as learn = {{epochs = 30}}")
    if learn is not None and not isinstance(method, compress.Learned):
        raise InputError(f"{where}: method '{name}' learns nothing; 'finetune' trains behind it")
    return Step(method, learn, finetune)


def _changed(settings: Settings, changes: object, where: str) -> Settings | None:
    """The settings with a table's changes; None where there is no table."""
    if changes is None:
        return None
    checked = tables.checked(Settings, changes, where)
    return tables.make(lambda: replace(settings, **checked), {}, where)


def _term(table: dict[str, Any], where: str) -> compress.Term:
    if "name" not in table:
        raise InputError(f"{where} needs the key 'name'; there are {', '.join(TERMS)}")
    kind = choose("training term", _word(table.pop("name"), f"{where} name"), TERMS)
    return tables.make(kind, table, where)


def _word(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} must be a word, not {value!r}")
    return value
