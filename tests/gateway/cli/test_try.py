"""`gateway try` without a device: which site and machine, what is refused, how the screens look."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import Address
from drivers.modbus.guess import Fit, Guess, Shown, guess
from drivers.modbus.request import Request
from drivers.modbus.watch import Seen
from gateway.cli import _try_show as show
from gateway.cli import main
from gateway.cli._site import Usage, load, machine_of, site_path
from gateway.cli._try_guess import explain, point_line, rivals_of
from gateway.cli._try_live import Screen
from gateway.cli._try_read import Attempt, Row, Wave
from gateway.config.check import check
from tests.gateway.cli.doctor_site import config, refusing_port, site


def row(point: str = "oil_temp", **changes) -> Row:
    fields = {
        "manual": "holding 40017",
        "wire": "16",
        "raw": "01A3",
        "value": 41.9,
        "unit": "°C",
        "ms": 3.2,
        "quality": "good",
    } | changes
    return Row(point, **fields)


BAD = row("pressure", value=None, raw="", ms=None, quality="bad", reason="the device does not know this address", hint="look")


def test_the_site_is_found_where_it_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_SITE", raising=False)
    with pytest.raises(Usage, match=r"looked for \./site\.yaml, else \$GATEWAY_SITE, else /etc/retrofit-gateway/site\.yaml"):
        site_path(None)
    elsewhere = tmp_path / "elsewhere.yaml"
    monkeypatch.setenv("GATEWAY_SITE", str(elsewhere))
    with pytest.raises(Usage, match=r"names .*elsewhere\.yaml, which does not exist"):
        site_path(None)
    elsewhere.touch()
    monkeypatch.setenv("GATEWAY_SITE", str(elsewhere))
    assert site_path(None) == elsewhere
    (tmp_path / "site.yaml").touch()
    assert site_path(None) == Path("site.yaml")
    assert site_path("elsewhere.yaml") == Path("elsewhere.yaml")


@pytest.mark.parametrize(("named", "words"), [("nowhere.yaml", "does not exist"), (".", "is a folder; name the file in it")])
def test_a_site_that_is_none(named, words):
    with pytest.raises(Usage, match=words):
        site_path(named)


def test_which_machine(tmp_path):
    several = config(tmp_path, **{"press-1": "modbus-tcp://10.0.0.1", "press-2": "modbus-tcp://10.0.0.2"})
    path = Path("site.yaml")
    assert machine_of(several, path, "press-2").name == "press-2"
    with pytest.raises(Usage, match=r"which machine\? site\.yaml has: press-1, press-2"):
        machine_of(several, path, None)
    with pytest.raises(Usage, match="no machine 'pres-1', did you mean 'press-1'"):
        machine_of(several, path, "pres-1")
    assert machine_of(config(tmp_path, only="modbus-tcp://10.0.0.1"), path, None).name == "only"


def test_a_site_with_mistakes_is_shown_with_its_mistakes(tmp_path):
    path = site(tmp_path, "", a="modbus-tpc://10.0.0.1")
    with pytest.raises(Usage, match="did you mean 'modbus-tcp'"):
        load(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--at", "holding 1"], "--at needs --shows too"),
        (["--shows", "1"], "--shows needs --at too"),
        (["--write", "x"], "--write belongs to --at"),
        (["--at", "holding 1", "--shows", "1", "--repeat"], "exclude each other"),
        (["--repeat", "2"], "did you mean '2s'"),
        (["--repeat", "1ms"], "from 50ms to 1h"),
        (["--at", "holdng 1", "--shows", "1"], "did you mean 'holding 1'"),
        (["--at", "coil 1", "--shows", "1"], "is a single bit"),
        (["--at", "holding 40001.3", "--shows", "1"], "is a single bit"),
        (["--at", "holding 1", "--shows", "warm"], "is no number"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path, arguments, words, capsys):
    path = site(tmp_path, "", a="modbus-tcp://127.0.0.1:1")
    assert main(["try", "a", str(path), "--data", str(tmp_path), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_nobody_there_is_three_and_says_what_to_do(tmp_path, capsys):
    with refusing_port() as port:
        path = site(tmp_path, "", a=f"modbus-tcp://127.0.0.1:{port}")
        assert main(["try", "a", str(path), "--data", str(tmp_path)]) == 3
        shown = capsys.readouterr().out
        assert f"✗ 127.0.0.1:{port} refuses the connection" in shown
        assert "→ the host is there, but nothing listens" in shown
        assert main(["try", "a", str(path), "--data", str(tmp_path), "--json"]) == 3
        answer = json.loads(capsys.readouterr().out)
        assert (answer["machine"], answer["good"], answer["points"]) == ("a", False, [])


def test_a_site_alone_is_enough_where_it_has_one_machine(tmp_path, capsys):
    with refusing_port() as port:
        path = site(tmp_path, "", a=f"modbus-tcp://127.0.0.1:{port}")
        assert main(["try", str(path), "--data", str(tmp_path)]) == 3
    assert " ".join(capsys.readouterr().out.split()).startswith(f"a in {path}, modbus-tcp://127.0.0.1:{port}, unit 1 ")


def test_the_table_of_one_read():
    lines = show.report(Attempt(rows=[row(), BAD], took_ms=3.4, requests=2), 80)
    assert lines == [
        "  point     address        wire  raw     value   ms  verdict",
        "● oil_temp  holding 40017    16  01A3  41.9 °C  3.2  good",
        "✗ pressure  holding 40017    16              -       bad",
        "    the device does not know this address → look",
        "",
        "2 points in 2 requests, 3.4 ms: 1 of 2 good",
    ]


@given(st.lists(st.builds(
    row,
    st.text("abc_", min_size=1, max_size=60),
    manual=st.sampled_from(["holding 40017", "holding 440017.15", "discrete 10001"]),
    raw=st.text("0F ", max_size=300),
    value=st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text("xy", max_size=90), st.lists(st.text("z"))),
    unit=st.sampled_from(["", "1", "°C", "kWh"]),
    ms=st.floats(0, 99999),
), min_size=1, max_size=4))  # fmt: skip
def test_no_table_is_wider_than_the_terminal(rows):
    tallies = {}
    for one in rows:
        tallies.setdefault(one.point, show.Tally()).take(one)
    for width in (80, 48, 40):
        for lines in (show.table(rows, width), show.live_table(rows, tallies, width)):
            assert max(len(line) for text in lines for line in text.split("\n")) <= width, lines


def test_on_a_phone_every_point_has_lines_of_its_own():
    lines = show.report(Attempt(rows=[row(), BAD], took_ms=3.4, requests=2), 44)
    assert "\n".join(lines).split("\n") == [
        "● oil_temp                           41.9 °C",
        "    holding 40017 (wire 16)  01A3  3.2 ms",
        "✗ pressure                               bad",
        "    holding 40017 (wire 16)",
        "    the device does not know this address →",
        "      look",
        "",
        "2 points in 2 requests, 3.4 ms: 1 of 2 good",
    ]


@pytest.mark.parametrize(
    ("value", "doubted"), [(1e-23, True), (-2e30, True), (0.0, False), (41.9, False), (4e9, False), (7, False)]
)
def test_a_float_that_no_machine_measures_is_doubted(value, doubted):
    lines = show.report(Attempt(rows=[row(value=value)]), 200)
    assert any("oil_temp: hardly measured value, so byte order or type is wrong; the wizard" in line for line in lines) == doubted
    assert any('--at "holding 40017" --shows' in line for line in lines) == doubted


def test_frames_on_a_phone():
    frame = Seen(0.0, "rx", bytes(range(20)), "an answer of a unit that takes more than one line on a phone")
    lines = show.dump([frame], 0.0, 48)
    assert max(map(len, lines)) <= 48
    assert [line.strip() for line in lines[-3:]] == ["00 01 02 03 04 05 06 07", "08 09 0A 0B 0C 0D 0E 0F", "10 11 12 13"]


def test_what_a_device_sends_as_text_does_nothing_to_the_terminal():
    assert show.shown("PM\x1b[2J5\n000") == "PM·[2J5·000"


@given(unit=st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6), data=st.binary(min_size=12, max_size=12))
def test_the_line_of_the_wizard_says_what_was_found(unit, data):
    shown = Shown.parse("41.9")
    at = Address.parse("holding wire 40072")
    raw = data[:2] + struct.pack(">h", 419) + data[4:]
    for one in guess(raw, 1, shown):
        head = "site: s\ngateway: g\nmachines:\n- name: m\n  connect: modbus-tcp://h\n  points:\n"
        text = f"{head}    {point_line('x', at, one, unit)}\n"
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            point = check(file.name).config.machines["m"].points["x"]
        assert (point.type, point.order or "ABCD", point.scale, point.unit) == (one.type, one.order, one.scale, unit)
        assert point.at.wire == at.wire + one.shift


def test_readings_that_fit_as_well_and_mean_something_else_are_told():
    one = Guess("int16", "ABCD", 0.1, 0, 41.9, Fit.EXACT, 0.6)
    same = Guess("uint16", "ABCD", 0.1, 0, 41.9, Fit.EXACT, 0.7)
    other = Guess("float32", "BADC", 1.0, 0, 41.91, Fit.EXACT, 2.0)
    beside = Guess("int16", "ABCD", 0.1, 1, 41.9, Fit.EXACT, 4.6)
    assert rivals_of([one, same, beside]) == []
    assert rivals_of([one, same, other, beside]) == [other]
    at = Address.parse("holding 40017")
    text = "\n".join(explain(at, {16: b"\x01\xa3"}, Shown.parse("41.9"), [one, same, other, beside], "x: {}"))
    assert "! 1 more fits as well; read again when the display has moved" in text
    assert "! uint16 gives the same now" in text
    assert "▶ holding 40017 (wire 16)          01A3  419" in text


def test_an_opc_ua_machine_has_nodes_instead_of_addresses():
    lines = show.table([row(manual="Objects/Lathe/Speed", wire="", raw="")], 80)
    assert lines[0].split() == ["point", "node", "value", "ms", "verdict"]


def test_a_waveform():
    text = "\n".join(show.report(Attempt(wave=Wave(25600, 25600, -1.5, 1.25, 0.5, "m/s²")), 80))
    assert "25600 Hz, 25600 samples (1.00 s)" in text
    assert "min -1.5 m/s²   max 1.25 m/s²   RMS 0.5 m/s²" in text


def test_frames_with_time_and_meaning():
    ask = Request(7, 3, 16, 4)
    frames = [
        Seen(5.0, "tx", bytes(range(20)), "FC3 read unit 7", ask),
        Seen(5.0123, "rx", b"\xff", "exception 2", ask, 0.0123, 2, "look"),
    ]
    assert show.dump(frames, 5.0) == [
        "      0.0 ms  Tx →  FC3 read unit 7",
        "                  00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F",
        "                  10 11 12 13",
        "     12.3 ms  Rx ←  exception 2 after 12.3 ms",
        "                  FF",
        "                  → look",
    ]


def test_the_exit_code_tells_what_to_do_next():
    assert Attempt(rows=[row()]).code == 0
    assert Attempt(rows=[row(), BAD]).code == 1
    assert Attempt(error="x", reached=True).code == 1
    assert Attempt(error="x", reached=False).code == 3


def test_the_live_table_counts_changes(tmp_path):
    machine = config(tmp_path, a="modbus-tcp://10.0.0.1").machines["a"]
    out = io.StringIO()
    screen = Screen(out)
    for value in (41.9, 42.5, 42.5, 40.0):
        screen.take(machine, Attempt(rows=[row(value=value)]))
    screen.take(machine, Attempt(rows=[row(value=None, quality="bad")]))
    screen.take(machine, Attempt(error="unit 1 did not answer", hint="look", reached=False))
    screen.end()
    text = out.getvalue()
    assert text.count("● oil_temp  holding 40017") == 4
    assert re.search(r"✗ oil_temp +holding 40017 +- +40 +42\.5 +2 +bad\n", text)
    assert "✗ unit 1 did not answer" in text
    assert text.endswith("6 reads, 1 of them without an answer; 1 of 1 points changed\n")


def test_live_json_is_one_object_a_line(tmp_path):
    machine = config(tmp_path, a="modbus-tcp://10.0.0.1").machines["a"]
    out = io.StringIO()
    screen = Screen(out, json=True)
    for value in (1, b"\xff", [1, b"a", math.nan]):
        screen.take(machine, Attempt(rows=[row(value=value)]))
    screen.end()
    assert [json.loads(line)["points"][0]["value"] for line in out.getvalue().splitlines()] == [1, "ff", [1, "61", None]]
