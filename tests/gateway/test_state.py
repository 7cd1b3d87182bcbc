"""Small durable state: the old value or the new one, never a torn file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
from msgspec import Struct

from gateway.state import RunBook, Runs, State


class Hours(Struct):
    machine: str
    run_s: float
    marks: dict[str, int] = {}


@pytest.fixture
def state(tmp_path):
    return State(tmp_path / "state")


def test_a_value_comes_back_typed_also_in_a_new_process(state, tmp_path):
    value = Hours("press-1", 12.5, {"ü": 2**53})
    state.put("hours.press-1", value)
    assert State(tmp_path / "state").get("hours.press-1", Hours, Hours("", 0)) == value
    state.put("hours.press-1", Hours("press-1", 13))
    assert state.get("hours.press-1", Hours, Hours("", 0)).run_s == 13
    assert state.get("other", Hours, Hours("none", 0)) == Hours("none", 0)
    assert state.get("run", dict[str, Any], {"starts": 0}) == {"starts": 0}
    assert state.troubles == []


def test_files_are_for_the_owner_only_and_nothing_is_left_over(state, tmp_path):
    state.put("a", 1)
    state.put("a", 2)
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["a.json"]
    assert (tmp_path / "state" / "a.json").stat().st_mode & 0o77 == 0
    assert (tmp_path / "state").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize(
    "content", [b"", b'{"machine": "press', b"\xff\xfe", b"[1, 2]", b'{"machine": 5, "run_s": "x"}', b"\0" * 4096]
)
def test_a_file_that_makes_no_sense_is_set_aside_and_told(state, tmp_path, content):
    state.put("hours", Hours("a", 1))
    (tmp_path / "state" / "hours.json").write_bytes(content)
    default = Hours("default", 0)
    with structlog.testing.capture_logs() as logs:
        assert state.get("hours", Hours, default) is default
    assert (tmp_path / "state" / "hours.json.broken").read_bytes() == content
    assert "hours.json.broken" in state.troubles[0]
    assert [line["event"] for line in logs] == ["state_replaced"]
    assert state.get("hours", Hours, default) is default
    state.put("hours", Hours("b", 2))
    assert state.get("hours", Hours, default) == Hours("b", 2)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../a", "a b", "a\n", "ü", "x" * 101, "a\0"])
def test_names_that_are_no_file_names_are_refused(state, name):
    with pytest.raises(ValueError, match="not a name"):
        state.put(name, 1)
    with pytest.raises(ValueError, match="not a name"):
        state.get(name, int, 0)


def test_the_file_is_synced_before_it_gets_its_name_and_the_folder_after(state, tmp_path, monkeypatch):
    state.put("a", "old")
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(Path(f"/proc/self/fd/{fd}").readlink().name), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b)))
    state.put("a", "new")
    assert steps == [".a.json.new", "replace", "state"]


def test_a_failed_put_leaves_the_old_value(state, tmp_path, monkeypatch):
    state.put("a", "old")

    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            state.put("a", "new")
    assert state.get("a", str, "") == "old"
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["a.json"]
    with pytest.raises(TypeError):
        state.put("a", object())
    assert state.get("a", str, "") == "old"


async def test_of_several_puts_under_way_the_last_one_called_wins(state):
    for turn in range(20):
        await asyncio.gather(*(state.aput("n", 100 * turn + i) for i in range(8)))
        assert state.get("n", int, -1) == 100 * turn + 7


async def test_a_put_made_while_an_older_one_is_under_way_stays(state):
    pending = asyncio.create_task(state.aput("n", "older"))
    await asyncio.sleep(0)
    state.put("n", "younger")
    await pending
    assert state.get("n", str, "") == "younger"


def test_a_run_that_did_not_end_is_told_at_the_next_start(tmp_path: Path) -> None:
    first = RunBook(State(tmp_path))
    assert first.begin() == "none yet: this is the first start"
    first.end()
    assert RunBook(State(tmp_path)).begin() == "clean"
    assert RunBook(State(tmp_path)).begin().startswith("not clean")
    assert State(tmp_path).get("run", Runs, Runs()).starts == 3


def test_a_run_book_on_a_folder_that_cannot_be_written_does_not_stop_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    state = State(tmp_path)
    monkeypatch.setattr(state, "put", full)
    book = RunBook(state)
    assert book.begin().startswith("none yet")
    book.end()
