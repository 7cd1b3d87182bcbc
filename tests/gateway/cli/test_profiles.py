import json
import re

import pytest

from gateway.cli import main
from gateway.config import profile as profile_module

PROFILE = """name: ACME Press 3
vendor: ACME
model: P3, P3-S
source: made up for this test, page 7
sources: [a second list]
notes: [switch it on first]
quirks: {max_gap: {value: 0, why: it refuses holes}}
verified: device
points:
  oil_temp: {at: holding 40017, type: int16, scale: 0.1, unit: °C}
  mode: {at: holding 22, states: {0: "off", 1: run}}
  door: {at: holding 40030.3}
  strokes: {at: input 0x14, type: uint32, unit: "1"}
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with one profile of its own, and no packaged ones."""
    (tmp_path / "profiles/acme").mkdir(parents=True)
    (tmp_path / "profiles/acme/press-3.yaml").write_text(PROFILE, encoding="utf-8")
    monkeypatch.setattr(profile_module, "data_folder", lambda: tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_the_list_of_what_is_shipped_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["profiles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["profile", "device", "points", "tested"]
    assert len(lines) >= 13
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("janitza/umg96 ") and line.split()[-2:] == ["21", "image"] for line in lines)


@pytest.mark.parametrize("arguments", [[], ["show", "moxa/iologik-e1240"], ["show", "ifm/al1940"], ["show", "janitza/umg96"]])
def test_on_a_phone_nothing_is_wider_than_the_screen(arguments, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "48")
    assert main(["profiles", *arguments]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 48 and " " in line.strip()] == []


def test_the_names_of_bits_are_shown(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["profiles", "show", "ifm/al1940"]) == 0
    assert re.search(r"port_3 +holding 43002 +3001 +uint16 +bit 0: IO-Link, 1: connected", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["janitza"], ["janitza/umg96"]),
        (["UMG 96-RM"], ["janitza/umg96"]),
        (["ATV", "320"], ["schneider/atv320"]),
        (["altivar"], ["schneider/atv320"]),
        (["mm/s", "qm30"], ["banner/qm30vt2"]),
        (["kurtosis"], ["banner/qm30vt2"]),
        (["SCHNEIDER", "kWh"], ["schneider/iem3155"]),
    ],
)
def test_search_finds_by_maker_type_point_and_unit(words, wanted, capsys):
    assert main(["profiles", "search", *words, "--json"]) == 0
    assert [one["profile"] for one in json.loads(capsys.readouterr().out)["profiles"]] == wanted


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["janiza"], "no profile has 'janiza', did you mean 'janitza'?"),
        (["xyzzy"], "no profile has 'xyzzy'; 'gateway profiles' lists all, docs/profiles.md says how to write one"),
        (["janitza", "kurtosis"], "no profile has all of 'janitza', 'kurtosis'; search for fewer words"),
    ],
)
def test_nothing_found_is_told_with_what_to_do(words, told, capsys):
    assert main(["profiles", "search", *words]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"gateway profiles: {told}\n")


def test_show_says_all_that_is_known(shop, capsys):
    assert main(["profiles", "show", "acme/press-3"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "ACME Press 3",
        "  profile: acme/press-3",
        "",
        "  made by   ACME",
        "  types     P3, P3-S",
        "  tested    read from a device, and compared with what it shows",
        "  source    made up for this test, page 7",
        "  compared  a second list",
        "  note      switch it on first",
        "  needs     max_gap: 0, because it refuses holes",
        "",
        "point     by the manual    wire  type         unit",
        "oil_temp  holding 40017    16    int16 x 0.1  °C",
        "mode      holding 40023    22    uint16       0: off, 1: run",
        "door      holding 40030.3  29.3  bool",
        "strokes   input 30021      20    uint32       no dimension",
    ]


def test_show_as_json(shop, capsys):
    assert main(["profiles", "--json", "show", "acme/press-3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["quirks"] == {"max_gap": {"value": "0", "why": "it refuses holes"}}
    assert told["points"][0] == {
        "point": "oil_temp",
        "at": "holding 40017",
        "wire": "16",
        "type": "int16",
        "unit": "°C",
        "scale": 0.1,
        "offset": 0.0,
        "states": None,
    }


def test_show_of_what_there_is_not(capsys):
    assert main(["profiles", "show", "scheider/atv320"]) == 2
    assert capsys.readouterr().err == (
        "gateway profiles: there is no profile 'scheider/atv320', did you mean 'schneider/atv320'?\n"
    )


def test_a_broken_profile_is_listed_and_its_mistake_shown(shop, capsys):
    path = shop / "profiles/acme/press-3.yaml"
    path.write_text(PROFILE.replace("type: int16", "type: int61"), encoding="utf-8")
    assert main(["profiles"]) == 1
    out, err = capsys.readouterr()
    assert "acme/press-3" in out
    assert "profiles/acme/press-3.yaml:10:39" in err
    assert main(["profiles", "show", "acme/press-3"]) == 1
    assert "'int61' is not one of" in capsys.readouterr().err


def test_another_folder(shop, capsys, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["profiles", "--beside", str(shop)]) == 0
    assert "acme/press-3" in capsys.readouterr().out
    assert main(["profiles", "search", "press", "--beside", str(shop)]) == 0
    assert main(["profiles", "--beside", "nowhere"]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err
