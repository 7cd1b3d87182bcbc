"""`gateway status`: green, or a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.cli.status import outbox_line, render, troubles, wrapped


def machine(**changes: Any) -> dict[str, Any]:
    return {
        "state": "good",
        "error": "",
        "hint": "",
        "connection": "modbus-tcp://10.0.0.21:502",
        "points": 2,
        "every_s": 1.0,
        "scans": 10,
        "blocks": 0,
        "missed": 0,
        "errors": 0,
        "took_ms": 3.2,
        "age_s": 0.4,
        "since_s": 10.0,
        "warnings": [],
        "latest": {"oil_temp": {"value": 41.9, "unit": "°C", "age_s": 1, "quality": "good", "reason": ""}},
    } | changes


def status(**changes: Any) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "pid": 1,
        "site": "muster",
        "gateway": "hall-1",
        "configuration": "/etc/retrofit-gateway/site.yaml",
        "data": "/var/lib/retrofit-gateway",
        "uptime_s": 7300.0,
        "last_stop": "clean",
        "clock": {"quality": "synced", "boot": "0"},
        "stuck": [],
        "alarms": [],
        "machines": {"press-1": machine()},
        "recipients": {
            "cooperative": {
                "outbox": {
                    "waiting": 3,
                    "used_bytes": 4096,
                    "max_bytes": 512_000_000,
                    "lost": 0,
                    "oldest_wall_ns": None,
                    "trouble": "",
                },
                "door": {},
                "uplink": {
                    "connected": True,
                    "broker": "mqtts://hub.coop.example",
                    "last_error": "",
                    "trouble": "",
                    "published_records": 77,
                    "warnings": [],
                },
                "contract": "oil_temp of press-1",
            }
        },
    } | changes


def test_all_good_needs_nobody() -> None:
    assert troubles(status()) == []
    text = "\n".join(render(status(), points=True))
    for part in (
        "● press-1",
        "up 2 h",
        "oil_temp = 41.9 °C",
        "connected to mqtts://hub.coop.example",
        "may have: oil_temp of press-1",
    ):
        assert part in text
    assert all(len(line) <= 80 for line in render(status(), points=True))


def test_a_bad_machine_comes_with_what_to_do() -> None:
    bad = status(machines={"press-1": machine(state="bad", error="no answer within 1 s", hint="check power and cable", age_s=None)})
    assert troubles(bad) == ["press-1: no answer within 1 s; check power and cable"]
    text = "\n".join(render(bad, points=False))
    assert "✗ press-1" in text
    assert "→ check power and cable" in text


def test_a_bad_point_shows_its_reason_not_a_number() -> None:
    latest = {"oil_temp": {"value": None, "unit": "°C", "age_s": 1, "quality": "bad", "reason": "no sensor"}}
    assert "oil_temp = bad: no sensor" in "\n".join(render(status(machines={"p": machine(latest=latest)}), points=True))


def test_no_uplink_is_not_a_trouble() -> None:
    alone = status(recipients={})
    assert troubles(alone) == []
    assert "everything stays here" in "\n".join(render(alone, points=False))


def test_an_uplink_that_is_away_and_a_loop_that_stands_still_are() -> None:
    away = status(stuck=["poll modbus-tcp://10.0.0.21:502"])
    away["recipients"]["cooperative"]["uplink"] |= {"connected": False, "last_error": "the broker refused user and password"}
    assert troubles(away) == [
        "cooperative: the broker refused user and password",
        "stands still: poll modbus-tcp://10.0.0.21:502",
    ]


def test_one_point_is_one_point() -> None:
    one = status()
    machine = next(iter(one["machines"].values()))
    machine |= {"points": 1, "every_s": 1.0}
    assert "1 point every 1 s" in "\n".join(render(one, points=False))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"samples": 51200, "overruns": 3, "lost": 47}, "! samples were missing 3 times, at least 47 besides 51200 that came"),
        ({"samples": 51200, "overruns": 1, "lost": 0}, "! samples were missing once"),
    ],
)
def test_overruns_of_a_waveform_are_shown_at_its_machine(line: dict[str, int], words: str) -> None:
    one = status()
    next(iter(one["machines"].values()))["line"] = line
    assert any(shown.strip() == words for shown in render(one, points=False))
    next(iter(one["machines"].values()))["line"] = {"samples": 51200, "overruns": 0, "lost": 0}
    assert "missing" not in "\n".join(render(one, points=False))


def test_nobody_there_is_exit_3_and_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--data", str(tmp_path)]) == 3
    assert "gateway run" in capsys.readouterr().err


def test_a_long_line_is_broken_under_its_own_beginning() -> None:
    line = "  may have: " + ", ".join(f"point_{n}" for n in range(30))
    parts = wrapped(line, 80).splitlines()
    assert all(len(part) <= 80 for part in parts)
    assert all(part.startswith("    point_") for part in parts[1:])
    assert " ".join(part.strip() for part in parts) == line.strip()


def test_a_limit_that_is_crossed_is_seen_at_the_machine() -> None:
    alarm = {"machine": "press-1", "point": "oil_temp", "after": "high", "value": 81.25, "unit": "°C"}
    hot = status(alarms=[alarm])
    assert troubles(hot) == ["press-1.oil_temp went too high: 81.25 °C"]
    assert "✗ press-1.oil_temp went too high: 81.25 °C" in render(hot, points=False)


def live(**changes: Any) -> dict[str, Any]:
    return {
        "connected": True,
        "broker": "mqtts://hub.coop.example",
        "last_error": "",
        "born": True,
        "rests": False,
        "waits_for": "",
        "devices": 1,
        "metrics": 7,
        "warnings": [],
    } | changes


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "  live: connected to mqtts://hub.coop.example, tells 7 values of 1 machine"),
        ({"waits_for": "scada"}, "  live: connected to mqtts://hub.coop.example, waits for the primary host 'scada'"),
        ({"connected": False}, "  live: not connected yet"),
        ({"connected": False, "last_error": "nobody listens"}, "  live: not connected; nobody listens"),
        ({"connected": False, "rests": True}, "  live: rests, as the bytes of today run short"),
    ],
)
def test_the_live_lane_is_shown_below_its_recipient(changes: dict[str, Any], line: str) -> None:
    seen = status()
    seen["recipients"]["cooperative"]["live"] = live(warnings=["hosts asked 7 times"], **changes)
    assert line in render(seen, points=False)
    assert "  ! hosts asked 7 times" in render(seen, points=False)
    away = changes.get("last_error")
    assert troubles(seen) == ([f"cooperative, live: {away}"] if away else [])


def test_a_broker_that_refuses_what_is_sent_is_a_trouble_though_it_is_connected() -> None:
    refused = status()
    refused["recipients"]["cooperative"]["uplink"]["trouble"] = "not authorised; ask the operator of the broker"
    assert troubles(refused) == ["cooperative: not authorised; ask the operator of the broker"]
    assert "  not authorised; ask the operator of the broker" in render(refused, points=False)


def test_a_broker_of_plain_messages_has_its_lines() -> None:
    board = {"connected": True, "broker": "mqtt://127.0.0.1", "points": 3, "topic": "shop", "contract": "* of press-1"}
    board |= {"trouble": "", "last_error": "", "warnings": []}
    text = "\n".join(render(status(recipients={}, plain={"ha": board}), points=False))
    assert "● ha: connected to mqtt://127.0.0.1, 3 points stand at shop/…" in text
    assert "everything stays here" not in text
    away = status(plain={"ha": board | {"connected": False, "last_error": "nobody listens"}})
    assert troubles(away) == ["ha: nobody listens"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "7 records wait, 41.0 of 512 MB used"),
        (
            {"hours_left": 36.2, "written_per_day": 200_000_000},
            "7 records wait, 41.0 of 512 MB used, 36 h left at today's rate, 0.2 GB/day written",
        ),
        ({"hours_left": 0.5, "written_per_day": 24_600_000}, "30 min left at today's rate, 24.6 MB/day written"),
        ({"hours_left": 240.0}, "10 d left at today's rate"),
        ({"hours_left": 99_999.0}, "more than a year left at today's rate"),
        ({"lost": 12}, "12 LOST"),
    ],
)
def test_the_outbox_is_told_in_hours(changes: dict[str, Any], words: str) -> None:
    held = {"waiting": 7, "used_bytes": 41_000_000, "max_bytes": 512_000_000, "lost": 0, "trouble": ""}
    assert outbox_line(held | changes).endswith(words)


def test_a_folder_or_a_history_that_cannot_be_written_needs_a_person() -> None:
    told = status(
        data_trouble="the data folder /x cannot be written: read-only file system", history={"trouble": "the disk is full"}
    )
    assert troubles(told) == ["the data folder /x cannot be written: read-only file system", "history: the disk is full"]
    assert "✗ history: the disk is full" in render(told, points=False)
