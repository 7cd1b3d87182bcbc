import json

import pytest

from gateway.cli import main

SITE = """site: muster
gateway: hall-1
machines:
  - name: press-1
    connect: modbus-tcp://10.0.0.1
    points:
      oil_temp: {at: holding 40017, type: float32}
      hours: {at: holding 40021, type: uint32, every: 1min}
      lid: {at: coil 3}
      voltage: {at: holding 40019, scale_from: holding wire 22}
  - {name: press-2, connect: "modbus-tcp://10.0.0.1", unit: 2, one_per_request: true, points: {a: {at: input 1}, b: {at: input 2}}}
  - {name: meter, connect: "modbus-rtu:///dev/ttyS0", coils_from: 0, points: {a: {at: coil 7}}}
"""


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments, site=SITE):
        (tmp_path / "site.yaml").write_text(site, encoding="utf-8")
        code = main(["plan", "site.yaml", *arguments])
        return code, *capsys.readouterr()

    return run


def test_every_request_stands_with_both_countings_its_cost_and_its_points(plan):
    code, out, _ = plan()
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert "press-1: 3 points every 1s in 2 requests, 57 bytes, 8.38 ms = 0.8% of the period" in lines
    assert "coil (function 1) 00003 2 1 1 22 4.0" in lines
    assert "holding (function 3) 40017-40023 16-22 7 3 35 4.3" in lines, "a scale factor is read along"
    assert "press-1: 1 point every 1min in 1 request, 25 bytes, 4.1 ms = 0.0% of the period" in lines
    assert "input (function 4) 30002 1 1 1 23 4.0" in lines, "a unit that wants it is asked for each point alone"
    assert "coil (function 1) 00008 7 1 1 14 22.0" in lines, "addresses are those of the wire as the unit counts"
    assert "● modbus-tcp://10.0.0.1:502: 4.02 requests/s, 103 B/s, busy 1.7% of the time" in lines


def test_json_says_the_same(plan):
    code, out, _ = plan("--json", "--machine", "press-1")
    (connection,) = json.loads(out)["connections"]
    assert code == 0
    assert [group["every_s"] for group in connection["groups"]] == [1.0, 60.0]
    assert connection["groups"][0]["requests"][1]["points"] == ["oil_temp", "voltage", "(scale factor)"]
    assert connection["groups"][0]["requests"][1]["wire"] == "16-22"
    assert connection["requests_per_s"] == pytest.approx(2 + 1 / 60 + 2), "the total is that of the whole connection"


def test_what_bounds_the_requests_is_told(plan):
    site = SITE.replace("    points:\n      oil", "    pipeline: 2\n    deny: [holding 40018]\n    points:\n      oil", 1)
    site = site.replace("oil_temp: {at: holding 40017, type: float32}", "oil_temp: {at: holding 40017}")
    code, out, _ = plan("--machine", "press-1", site=site)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == "press-1: 3 points every 1s in 3 requests, 76 bytes, 8.32 ms = 0.8% of the period", "two round trips"
    assert lines[1] == "never asked for: holding 40018 (wire 17)"
    assert lines[2] == "up to 2 requests at a time"
    _, out, _ = plan("--machine", "press-1", "--json", site=site)
    assert json.loads(out)["connections"][0]["groups"][0]["remarks"][1] == "up to 2 requests at a time"


def test_what_does_not_fit_is_a_finding(plan):
    code, out, _ = plan("--turnaround", "300ms")
    assert code == 1
    assert "✗ modbus-tcp://10.0.0.1:502" in out
    assert "do not fit" in " ".join(out.split())


def test_on_a_phone_every_request_is_a_sentence(plan, monkeypatch):
    monkeypatch.setenv("COLUMNS", "48")
    _, out, _ = plan()
    assert max(map(len, out.splitlines())) <= 48
    assert "by the manual" not in out
    assert "holding (function 3) 4" in out


@pytest.mark.parametrize(
    ("arguments", "site", "code", "words"),
    [
        (
            ["--machine", "press"],
            SITE,
            2,
            "has no machine 'press', did you mean 'press-",
        ),
        (["--turnaround", "5"], SITE, 2, "--turnaround: '5' has no unit"),
        ([], "site: x", 1, "gateway"),
    ],
)
def test_mistakes_are_told(plan, arguments, site, code, words):
    got, out, err = plan(*arguments, site=site)
    assert (got, out) == (code, "")
    assert words in err


def test_a_file_that_is_not_there(capsys):
    assert main(["plan", "/nowhere/site.yaml"]) == 2
    assert "/nowhere/site.yaml does not exist" in capsys.readouterr().err
