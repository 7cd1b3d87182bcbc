"""The alarms of a machine: which events go out, what a person does about them, and what a power cut leaves."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

import msgspec
import pytest

from gateway.clock import ManualClock
from gateway.condition import Condition, Kept
from gateway.config.alarm import Alarm
from gateway.config.quantity import Duration
from gateway.config.spec import Link, Machine, PointSpec, Temperature
from gateway.model import Event, Log, PointTable, Quality, Scan, Severity, TimeQuality

LINK = Link("fake", "a", None)
POINTS = {"oil_temp": PointSpec(unit="°C"), "state": PointSpec(states={0: "off", 1: "idle", 2: "run"})}


class Shelf:
    """Keeps values as the state does: as JSON."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, name: str, kind: Any, default: Any) -> Any:
        return msgspec.json.decode(self.values[name], type=kind) if name in self.values else default

    def put(self, name: str, value: Any) -> None:
        self.values[name] = msgspec.json.encode(value)

    async def aput(self, name: str, value: Any) -> None:
        self.put(name, value)


class Press:
    """A press with an oil temperature and a state, its alarms, and a disk that outlasts `cut`."""

    def __init__(self, alarms: dict[str, Alarm] | None = None, **spec: Any) -> None:
        self.alarms = alarms or {"oil_temp": Alarm(**({"warning": 70.0, "alarm": 80.0} | spec))}
        self.clock, self.shelf = ManualClock(), Shelf()
        self.table = PointTable("press-1", tuple(POINTS), tuple(p.unit for p in POINTS.values()), tuple(POINTS.values()))
        self.events: list[Event] = []
        self.begin()

    def begin(self) -> None:
        machine = Machine("press-1", LINK, None, 1.0, dict(POINTS), alarms=self.alarms, temperature=Temperature())
        self.condition = Condition(machine, Kept(self.shelf, "press-1"))

    def feed(self, *values: float, state: float = 2.0, quality: Quality = Quality.GOOD, every_s: float = 1.0) -> list[Event]:
        """Feed oil temperatures, a second apart; return the events."""
        told: list[Any] = []
        for value in values:
            self.clock.advance(every_s)
            stamp = self.clock.stamp()
            told += self.condition.scan(
                Scan(self.table, array("d", [value, state]), bytearray([quality, 192]), bytearray(2), stamp)
            )
            told += self.condition.tick(stamp)
            asyncio.run(self.condition.keep(self.clock.monotonic()))
        events = [record for record in told if isinstance(record, Event)]
        self.events += events
        return events

    def act(self, deed: str, point: str = "oil_temp", *, for_s: float | None = None) -> list[Event]:
        assert self.condition.alarms is not None
        events = self.condition.alarms.act(deed, point, self.clock.stamp(), by="anna (uid 1000)", for_s=for_s)
        asyncio.run(self.condition.keep(self.clock.monotonic()))
        return events

    def cut(self, away_s: float = 60.0) -> None:
        """Cut the power, without a good-bye, and come back after a while with a monotonic clock that begins anew."""
        self.clock.wall_ns += round(away_s * 1e9)
        self.clock.mono_ns = 5_000_000_000
        self.clock.boot = "1" * 32
        self.begin()

    @property
    def listed(self) -> dict[str, Any]:
        assert self.condition.alarms is not None
        return msgspec.to_builtins(self.condition.alarms.listed()[0])


def steps(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.before, event.after) for event in events]


def test_an_alarm_goes_out_at_once_with_value_severity_and_states() -> None:
    press = Press()
    (event,) = press.feed(75)
    assert (event.machine, event.point, event.kind, event.value, event.unit) == ("press-1", "oil_temp", "alarm", 75, "°C")
    assert (event.before, event.after) == ("normal", "high warning unacknowledged")
    assert (event.severity, event.log, event.acknowledged) == (Severity.WARNING, Log.URGENT, False)
    assert [event.severity for event in press.feed(85, 60)] == [Severity.ALARM, Severity.INFO]
    assert press.feed(61, 62) == [], "nothing has changed"


def test_who_acknowledged_it_is_listed_until_it_returns() -> None:
    press = Press()
    press.feed(85)
    (event,) = press.act("ack")
    assert (event.before, event.after, event.acknowledged) == ("high alarm unacknowledged", "high alarm acknowledged", True)
    assert event.severity is Severity.INFO
    assert press.act("ack") == [], "once is enough"
    press.feed(75)
    assert (press.listed["state"], press.listed["level"], press.listed["by"]) == ("acknowledged", "high warning", "anna (uid 1000)")
    assert (press.listed["limit"], press.listed["value"], press.listed["unit"]) == (70.0, 75.0, "°C")
    press.feed(60)
    assert (press.listed["state"], press.listed["by"]) == ("normal", "")


@pytest.mark.parametrize("value", [85.0, 60.0])
def test_latches_survive_a_power_cut_and_are_told_once_more(value: float) -> None:
    press = Press(latch=True)
    press.feed(85, value)
    before = press.listed
    press.cut()
    assert press.listed["state"] == before["state"] == ("unacknowledged" if value == 85 else "returned-unacknowledged")
    assert press.listed["since_wall_ns"] == before["since_wall_ns"]
    words = f"high alarm {before['state']}"
    assert steps(press.feed(value)) == [("alarm", words, words)]
    assert press.feed(value) == []
    press.act("ack")
    press.cut()
    assert press.listed["state"] == ("acknowledged" if value == 85 else "normal"), "what somebody has seen need not be seen again"


def test_what_returns_while_the_gateway_was_away_is_told() -> None:
    press = Press()
    press.feed(85)
    press.cut()
    assert ("alarm", "high alarm unacknowledged", "normal") in steps(press.feed(60, 60))
    assert press.listed["state"] == "normal"


def test_shelving_ends_by_itself_and_survives_a_power_cut_with_what_is_left_of_it() -> None:
    press = Press()
    press.feed(85)
    assert steps(press.act("shelve", for_s=600)) == [("alarm", "high alarm unacknowledged", "shelved")]
    assert press.feed(*[60, 90] * 100) == []
    press.cut(away_s=300.0)
    assert steps(press.feed(85)) == [("alarm", "shelved", "shelved")]
    assert press.listed["shelved_s"] == pytest.approx(99, abs=1), "the time without power counts, the clock says how long it was"
    events = steps(press.feed(*[85] * 100))
    assert events == [("alarm", "shelved", "high alarm unacknowledged")]


def test_without_a_clock_shelving_goes_on_for_no_longer_than_was_left() -> None:
    press = Press()
    press.act("shelve", for_s=600)
    press.clock.time_quality = TimeQuality.UNCERTAIN
    press.cut(away_s=-1e6)
    press.feed(85)
    assert press.listed["shelved_s"] == pytest.approx(600, abs=2)
    assert ("alarm", "shelved", "high alarm unacknowledged") in steps(press.feed(*[85] * 601))


def test_out_of_service_stays_so_over_a_restart_until_somebody_ends_it() -> None:
    press = Press()
    press.act("out-of-service")
    press.cut()
    assert steps(press.feed(85, 85)) == [("alarm", "out-of-service", "out-of-service")]
    assert press.act("unshelve") == [], "it is not shelved"
    assert steps(press.act("in-service")) == [("alarm", "out-of-service", "high alarm unacknowledged")]


def test_deeds_that_make_no_sense_are_refused() -> None:
    press = Press()
    for for_s in (None, 0.0, 31 * 86400.0):
        with pytest.raises(ValueError, match="at most 30d"):
            press.act("shelve", for_s=for_s)
    with pytest.raises(ValueError, match="dance"):
        press.act("dance")
    with pytest.raises(KeyError):
        press.act("ack", "nothing")


def test_it_counts_only_in_the_states_that_are_named() -> None:
    press = Press(only_in=["run"])
    assert steps(press.feed(60, state=0)) == [("alarm", "normal", "suppressed")]
    assert press.feed(85, 85, state=1) == []
    assert steps(press.feed(85, 85, state=2))[0][:2] == ("alarm", "suppressed")
    assert press.listed["state"] == "unacknowledged"
    assert steps(press.feed(85, state=0)) == [("alarm", "high alarm unacknowledged", "suppressed")]


def test_a_bad_value_neither_raises_nor_clears_and_is_told_when_it_lasts() -> None:
    press = Press(stale=Duration(60))
    press.feed(85)
    events = press.feed(*[float("nan")] * 70, quality=Quality.BAD)
    assert steps(events) == [("stale", "good", "stale")]
    assert events[0].severity is Severity.WARNING
    assert (press.listed["state"], press.listed["stale"]) == ("unacknowledged", True)
    assert press.feed(85, quality=Quality.UNCERTAIN) == []
    assert steps(press.feed(85)) == [("stale", "stale", "good")]


def test_a_machine_that_never_gave_a_value_is_told_too() -> None:
    press = Press(stale=Duration(60))
    assert steps(press.feed(*[float("nan")] * 70, quality=Quality.BAD)) == [("stale", "good", "stale")]


def test_patience_with_what_comes_slowly() -> None:
    press = Press({"oil_temp.slope": Alarm(warning=2.0, stale=Duration(60))})
    assert press.feed(*[60] * 59, every_s=30.0) == [], "a slope comes once a minute, and the first after five"


def test_chattering_is_told_once_and_counted() -> None:
    press = Press()
    events = press.feed(*[75, 60] * 100)
    assert steps(events).count(("chatter", "steady", "chattering")) == 1
    assert (press.listed["chattering"], press.listed["raises"]) == (True, 6)
    assert len(events) <= 14, "held for a minute, so that the outbox is not filled"
    assert ("chatter", "chattering", "steady") in steps(press.feed(*[60] * 700))


def test_an_alarm_on_a_feature() -> None:
    press = Press({"oil_temp.slope": Alarm(warning=2.0)})
    events = press.feed(*[60 + n / 4 for n in range(100)], every_s=5.0)
    assert steps(events) == [("alarm", "normal", "high warning unacknowledged")]
    assert (events[0].point, events[0].unit) == ("oil_temp.slope", "K/min")


@pytest.mark.parametrize("nonsense", [[], {"oil_temp": {"state": "odd"}}, {"oil_temp": 3}, {"oil_temp": {"aside": "attic"}}])
def test_what_was_kept_and_makes_no_sense_begins_anew_and_is_told(nonsense: Any) -> None:
    press = Press()
    press.shelf.put("condition.press-1", {"alarms": nonsense})
    press.begin()
    assert any("alarms" in warning for warning in press.condition.warnings)
    assert steps(press.feed(85)) == [("alarm", "normal", "high alarm unacknowledged")]


def test_an_alarm_that_is_no_longer_configured_is_forgotten() -> None:
    press = Press()
    press.feed(85)
    press.alarms = {"state": Alarm(alarm=5.0)}
    press.cut()
    assert press.feed(85) == []
