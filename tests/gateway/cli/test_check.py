import json

import pytest

from gateway.cli import main

GOOD = """site: muster
gateway: hall-1
machines:
  - {name: press-1, connect: "modbus-tcp://h", points: {oil_temp: {at: coil 1}, hours: {at: coil 2}}}
  - {name: press-2, connect: "modbus-tcp://h", unit: 2, points: {oil_temp: {at: coil 1}}}
  - {name: spindle, connect: "replay:a.wav?unit=g", vibration: {}}
"""
UPLINK = "uplink: {broker: [mqtts://hub]}\n"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def check(tmp_path, capsys):
    def run(site, *arguments, share=None):
        (tmp_path / "site.yaml").write_text(site, encoding="utf-8")
        if share:
            (tmp_path / "share.yaml").write_text(share, encoding="utf-8")
        code = main(["check", "site.yaml", *arguments])
        return code, *capsys.readouterr()

    return run


def test_a_good_file_is_one_line_in_plain_words(check):
    words = "site.yaml: good. 3 machines, 3 points, 2 connections, 1 waveform; no recipient; nothing leaves.\n"
    assert check(GOOD) == (0, words, "")
    assert "recipients: cooperative; nothing leaves." in check(GOOD + UPLINK)[1]


def test_it_says_what_leaves(check):
    share = "shares: [{to: cooperative, machines: ['press-*'], points: [oil_temp]}]"
    assert "; what leaves: press-* (oil_temp) to cooperative.\n" in check(GOOD + UPLINK, share=share)[1]


def test_findings_are_exit_1_with_place_line_and_caret(check):
    code, out, err = check(GOOD.replace("coil 2", "coil x"))
    assert code == 1
    assert out.startswith("site.yaml:4:")
    assert out.endswith("^\n1 problem\n")
    assert err == ""


def test_warnings_are_shown_and_count_only_when_strict(check):
    text = GOOD + "connections: {bus: {url: 'modbus-rtu:///dev/a'}}\n"
    code, out, _ = check(text)
    assert code == 0
    assert "site.yaml:7:15: warning: no machine uses the connection 'bus'" in out
    assert "site.yaml: good." in out
    assert check(text, "--strict")[0] == 1


def test_json_is_one_object(check):
    code, out, _ = check(GOOD.replace("coil 2", "coil x"), "--json")
    answer = json.loads(out)
    assert (code, answer["good"], answer["summary"]) == (1, False, "")
    (problem,) = answer["problems"]
    assert (problem["file"], problem["line"], problem["level"]) == ("site.yaml", 4, "error")
    assert problem["column"] == GOOD.splitlines()[3].index("coil 2") + 1
    assert json.loads(check(GOOD, "--json")[1]) | {"summary": ""} == {"good": True, "problems": [], "summary": ""}


def test_no_such_file_is_a_usage_error(capsys, tmp_path):
    assert main(["check", "nosuch.yaml"]) == 2
    assert capsys.readouterr().err == "gateway check: nosuch.yaml does not exist\n"
    assert main(["check", str(tmp_path)]) == 2
