"""The folder that a build writes: it appears whole or not at all, and takes the place of nothing but an earlier build."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hwqnn.errors import InputError

_MARKERS = frozenset({"graph.json", "folding.json", "report.json", "report.html"})
"""A folder that holds all of these is an earlier build's."""
_WRITTEN = _MARKERS | {"rtl", "netlist", "graph.npz", "graph.txt", "trace.fst"}
"""All that a build writes. Whatever else lies in its folder is the user's."""


def check(target: Path) -> None:
    """Whether a build may write the folder `target`: it is not there, is empty, or an earlier build's with nothing else in it.

    Raises:
        InputError: it may not.
    """
    try:
        if not target.exists():
            return
        names = {path.name for path in target.iterdir()} if target.is_dir() else None
    except OSError as error:
        raise InputError(f"cannot write to {target}: {error.strerror}; choose another folder with -o") from error
    if names is None or (names and not names >= _MARKERS):
        raise InputError(f"{target} exists and is not the folder of an earlier build: choose another with -o, or remove it")
    if foreign := sorted(names - _WRITTEN):
        raise InputError(f"{target} holds '{foreign[0]}', which no build wrote: move it away, or choose another folder with -o")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """An empty folder, which takes the place of `target` when the block ends well. When it does not, all is as it was before.

    Of two builds into one folder at the same time, the later to end stands.

    Raises:
        InputError: `check` refuses `target`, before the block or after it; or the place cannot be written.
    """
    place = target.resolve()
    made: list[Path] = []
    aside: Path | None = None
    try:
        try:
            made = [parent for parent in place.parents if not parent.exists()]
            place.parent.mkdir(parents=True, exist_ok=True)
            with _alone(place.parent):
                check(target)
            aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
            new = aside / "new"
            new.mkdir()  # with the rights that the user's umask leaves, unlike `aside`
        except OSError as error:
            raise InputError(f"cannot write to {target.parent}: {error.strerror}; choose another folder with -o") from error
        yield new
        with _alone(place.parent):
            check(target)  # a build takes a while, and the user may have put something there
            _swap(new, place, aside / "old", target)
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        for parent in made:  # nearest first; those that now hold something stay
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds off other builds that want to put theirs into `folder`, where the file system knows locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap(new: Path, place: Path, old: Path, target: Path) -> None:
    """Two renames. Whoever else puts something at `place` between them keeps it."""
    try:
        if place.exists():
            place.rename(old)
        new.rename(place)
    except BaseException as error:
        with suppress(OSError):  # there was none, or another build stands in its place
            old.rename(place)
        if isinstance(error, OSError):
            raise InputError(
                f"cannot put the finished build at {target} ({error.strerror}): does another build write there? Choose another folder with -o"
            ) from error
        raise
