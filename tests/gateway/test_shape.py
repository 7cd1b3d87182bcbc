"""Shape: which values of a Scan become readings, and which crossings become events."""

from __future__ import annotations

from array import array
from typing import Literal

from gateway.clock import ManualClock
from gateway.config.quantity import Duration
from gateway.config.spec import Limits, PointSpec
from gateway.model import Event, Kind, PointTable, Quality, Reading, Reason, Record, Scan, Severity, Stamp, TimeQuality
from gateway.shape import SOURCE_TIME_TRUST_NS, Shape, form_of


class Typed(PointSpec, frozen=True, kw_only=True):
    type: Literal["int16", "uint32", "float32", "bool"] = "float32"


def table(**specs: PointSpec) -> PointTable:
    return PointTable("press-1", tuple(specs), tuple(s.unit for s in specs.values()), tuple(specs.values()))


def scan(t: PointTable, values: list[float], clock: ManualClock, *, rows: list[int] | None = None, **more: object) -> Scan:
    n = len(values)
    index = None if rows is None else array("i", rows)
    return Scan(t, array("d", values), bytearray([192]) * n, bytearray(n), clock.stamp(), rows=index, **more)  # type: ignore[arg-type]


def told(records: list[Record]) -> dict[str, object]:
    return {record.point: record.value for record in records if isinstance(record, Reading)}


def test_the_first_scan_is_told_whole_then_only_what_moved_beyond_its_deadband() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(deadband=0.5, unit="bar"), b=PointSpec())
    shape = Shape(t)
    first = shape.apply(scan(t, [1.0, 7.0], clock))
    assert told(first) == {"a": 1.0, "b": 7.0}
    assert isinstance(first[0], Reading)
    assert (first[0].unit, first[0].quality, first[0].stamp) == ("bar", Quality.GOOD, clock.stamp())
    assert told(shape.apply(scan(t, [1.4, 7.0], clock))) == {}
    assert told(shape.apply(scan(t, [1.6, 7.0], clock))) == {"a": 1.6}
    assert told(shape.apply(scan(t, [1.6, 7.1], clock))) == {"b": 7.1}


def test_the_heartbeat_tells_an_unchanged_value_again() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(heartbeat=Duration(10)))
    shape = Shape(t)
    assert told(shape.apply(scan(t, [1.0], clock))) == {"a": 1.0}
    clock.advance(9.9)
    assert told(shape.apply(scan(t, [1.0], clock))) == {}
    clock.advance(0.2)
    assert told(shape.apply(scan(t, [1.0], clock))) == {"a": 1.0}


def test_always_tells_every_scan() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(report="always"))
    shape = Shape(t)
    assert [len(shape.apply(scan(t, [1.0], clock))) for _ in range(3)] == [1, 1, 1]


def test_a_turn_of_quality_is_told_with_its_reason_and_without_a_value() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(), b=PointSpec())
    shape = Shape(t)
    shape.apply(scan(t, [1.0, 2.0], clock))
    records = shape.apply(Scan.bad(t, clock.stamp(), Reason.TIMEOUT))
    assert [(r.point, r.value, r.quality, r.reason) for r in records if isinstance(r, Reading)] == [
        ("a", None, Quality.BAD, Reason.TIMEOUT),
        ("b", None, Quality.BAD, Reason.TIMEOUT),
    ]
    assert shape.apply(Scan.bad(t, clock.stamp(), Reason.TIMEOUT)) == []
    assert told(shape.apply(scan(t, [1.0, 2.0], clock))) == {"a": 1.0, "b": 2.0}


def test_a_partial_scan_speaks_of_its_rows_only() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(), b=PointSpec(), c=PointSpec())
    shape = Shape(t)
    assert told(shape.apply(scan(t, [9.0], clock, rows=[2]))) == {"c": 9.0}
    assert told(shape.apply(scan(t, [9.0, 3.0], clock, rows=[2, 0]))) == {"a": 3.0}


def test_values_are_shown_as_what_they_are() -> None:
    clock = ManualClock()
    t = table(
        mode=Typed(type="int16", states={0: "off", 2: "auto"}),
        count=Typed(type="uint32"),
        tenths=Typed(type="int16", scale=0.1),
        on=Typed(type="bool"),
        text=PointSpec(),
    )
    shape = Shape(t)
    values = told(shape.apply(scan(t, [2.0, 70000.0, 41.9, 1.0, float("nan")], clock, objects={4: "PROG 7"})))
    assert values == {"mode": "auto", "count": 70000, "tenths": 41.9, "on": True, "text": "PROG 7"}
    assert isinstance(values["count"], int)
    assert values["on"] is True
    assert told(shape.apply(scan(t, [5.0, 70000.0, 41.9, 1.0, float("nan")], clock, objects={4: "PROG 7"}))) == {"mode": 5}


def test_the_form_of_a_value_is_known_from_its_configuration() -> None:
    forms = {
        "number": [Typed(type="float32"), Typed(type="int16", scale=0.1), Typed(type="uint64", offset=0.5)],
        "whole": [Typed(type="int16"), Typed(type="uint32", scale=10), Typed(type="uint64", scale=2)],
        "unsigned": [Typed(type="uint64")],
        "truth": [Typed(type="bool")],
        "text": [Typed(type="string"), Typed(type="uint16", states={0: "off"})],
        "": [PointSpec()],
    }
    assert {form: {form_of(spec) for spec in specs} for form, specs in forms.items()} == {form: {form} for form in forms}


def test_text_is_told_when_it_changes() -> None:
    clock = ManualClock()
    t = table(text=PointSpec())
    shape = Shape(t)
    nan = float("nan")
    assert told(shape.apply(scan(t, [nan], clock, objects={0: "a"}))) == {"text": "a"}
    assert told(shape.apply(scan(t, [nan], clock, objects={0: "a"}))) == {}
    assert told(shape.apply(scan(t, [nan], clock, objects={0: "b"}))) == {"text": "b"}


def test_crossing_a_limit_is_an_alarm_and_coming_back_beyond_the_hysteresis_ends_it() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(unit="°C", deadband=1000, limits=Limits(low=0, high=80, hysteresis=5)))
    shape = Shape(t)

    def step(value: float) -> list[tuple[str, str, Severity]]:
        return [(e.before, e.after, e.severity) for e in shape.apply(scan(t, [value], clock)) if isinstance(e, Event)]

    assert step(79) == []
    assert step(81) == [("normal", "high", Severity.ALARM)]
    assert step(78) == []
    assert step(74) == [("high", "normal", Severity.INFO)]
    assert step(-1) == [("normal", "low", Severity.ALARM)]
    assert step(90) == [("low", "high", Severity.ALARM)]
    assert shape.apply(Scan.bad(t, clock.stamp(), Reason.TIMEOUT))[-1].point == "a"
    assert step(90) == [], "a bad value in between is no crossing"


def test_the_devices_own_time_is_taken_when_it_is_credible() -> None:
    clock = ManualClock()
    t = table(a=PointSpec(report="always"))
    shape = Shape(t)

    def stamp(source_ns: int) -> Stamp:
        return shape.apply(scan(t, [1.0], clock, stamps=array("q", [source_ns])))[0].stamp

    now = clock.stamp()
    assert stamp(now.wall_ns - 5_000_000).wall_ns == now.wall_ns - 5_000_000
    assert stamp(now.wall_ns - 5_000_000).mono_ns == now.mono_ns - 5_000_000
    assert stamp(0) == now
    assert stamp(now.wall_ns - SOURCE_TIME_TRUST_NS - 1) == now, "a PLC whose clock is wrong does not set ours"
    clock.time_quality = TimeQuality.UNCERTAIN
    assert stamp(now.wall_ns - 5_000_000) == clock.stamp(), "two doubtful clocks cannot vouch for each other"


def test_the_device_may_tell_what_a_number_stands_for() -> None:
    clock = ManualClock()
    t = table(count=PointSpec(), on=PointSpec(), level=PointSpec(), mode=PointSpec(states={3: "auto"}))
    kinds = bytearray([Kind.WHOLE, Kind.TRUTH, Kind.NUMBER, Kind.WHOLE])
    records = Shape(t).apply(scan(t, [5121.0, 1.0, 2.0, 3.0], clock, kinds=kinds))
    assert [(type(v), v) for v in told(records).values()] == [(int, 5121), (bool, True), (float, 2.0), (str, "auto")]
