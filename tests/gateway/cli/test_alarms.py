"""`gateway alarms`: what a person sees at six in the morning; what it does is tested with a gateway that runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.cli.alarms import render, standing


def alarm(**changes: Any) -> dict[str, Any]:
    since_s = changes.pop("since_s", 600.0)
    return {
        "machine": "press-1",
        "point": "oil_temp",
        "level": "high alarm",
        "state": "unacknowledged",
        "priority": "medium",
        "value": 85.25,
        "unit": "°C",
        "limit": 80.0,
        "since_wall_ns": int((time.time() - since_s) * 1e9),
        "since_s": since_s,
        "stale": False,
        "chattering": False,
        "raises": 1,
        "by": "",
        "shelved_s": None,
    } | changes


NORMAL = {"state": "normal", "level": "", "limit": None, "since_wall_ns": 0}


def screen(*alarms: dict[str, Any], limits: tuple[dict[str, Any], ...] = (), every: bool = False, width: int = 80) -> str:
    return "\n".join(render({"alarms": list(alarms), "limits": list(limits)}, every=every, width=width))


def test_what_stands_says_value_limit_since_when_and_what_to_do() -> None:
    text = screen(alarm(), alarm(point="level", **NORMAL))
    assert "✗ press-1 oil_temp  high alarm unacknowledged" in text
    assert "85.25 °C, limit 80, since " in text
    assert "(10 min)" in text
    assert "and 1 normal" in text
    assert text.endswith("→ gateway alarms ack press-1 oil_temp")


def test_nothing_stands_and_nothing_is_configured_are_two_sentences() -> None:
    assert screen(alarm(**NORMAL)) == "● no alarm stands: 1 normal"
    assert "'alarms:' in the site file" in screen()


def test_who_did_what_and_how_long_it_stays_shelved() -> None:
    shelved = alarm(state="shelved", shelved_s=7200.0, by="anna (uid 1000)")
    text = screen(shelved, alarm(state="acknowledged", by="ben (uid 1001)"), width=120)
    assert "○ press-1 oil_temp  shelved" in text
    assert "for another 2 h, by anna (uid 1000)" in text
    assert "● press-1 oil_temp  high alarm acknowledged" in text
    assert "→" not in text, "nothing is to be done"


def test_one_that_is_blind_or_nervous_shows_although_it_is_normal() -> None:
    text = screen(alarm(**NORMAL | {"stale": True}), alarm(**NORMAL | {"chattering": True, "raises": 9}), width=120)
    assert "! no good value: nothing is watched" in text
    assert "! chatters: came 9 times in 10 min; give it a hysteresis or a delay" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_it_fits_a_phone(width: int) -> None:
    event = {"machine": "p", "point": "level", "kind": "limit", "after": "low", "value": 3.0, "unit": "%"}
    odd = alarm(machine="hydraulic-press", point="vibration.velocity_rms", chattering=True, stale=True, by="somebody (uid 12345)")
    text = screen(odd, alarm(shelved_s=9e5, state="shelved"), alarm(**NORMAL), limits=(event,), every=True, width=width)
    assert max(map(len, text.splitlines())) <= max(width, len("→ gateway alarms ack hydraulic-press vibration.velocity_rms"))


def test_a_crossed_limit_and_whatever_is_not_put_aside_count_as_standing() -> None:
    asides = [alarm(state=state) for state in ("shelved", "suppressed", "out-of-service", "normal")]
    assert standing({"alarms": asides, "limits": []}) == []
    stands = [alarm(state=state) for state in ("unacknowledged", "acknowledged", "returned-unacknowledged")]
    assert standing({"alarms": stands, "limits": []}) == stands
    assert standing({"alarms": asides, "limits": [{"after": "low"}]})


@pytest.mark.parametrize("command", [[], ["ack", "--all"], ["shelve", "m", "p", "2h"]])
def test_nobody_there_is_exit_3_and_a_sentence(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alarms", *command, "--data", str(tmp_path)]) == 3
    assert "gateway run" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["ack"], ["ack", "m"], ["ack", "m", "p", "--all"], ["shelve", "m", "p", "2"], ["dance"]])
def test_a_mistake_in_the_command_is_exit_2(command: list[str], tmp_path: Path) -> None:
    assert main(["alarms", "--data", str(tmp_path), *command]) == 2
