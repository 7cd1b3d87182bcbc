"""Version 2: what points share is written once, numbers stay within their resolution, and no message can lie about its size."""

import math
from contextlib import suppress
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.quantity import Resolution
from gateway.model import Feature, Log, Quality, Reading, Reason, Sequenced, Stamp
from gateway.uplink import cbor, tables
from gateway.uplink.batch import decode, encode, read
from gateway.uplink.encoding import Encoding
from gateway.uplink.errors import FormatError
from gateway.uplink.layout import Plane, Rhythm, Steps
from tests.bench.bench_wire import METERED, Sensor

T0_MS = 1_767_225_600_000
HALF = Resolution(0.005, True)


def readings(rows, *, every_ms=1000, first=5, machine="press-1"):
    """Scans of one machine: `rows` are dicts of values by point."""
    found = []
    for i, row in enumerate(rows):
        for point, value in row.items():
            stamp = Stamp(round((T0_MS + i * every_ms) * 1_000_000), 0, "")
            quality, reason = (Quality.BAD, Reason.TIMEOUT) if value is None else (Quality.GOOD, Reason.NONE)
            record = Reading(machine=machine, point=point, value=value, unit="bar", stamp=stamp, quality=quality, reason=reason)
            found.append(Sequenced(Log.READING, "e", first + len(found), record))
    return found


def layout(records, resolve=lambda *_: None):
    return tables.make("s", "g", records, resolve)


def there_and_back(records, resolve=lambda *_: None):
    (message,) = encode("s", "g", records, encoding=Encoding("cbor", None, resolve))
    return [item.record.value for item in decode(message.payload).records]


def test_points_of_one_scan_share_a_table_with_one_column_of_times():
    (table,) = layout(readings([{"a": 1.5, "b": i / 10, "c": 0.25} for i in range(10)])).tables
    assert table.points == ["a", "b", "c"]
    assert (table.unit, table.quality) == ("bar", "good")
    assert table.seq == Plane(0, 3, 1)
    assert table.t == Rhythm(0, 1_000_000)
    assert isinstance(table.value, Steps)
    assert (table.value.mode, table.value.step, table.value.digits, table.value.error) == (
        "linear",
        [0.1, 0.1, 0.01],
        [1, 1, 2],
        0.0,
    )


def test_what_differs_gets_a_table_of_its_own():
    rows = [{"n": i, "x": i / 7, "s": "on", "b": True, "l": [1]} for i in range(6)]
    found = layout(readings(rows) + readings([{"n": 1}] * 4, first=1000, machine="press-2")).tables
    assert [(table.machine, table.points) for table in found] == [
        ("press-1", ["n"]),
        ("press-1", ["x"]),
        ("press-1", ["s", "b", "l"]),
        ("press-2", ["n"]),
    ]


@pytest.mark.parametrize(
    ("numbers", "running"), [([5.0 + (-1) ** i for i in range(20)], False), ([float(100 * i) for i in range(20)], True)]
)
def test_noise_is_told_from_the_middle_and_a_trend_from_one_to_the_next(numbers, running):
    (table,) = layout(readings([{"a": number} for number in numbers])).tables
    assert table.value.running is running
    assert max(map(abs, table.value.steps)) <= 100


def changing(count=60):
    """Readings that are reported when they change: each point at times of its own."""
    reported = [{f"p{j}": i / 10 for j in range(4) if (7 * i + 3 * j) % (2 + j) == 0} for i in range(count)]
    return readings(reported)


def test_points_with_times_of_their_own_share_a_table_with_a_time_per_value():
    records = changing()
    (table,) = layout(records).tables
    sizes = [sum(item.record.point == point for item in records) for point in table.points]
    assert table.rows == sizes
    assert len(table.t) == len(table.seq) == sum(sizes) == len(records)
    (message,) = encode("s", "g", records, encoding=Encoding("cbor"))
    assert [(item.seq, item.record.point, item.record.value) for item in decode(message.payload).records] == [
        (item.seq, item.record.point, item.record.value) for item in records
    ]
    (as_json,) = encode("s", "g", records)
    assert len(message.payload) < 0.8 * len(as_json.payload)


def test_single_bad_values_are_named_by_their_place_and_cost_no_column():
    rows = [{"a": None if i == 4 else 1.5, "b": 2.5} for i in range(8)]
    (table,) = layout(readings(rows)).tables
    assert (table.quality, table.reason, table.value.exact) == ({"bad": [4]}, {"timeout": [4]}, [(4, None)])
    assert there_and_back(readings(rows)) == [value for row in rows for value in row.values()]


def test_times_that_jitter_are_a_rhythm_and_small_deviations():
    stamps = [0, 1_000_210, 2_000_090, 2_999_880, 4_000_000]
    records = [
        Sequenced(Log.READING, "e", i, Reading(machine="m", point="p", value=i, stamp=Stamp(t * 1000, 0, "")))
        for i, t in enumerate(stamps)
    ]
    t = layout(records).tables[0].t
    assert isinstance(t, Rhythm)
    assert max(map(abs, t.off)) < 400
    (message,) = encode("s", "g", records, encoding=Encoding("cbor"))
    assert [item.record.stamp.wall_ns // 1000 for item in decode(message.payload).records] == stamps


def test_times_of_numbers_with_a_resolution_are_kept_to_the_millisecond():
    stamps = [0, 1_000_210, 2_000_090, 2_999_880, 4_000_600]
    records = [
        Sequenced(Log.READING, "e", i, Reading(machine="m", point="p", value=1.5, stamp=Stamp(t * 1000, 0, "")))
        for i, t in enumerate(stamps)
    ]
    (message,) = encode("s", "g", records, encoding=Encoding("cbor", None, lambda *_: HALF))
    sent = [item.record.stamp.wall_ns // 1000 for item in decode(message.payload).records]
    assert sent == [0, 1_000_000, 2_000_000, 3_000_000, 4_001_000]


def test_a_feature_keeps_its_window_and_each_its_band():
    bands = [None, (10.0, 1000.0), (1000.0, math.inf)]
    records = [
        Sequenced(
            Log.FEATURE,
            "e",
            3 * i + j,
            Feature(machine="m", point=f"v{j}", value=i / 3 + j, stamp=Stamp(i * 10**9, 0, ""), window_s=8.0, band_hz=band),
        )
        for i in range(4)
        for j, band in enumerate(bands)
    ]
    assert len(layout(records).tables) == 1
    (message,) = encode("s", "g", records, encoding=Encoding("cbor"))
    assert [(item.record.window_s, item.record.band_hz) for item in decode(message.payload).records] == [
        (8.0, band) for band in bands
    ] * 4


# ── resolution ──

numbers = (
    st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1000, 1000) | st.sampled_from([0.0, -0.0, 5e-324])
)
resolutions = st.sampled_from([Resolution(0.005, True), Resolution(0.1, True), Resolution(0.1, False), Resolution(7.5, False)])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=12), resolutions, st.sampled_from(["json", "cbor"]))
def test_every_number_arrives_within_its_resolution_which_the_message_tells(pairs, resolution, form):
    records = readings([{"a": a, "b": b} for a, b in pairs])
    resolve = lambda machine, point: resolution if point == "a" else None  # noqa: E731
    (message,) = encode("s", "g", records, encoding=Encoding(form, None, resolve))
    sent = {row.seq: row for row in read(message.payload)[1]}
    for item in records:
        row, number = sent[item.seq], item.record.value
        if number is None or item.record.point == "b":
            assert repr(row.record.value) == repr(number)
        else:
            assert abs(Fraction(number) - Fraction(row.record.value)) <= Fraction(resolution.most) * (
                abs(Fraction(number)) if resolution.relative else 1
            ) * (1 + Fraction(1, 2**50))
            assert row.resolution in {resolution, None}
            assert row.resolution == resolution or row.record.value == number
        assert row.resolution is None or item.record.point == "a"


def test_what_has_no_numbers_has_no_resolution():
    records = readings([{"a": "run", "b": True, "c": None}] * 4)
    for form in ("json", "cbor"):
        (message,) = encode("s", "g", records, encoding=Encoding(form, None, lambda *_: HALF))
        assert [row.record.value for row in sorted(read(message.payload)[1], key=lambda row: row.seq)] == ["run", True, None] * 4
        assert all(row.resolution is None for row in read(message.payload)[1])


def test_a_resolution_of_half_a_percent_takes_a_byte_per_number():
    records = readings([{f"p{j}": (j + 1) * (1 + 0.02 * math.sin(99 * i + j)) for j in range(30)} for i in range(30)])
    exact, coarse = (
        encode("s", "g", records, encoding=Encoding("cbor", None, resolve))[0].payload
        for resolve in (lambda *_: None, lambda *_: HALF)
    )
    assert len(exact) > 8 * 900
    assert len(coarse) < 1.6 * 900


# ── lies ──


def wire(records=None):
    return msgspec.to_builtins(layout(records or readings([{"a": i / 10, "b": i / 5} for i in range(5)])))


def test_an_untouched_message_is_read():
    assert len(decode(cbor.dump(wire())[0]).records) == 10


@pytest.mark.parametrize(
    ("key", "content", "sentence"),
    [
        ("points", [], "value has 10 entries for 0 points"),
        ("points", ["a", "b", "c"], "value has 10 entries for 3 points"),
        ("points", ["a"], "start has 2 entries for 1 of them"),
        ("unit", ["bar"], "unit has 1 entries for 2 points"),
        ("band_hz", [None] * 3, "band_hz has 3 entries for 2 points"),
        ("seq", [1, 2, 3, 4, 5], "seq has 5 entries for 10 values"),
        ("t", [1, 2, 3, 4], "t has 4 entries for 5 rows"),
        ("t", {"first": 0, "step": 1, "off": [1]}, "t has 1 entries for 5 rows"),
        ("rows", [5, 4], "value has 10 entries for rows that are 9 together"),
        ("rows", [10], "rows has 1 entries for 2 points"),
        ("rows", [11, -1], "value has 10 entries for rows that are 10 together"),
        ("rows", [4, 6], "t has 0 entries for 10 values"),
        ("quality", {"bad": [10]}, "quality names the value 10 of 10"),
        ("quality", {"bad": [-1]}, "quality names the value -1 of 10"),
        ("quality", {"awful": [1]}, "unknown word: 'awful'"),
        ("kind", "rumour", "Invalid enum value 'rumour'"),
        ("value", [1, {"base64": "AA=="}], "no value can be"),
        ("value", [[{"a": 1}], 2], "no value can be"),
        ("value", "text", "Expected"),
    ],
)
def test_a_table_whose_parts_do_not_fit_is_refused(key, content, sentence):
    message = wire()
    if key == "value":
        message["tables"][0] |= {"seq": [1, 1], "t": [0]}
    if key == "rows":
        message["tables"][0]["t"] = []
    message["tables"][0][key] = content
    with pytest.raises(FormatError, match=sentence):
        decode(cbor.dump(message)[0])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"digits": 10**9}, "digits is 1000000000"),
        ({"digits": -1}, "digits is -1"),
        ({"mode": "relative", "digits": 0}, "digits is 0"),
        ({"mode": "relative", "digits": 3, "step": 1e300, "start": [99, 99]}, "beyond all numbers"),
        ({"mode": "relative", "digits": 3, "step": 0.0, "start": [-9, -9]}, "beyond all numbers"),
        ({"step": 1e300, "start": [2**62, 2**62]}, "no value can be inf"),
        ({"sign": [1, 1]}, "sign has 2 entries for 10"),
        ({"start": [1]}, "start has 1 entries for 2"),
        ({"step": [0.1]}, "step has 1 entries for 2 points"),
        ({"exact": [[10, 1.0]]}, "exact names the value 10 of 10"),
        ({"exact": [[0, "x"]]}, "Expected `float | null`|Expected `int | float | null`"),
        ({"mode": "magic"}, "Invalid enum value 'magic'"),
    ],
)
def test_steps_that_lead_nowhere_are_refused(change, sentence):
    message = wire()
    message["tables"][0]["value"] |= change
    with pytest.raises(FormatError, match=sentence):
        decode(cbor.dump(message)[0])


def places(node, path=()):
    """Every place in a message."""
    yield path
    for key, inner in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(inner, (*path, key))


MESSAGE = wire(readings([{"a": i / 10, "b": i, "c": "x", "d": i / 7} for i in range(5)]) + changing(9))
PLACES = [path for path in places(MESSAGE) if path]
rubbish = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
rubbish = rubbish | st.lists(rubbish, max_size=4) | st.dictionaries(st.text(max_size=3), rubbish, max_size=2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), rubbish), min_size=1, max_size=3))
def test_a_message_with_rubbish_anywhere_raises_nothing_else(changes):
    message = msgspec.json.decode(msgspec.json.encode(MESSAGE))
    for path, content in changes:
        with suppress(KeyError, IndexError, TypeError):  # an earlier change may have taken the place away
            node = message
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = content
    with suppress(FormatError):
        decode(cbor.dump(message)[0])


def test_five_minutes_of_a_triaxial_sensor_over_a_metered_line_stay_below_620_bytes():
    """288 of them with all headers are a day, which may have 0.25 MB; bench_wire measures it on the wire."""
    sensor, sizes = Sensor(), []
    for batch in range(6):
        features = [feature for _ in range(30) for feature in sensor.row()]
        records = [Sequenced(Log.FEATURE, "a1b2c3d4e5f60718", batch * 900 + i, feature) for i, feature in enumerate(features)]
        (message,) = encode("muster-metallbau", "hall-1", records, encoding=METERED)
        sizes.append(len(message.payload))
        for sent, item in zip(decode(message.payload).records, records, strict=True):
            assert sent.record.value == pytest.approx(item.record.value, rel=0.005)
    assert sum(sizes) / len(sizes) < 620
