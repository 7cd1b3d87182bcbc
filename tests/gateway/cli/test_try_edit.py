"""Adding one point to a site file: nothing else changes, or nothing at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.cli._try_edit import NotSafe, append_point
from gateway.config.check import check

SITE = """\
# our shop
site: muster
gateway: hall-1
machines:
  - name: press-1 # the old one
    connect: modbus-tcp://10.0.0.21
    points:
      # oil
      oil_temp: {at: holding 40017, scale: 0.1} # as printed
      mode:
        at: holding 22
        states:
          0: "off"
          1: run

  # the second machine
  - name: press-2
    connect: modbus-tcp://10.0.0.22
    points: {a: {at: holding 1}}
"""
LINE = "oil_new: {at: holding 40019, type: float32}"


def written(folder: Path, text: str = SITE, ending: str = "\n") -> Path:
    path = folder / "site.yaml"
    path.write_bytes(text.replace("\n", ending).encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_line_stands_behind_the_last_point_and_nothing_else_changes(tmp_path, ending):
    path = written(tmp_path, ending=ending)
    before = path.read_bytes().splitlines(keepends=True)
    plan = append_point(path, "press-1", "oil_new", LINE)
    assert path.read_bytes().splitlines(keepends=True) == before, "nothing is written before it was shown"
    plan.carry_out()
    after = path.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(after) if b"oil_new" in line)
    assert after[:at] + after[at + 1 :] == before
    assert after[at] == f"      {LINE}{ending}".encode()
    assert b"1: run" in after[at - 1]
    assert "oil_new" in check(path).config.machines["press-1"].points
    assert [p.name for p in tmp_path.iterdir()] == ["site.yaml"], "no file is left behind"


def test_the_difference_is_shown(tmp_path):
    diff = append_point(written(tmp_path), "press-1", "oil_new", LINE).diff
    assert f"+      {LINE}" in diff.splitlines()
    assert sum(line.startswith(("+", "-")) and line[:3] not in {"+++", "---"} for line in diff.splitlines()) == 1


def test_a_file_without_a_last_newline(tmp_path):
    text = SITE[: SITE.index("  # the second")].rstrip()
    path = written(tmp_path, text)
    append_point(path, "press-1", "oil_new", LINE).carry_out()
    assert path.read_text().startswith(text)
    assert "oil_new" in check(path).config.machines["press-1"].points


def test_mode_and_symbolic_link_stay(tmp_path):
    path = written(tmp_path)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    append_point(link, "press-1", "oil_new", LINE).carry_out()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert b"oil_new" in path.read_bytes()


@pytest.mark.parametrize(
    ("machine", "name", "line", "words"),
    [
        ("press-2", "n", LINE, "in braces on one line"),
        ("press-1", "mode", "mode: {at: holding 3}", "already has a point 'mode'"),
        ("press-9", "n", LINE, "was not found"),
        ("press-1", "a b", "a b: {at: holding 3}", "did you mean 'a-b'"),
        ("press-1", "x", "x: {at: holding 3, order: XY}", "'XY' is not one of ABCD"),
        ("press-1", "x", "y: {at: holding 3}", "more than this point would change"),
    ],
)
def test_where_it_is_not_certain_it_is_not_done(tmp_path, machine, name, line, words):
    path = written(tmp_path)
    with pytest.raises(NotSafe) as caught:
        append_point(path, machine, name, line)
    assert words in str(caught.value)
    assert path.read_text() == SITE
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("points", ["&shared", "*shared"])
def test_shared_points_are_left_alone(tmp_path, points):
    text = SITE.replace("    points:\n      # oil", "    points: &shared\n      # oil").replace(
        "points: {a: {at: holding 1}}", "points: *shared"
    )
    path = written(tmp_path, text)
    with pytest.raises(NotSafe, match="anchor or alias"):
        append_point(path, "press-1" if points == "&shared" else "press-2", "oil_new", LINE)


def test_a_file_that_was_changed_in_the_meantime_is_left_alone(tmp_path):
    path = written(tmp_path)
    plan = append_point(path, "press-1", "oil_new", LINE)
    path.write_text(SITE + "# mine\n")
    with pytest.raises(OSError, match="changed in the meantime"):
        plan.carry_out()
    assert path.read_text() == SITE + "# mine\n"


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = written(tmp_path)
    plan = append_point(path, "press-1", "oil_new", LINE)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        plan.carry_out()
    assert path.read_text() == SITE
    assert len(list(tmp_path.iterdir())) == 1
