"""The frame of `make campaign`: nothing runs twice, a failure is told, a section that was not run keeps its text."""

import json
import os
import time

import pytest

from tests.campaign import Job, run


class Toy:
    """A campaign whose jobs are made by a test."""

    def __init__(self, *jobs):
        self.made = list(jobs)

    def jobs(self, scale):
        return self.made

    def lines(self, results):
        return [f"{part} {name}: {result}" for part, rows in results.items() for name, result in rows.items()]

    def broken(self, results):
        return ["too much"] if results["part"].get("sum", [0])[0] > 5 else []


@pytest.fixture
def toy(monkeypatch):
    """Make jobs the campaign `modbus`, the only one."""

    def make(*jobs):
        monkeypatch.setattr(run, "module", lambda name: Toy(*jobs))
        monkeypatch.setattr(run, "known", lambda: ["modbus"])

    return make


def total(*numbers):
    return [sum(numbers)]


def span(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return [began, time.monotonic()]


def failing():
    raise OSError("no such line")


def test_a_result_that_stands_already_is_not_made_anew(toy, tmp_path):
    toy(Job("part", "sum", total, (1, 2)), Job("other", "process", os.getresuid))
    kept = tmp_path / "results"
    first = run.run("modbus", results=kept, at_once=1)
    assert first.results == {"part": {"sum": [3]}, "other": {"process": list(os.getresuid())}}
    lines = kept.read_text().splitlines()
    assert run.run("modbus", results=kept, at_once=1) == first
    assert kept.read_text().splitlines() == lines
    run.run("modbus", scale=0.5, results=kept, at_once=1)
    assert len(kept.read_text().splitlines()) == 2 * len(lines)
    assert {json.loads(line)[2] for line in kept.read_text().splitlines()} == {1.0, 0.5}


def test_what_goes_alone_has_nothing_beside_it(toy):
    toy(Job("part", "beside", span, (0.1,)), Job("part", "alone", span, (0.1,), alone=True))
    spans = run.run("modbus", at_once=2).results["part"]
    assert spans["alone"][1] <= spans["beside"][0]


def test_a_job_that_fails_is_told_and_the_others_go_on(toy, tmp_path, capsys):
    toy(Job("part", "line", failing), Job("part", "sum", total, (9,)))
    page = tmp_path / "page.md"
    assert run.main(["--write", str(page), "--at-once", "1"]) == 1
    text = page.read_text()
    assert "part sum: [9]" in text
    assert "**Broken:** too much" in text
    assert "**Broken:** line did not run: OSError: no such line" in text
    assert text.startswith(run.HEAD)
    assert text.split(run.HEAD)[1].strip() in capsys.readouterr().out


def test_a_section_says_which_run_it_is(toy, tmp_path):
    toy(Job("part", "sum", total, (1,)))
    page = tmp_path / "page.md"
    page.write_text("# Campaigns\n\n## Gone\nold\n\n## Modbus\nold\n")
    assert run.main(["modbus", "--write", str(page), "--scale", "0.25"]) == 0
    text = page.read_text()
    assert "old" not in text
    assert f"commit {run.commit_of_tree()};" in text
    assert "Not the whole campaign: 0.25 of it." in text
    assert "Every promise was kept." in text


def test_an_unknown_campaign_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        run.main(["modbos"])
    assert f"unknown campaign modbos; known: {', '.join(run.known())}" in capsys.readouterr().err


def test_a_campaign_that_lacks_something_is_left_out_and_told_and_fails_when_it_was_asked_for(toy, tmp_path, capsys, monkeypatch):
    toy(Job("part", "sum", total, (1, 2)))
    monkeypatch.setattr(Toy, "missing", lambda self: "it needs recordings", raising=False)
    page = tmp_path / "page.md"
    page.write_text("# Campaigns\n\n## Modbus\nas it was\n")
    assert run.main(["--write", str(page)]) == 0
    assert run.main(["modbus", "--write", str(page)]) == 1
    assert "modbus was not run: it needs recordings." in capsys.readouterr().err
    assert "as it was" in page.read_text()
