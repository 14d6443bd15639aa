"""Many units at once, each distinct one synthesized once, and once only while its contents stay the same."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hwqnn.paths import cache_dir
from hwqnn.resources import Resources
from hwqnn.synth.cells import count
from hwqnn.synth.unit import Contents, Unit, read
from hwqnn.synth.yosys import WORKER, Netlist, Yosys, yosys_version


def synthesize(
    units: Sequence[Unit], *, jobs: int, timeout_s: float, progress: Callable[[str, Resources], None] | None = None
) -> dict[str, Resources]:
    """Synthesizes every unit for 7-series and counts the cells of its netlist.

    Args:
        units: the blocks; their names are distinct.
        jobs: how many yosys processes run at the same time.
        timeout_s: seconds that one block may take.
        progress: called with the name and the cells of each unit as it finishes, in the calling thread.

    Returns:
        The cells of each unit by its name, in the order of `units`.

    Raises:
        ToolError: yosys is missing, failed on a block, or ran past the time limit. The other processes are ended.
    """
    found: dict[str, Resources] = {}

    def finish(name: str, netlist: Netlist) -> None:
        found[name] = count(name, netlist.cells)
        if progress:
            progress(name, found[name])

    netlists(units, jobs=jobs, timeout_s=timeout_s, progress=finish)
    return {unit.name: found[unit.name] for unit in units}


def netlists(units: Sequence[Unit], *, jobs: int, timeout_s: float, progress: Callable[[str, Netlist], None] | None = None) -> dict[str, Netlist]:
    """Synthesizes every unit, as `synthesize` does, and gives the netlists themselves; from the cache wherever one of the two ran before."""
    environment = (yosys_version(), WORKER.read_text())
    cache = cache_dir("synth")
    same: dict[str, list[Unit]] = {}
    contents: dict[str, Contents] = {}
    for unit in units:
        content = read(unit)
        key = content.key(*environment)
        same.setdefault(key, []).append(unit)
        contents[key] = content

    found: dict[str, Netlist] = {}

    def finish(key: str, netlist: Netlist) -> None:
        for unit in same[key]:
            found[unit.name] = netlist
            if progress:
                progress(unit.name, found[unit.name])

    missing = []
    for key in same:
        if (netlist := _load(cache / f"{key}.json.gz")) is not None:
            finish(key, netlist)
        else:
            missing.append(key)

    yosys = Yosys(timeout_s)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        # The largest first: the last process to finish decides how long all take.
        missing.sort(key=lambda key: -sum(map(len, contents[key].files.values())))
        try:
            waiting = {pool.submit(yosys.netlist, same[key][0].name, contents[key]): key for key in missing}
            for future in as_completed(waiting):
                key = waiting[future]
                netlist = future.result()
                _store(cache / f"{key}.json.gz", netlist)
                finish(key, netlist)
        except BaseException:  # Ctrl-C as well: no child outlives this call
            pool.shutdown(wait=False, cancel_futures=True)
            yosys.stop()
            raise
    return {unit.name: found[unit.name] for unit in units}


def _load(path: Path) -> Netlist | None:
    """The cached netlist, or None when there is none that can be read."""
    try:
        return Netlist(**json.loads(gzip.decompress(path.read_bytes())))
    except (OSError, ValueError, EOFError, zlib.error):
        return None


def _store(path: Path, netlist: Netlist) -> None:
    """Writes `path` in one step, so that nobody ever reads half of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
        temporary.write(gzip.compress(json.dumps(vars(netlist), sort_keys=True).encode(), compresslevel=1, mtime=0))
    Path(temporary.name).replace(path)
