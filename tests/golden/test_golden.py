"""Every folder here is a configuration and exactly what `gateway check` says about it."""

import os
from pathlib import Path

import pytest

from gateway.cli import main

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent.name for path in HERE.glob("*/site.yaml"))


@pytest.mark.parametrize("name", FOLDERS)
def test_check_says_exactly_this(name, monkeypatch, capsys):
    monkeypatch.chdir(HERE / name)
    code = main(["check", "site.yaml"])
    out, err = capsys.readouterr()
    said = f"{out}{err}exit {code}\n"
    expected = HERE / name / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_twenty_different_mistakes_give_twenty_different_messages():
    heads = [line for line in (HERE / "many_mistakes/expected.txt").read_text().splitlines() if ".yaml:" in line and line[0] != " "]
    sentences = {line.split(": ", 1)[1] for line in heads}
    assert len(sentences) >= 20
    assert len(sentences) == len(heads)
