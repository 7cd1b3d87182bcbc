import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main

ROOT = Path(__file__).parents[3]

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
    (tmp_path / "a.wav").touch()


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


def test_a_name_that_is_no_ordinary_file_gets_a_sentence_and_a_cure(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.yaml").symlink_to("nowhere.yaml")
    (tmp_path / "hall.yaml").write_text(GOOD)
    save = "the contract and profiles lie beside the configuration, so save it as a file and name that"
    for name, words in {
        "": "the name of the configuration is empty; name the file, e.g. site.yaml",
        "-": f"'-' is not a file; {save}",
        "pipe": f"pipe is not an ordinary file; {save}",
        "/dev/null": f"/dev/null is not an ordinary file; {save}",
        ".": ". is a folder; name the file in it",
        "link.yaml": "link.yaml is a link to a file that does not exist; see where it leads with ls -l",
        "halle.yaml": "halle.yaml does not exist; did you mean hall.yaml?",
        "hall.yaml/x": "hall.yaml/x does not exist",
    }.items():
        assert main(["check", name]) == 2
        assert capsys.readouterr().err == f"gateway check: {words}\n"
        assert main(["check", "--json", name]) == 2
        said = json.loads(capsys.readouterr().out)
        assert (said["good"], said["problems"][0]["message"]) == (False, words)


def test_a_configuration_from_standard_input_is_refused_also_where_that_is_a_file(tmp_path):
    (tmp_path / "site.yaml").write_text(GOOD)
    with (tmp_path / "site.yaml").open() as stdin:
        run = subprocess.run(
            [sys.executable, "-m", "gateway", "check", "/dev/stdin"],
            stdin=stdin,
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    assert run.returncode == 2
    assert "/dev/stdin is not an ordinary file; " in run.stderr
