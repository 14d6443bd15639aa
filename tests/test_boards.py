from __future__ import annotations

from pathlib import Path

import pytest

from hwqnn import boards
from hwqnn.errors import InputError
from hwqnn.paths import BOARDS

OWN = (BOARDS / "pynq-z2.toml").read_text()


def test_the_boards_that_come_with_hwqnn() -> None:
    found = {board.name: board for board in boards.available()}
    assert list(found) == ["pynq-z1", "pynq-z2", "zedboard", "zynq7020"]
    for name, board in found.items():
        assert boards.load(name) == board
        assert board.resources == boards.Capacity(lut=53200, ff=106400, carry4=13300, bram36=140, dsp=220)
        assert board.clocks.default_mhz == 100
        assert board.part == ("xc7z020clg484-1" if name == "zedboard" else "xc7z020clg400-1")


@pytest.mark.parametrize(("name", "nearest"), [("pynqz2", "pynq-z2"), ("zynq-7020", "zynq7020"), ("ZedBoard", "zedboard"), ("zed", "zedboard")])
def test_an_unknown_board_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"unknown board '{name}': did you mean '{nearest}'\?.*pynq-z1, pynq-z2, zedboard, zynq7020"):
        boards.load(name)


@pytest.mark.parametrize("name", ["qqq", "", "../boards/zedboard", "*"])
def test_a_name_like_no_other_lists_them(name: str) -> None:
    with pytest.raises(InputError, match="There are pynq-z1"):
        boards.load(name)


def test_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace('name = "pynq-z2"', 'name = "mine"').replace("lut = 53200", "lut = 17600"))
    board = boards.load(str(path))
    assert (board.name, board.resources.lut) == ("mine", 17600)


def test_a_board_may_lack_block_ram_and_dsps(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace("bram36 = 140", "bram36 = 0").replace("dsp = 220", "dsp = 0"))
    resources = boards.load(str(path)).resources
    assert (resources.bram36, resources.dsp, resources.lut) == (0, 0, 53200)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lut = 53200", "", "key 'resources.lut' is missing"),
        ("lut = 53200", "lut = 0", "'resources.lut' must be a positive number, not 0"),
        ("dsp = 220", "dsp = -1", "'resources.dsp' must be a positive number, not -1"),
        ("lut = 53200", "lut = -5", "'resources.lut' must be a positive number"),
        ("lut = 53200", "lut = 5.5", "'resources.lut' must be of type int"),
        ("lut = 53200", "lut = true", "'resources.lut' must be of type int"),
        ("lut = 53200", "luts = 53200", "unknown key 'resources.luts'"),
        ("default_mhz = 100.0", "default_mhz = nan", "'clocks.default_mhz' must be a positive number"),
        ("default_mhz = 100.0", "default_mhz = inf", "'clocks.default_mhz' must be a positive number"),
        ("default_mhz = 100.0", "default_mhz = 500", "above clocks.max_mhz"),
        ("part = ", "# part = ", "key 'part' is missing"),
        ('part = "xc7z020clg400-1"', 'part = ""', "key 'part' is empty"),
        ('part = "xc7z020clg400-1"', "part = 7", "'part' must be of type str"),
        ("[memory]", "[memories]", "unknown key 'memories'"),
        ("[memory]", "[", "not valid TOML"),
    ],
)
def test_a_bad_file_names_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OWN
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(InputError, match=rf"mine\.toml.*{message}"):
        boards.load(str(path))


def test_sections_must_be_tables(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('resources = 5\nname = "a"\ndescription = "b"\npart = "c"\n')
    with pytest.raises(InputError, match="'resources' must be a table"):
        boards.load(str(path))


def test_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read.*absent\.toml"):
        boards.load(str(tmp_path / "absent.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml is not valid TOML"):
        boards.load(str(tmp_path / "binary.toml"))
