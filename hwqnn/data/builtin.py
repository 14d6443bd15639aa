"""A built-in data set: where its full files are looked for, and the excerpt that the package carries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hwqnn.data import idx
from hwqnn.errors import InputError
from hwqnn.paths import cache_dir

Source = Callable[[Path], None]
"""Writes a set's plain IDX files into a folder, or raises."""


@dataclass(frozen=True)
class BuiltIn:
    """A data set whose full form is a folder of IDX files.

    Attributes:
        name: what the user calls it.
        sha256: the digest of each of its plain files, by the file's name.
        excerpt: an `.npz` of the first test images and their labels.
        excerpt_size: how many those are.
        sources: where the full files come from, by a source's name, in the order they are tried.
    """

    name: str
    sha256: Mapping[str, str]
    excerpt: Path
    excerpt_size: int
    sources: Mapping[str, Source]

    @property
    def cached(self) -> Path:
        """Where `python -m hwqnn.data NAME` puts the full set."""
        return cache_dir("data") / self.name

    def full(self, split: str) -> Path | None:
        """The folder with the full set's files of this split: `$HWQNN_DATA/NAME`, or the cache; None if it is in neither.

        For MNIST also `$HWQNN_DATA` itself.

        Raises:
            InputError: `$HWQNN_DATA` is set, but no folder.
        """
        places = [self.cached]
        if root := os.environ.get("HWQNN_DATA"):
            if not Path(root).is_dir():
                raise InputError(f"$HWQNN_DATA is '{root}', which is not a folder: unset it, or point it at a folder with the MNIST IDX files")
            places = [*([Path(root)] if self.name == "mnist" else []), Path(root) / self.name, *places]
        return next((place for place in places if idx.files(place, split)), None)

    def complete(self, folder: Path) -> bool:
        """Whether `folder` holds the full set's plain files, byte for byte."""
        files = {folder / name: digest for name, digest in self.sha256.items()}
        return all(path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in files.items())
