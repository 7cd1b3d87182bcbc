"""The batch lane's message: what goes in comes out, whatever a device may send; rubbish is refused with a sentence."""

import json
import math
from contextlib import suppress
from datetime import datetime
from itertools import groupby

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Event, Feature, Log, Quality, Reading, Reason, Sequenced, Severity, Stamp, TimeQuality, Tombstone
from gateway.uplink.batch import MAX_PAYLOAD, Batch, decode, encode, question, topic
from gateway.uplink.encoding import Encoding
from gateway.uplink.errors import FormatError
from gateway.uplink.flat import flat
from tests.gateway.uplink.fakes import event, feature, reading, stamp

# ── round trip ──

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.sampled_from(["press-1", "lathe", "spindle"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | numbers | texts | st.binary(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
stamps = st.builds(lambda us, quality: Stamp(us * 1000, 0, "", quality), st.integers(0, 2**52), st.sampled_from(list(TimeQuality)))
common = {
    "machine": names,
    "point": st.sampled_from(["a", "b", "vibration.rms"]),
    "stamp": stamps,
    "unit": st.sampled_from(["", "°C", "m/s²"]),
    "quality": st.sampled_from(list(Quality)),
    "reason": st.sampled_from(list(Reason)),
}
bands = st.none() | st.tuples(numbers.map(abs), st.floats(1, allow_nan=False))
records = st.one_of(
    st.builds(Reading, value=values, **common),
    st.builds(Feature, value=st.none() | numbers, window_s=st.sampled_from([0.0, 1.0, 8.5]), band_hz=bands, **common),
    st.builds(
        Event,
        machine=names,
        point=names,
        kind=texts,
        severity=st.sampled_from(list(Severity)),
        before=texts,
        after=texts,
        stamp=stamps,
        value=st.none() | numbers,
        unit=texts,
        acknowledged=st.booleans(),
    ),
    st.builds(
        Tombstone,
        lost=st.sampled_from(list(Log)),
        first=st.integers(0, 2**40),
        last=st.integers(0, 2**40),
        count=st.integers(0, 2**40),
        stamp=stamps,
    ),
)


@st.composite
def claims(draw):
    """Records as an outbox gives them: seq rises within each log and epoch, not always by one."""
    found = []
    for log in draw(st.lists(st.sampled_from(list(Log)), unique=True, max_size=3)):
        for epoch in draw(st.lists(st.sampled_from(["e1", "ü2"]), unique=True, max_size=2)):
            seq = draw(st.integers(0, 2**48))
            for record in draw(st.lists(records, max_size=12)):
                seq += draw(st.integers(1, 3))
                found.append(Sequenced(log, epoch, seq, record))
    return found


def same(item):
    """Bring -0.0 and the like to one form: equality of Python values does not tell 1, 1.0 and True apart."""
    return repr(item)


encodings = st.builds(Encoding, st.sampled_from(["json", "cbor"]), st.sampled_from([None, None, "zstd", "zstd-dictionary"]))


@settings(max_examples=150, deadline=None)
@given(claims(), st.sampled_from([200, 2000, MAX_PAYLOAD]), encodings)
def test_what_goes_in_comes_out(claim, max_payload, encoding):
    messages = encode("muster", "hall-1", claim, encoding=encoding, max_payload=max_payload)
    assert {message.topic for message in messages} <= {"coop/muster/hall-1/up/batch"}
    assert sum(message.count for message in messages) == len(claim)
    out = []
    for message in messages:
        batch = decode(message.payload)
        assert (batch.site, batch.gateway, batch.version) == ("muster", "hall-1", 1 if encoding.format == "json" else 2)
        assert {(item.log, item.epoch) for item in batch.records} == {(message.log, message.epoch)}
        assert (batch.records[-1].seq, len(batch.records)) == (message.last, message.count)
        assert len(message.payload) <= max_payload or message.count == 1
        out += batch.records
    by_log = [list(group) for _, group in groupby(claim, lambda item: (item.log, item.epoch))]
    assert list(map(same, out)) == [same(item) for group in by_log for item in group]


def is_json(payload):
    json.loads(payload, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
    return True


@settings(max_examples=80, deadline=None)
@given(claims(), encodings)
def test_rows_for_tools_agree_with_the_records(claim, encoding):
    for message in encode("muster", "hall-1", claim, encoding=encoding):
        assert encoding != Encoding() or is_json(message.payload)
        expected = {item.seq: item.record for item in decode(message.payload).records}
        rows = list(flat(message.payload))
        assert {row["seq"] for row in rows} == expected.keys()
        for row in rows:
            record = expected[row["seq"]]
            assert row["kind"] == type(record).__name__.lower()
            assert datetime.fromisoformat(row["t"]).timestamp() == pytest.approx(record.stamp.wall_ns / 1e9)
            assert (row["log"], row["epoch"]) == (message.log, message.epoch)
            assert row.get("time", "synced") == record.stamp.quality
            if isinstance(record, Reading | Feature):
                assert (row["machine"], row["point"], row["unit"]) == (record.machine, record.point, record.unit)
                assert (row["quality"], row.get("reason", "none")) == (record.quality.word, record.reason.name.lower())
        assert is_json(json.dumps(rows))


# ── what a device may send ──


def sent(value, **fields):
    record = Reading(machine="m", point="p", value=value, stamp=stamp(), **fields)
    (message,) = encode("s", "g", [Sequenced(Log.READING, "e", 1, record)])
    (item,) = decode(message.payload).records
    return item.record.value, item.record.quality, item.record.reason


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_bad(value):
    assert sent(value) == (None, Quality.BAD, Reason.OUT_OF_RANGE)
    assert sent(value, quality=Quality.BAD, reason=Reason.TIMEOUT) == (None, Quality.BAD, Reason.TIMEOUT)
    assert sent([1.0, [value]]) == ([1.0, [None]], Quality.GOOD, Reason.NONE)


@pytest.mark.parametrize("value", [object(), 2**64, [{1: 2}], {"base64": "AA=="}])
def test_a_value_without_a_place_in_the_format_holds_up_nothing(value):
    assert sent(value) == (None, Quality.BAD, Reason.NOT_SUPPORTED)


def test_half_a_surrogate_pair_is_replaced():
    assert sent("a\udcff") == ("a?", Quality.GOOD, Reason.NONE)


def test_exact_integers_stay_exact():
    assert sent(2**64 - 1)[0] == 2**64 - 1
    assert sent(2**53 + 1)[0] == 2**53 + 1


def test_nanoseconds_are_cut_to_microseconds():
    record = msgspec.structs.replace(reading(1), stamp=Stamp(1_700_000_000_123_456_789, 5, "b" * 32))
    (message,) = encode("s", "g", [Sequenced(Log.READING, "e", 1, record)])
    (item,) = decode(message.payload).records
    assert item.record.stamp == Stamp(1_700_000_000_123_456_000, 0, "")


def test_a_value_larger_than_a_message_is_left_out_and_named():
    big = reading(1, "image", value="x" * 5000)
    claim = [Sequenced(Log.READING, "e", i, record) for i, record in enumerate([reading(0), big, reading(2)])]
    messages = encode("s", "g", claim, max_payload=2000, largest_value=4000)
    assert [name for message in messages for name in message.cut] == ["press-1/image"]
    assert max(len(message.payload) for message in messages) <= 2000
    values = [item.record.value for message in messages for item in decode(message.payload).records]
    assert values == [0.0, None, 2.0]
    whole = encode("s", "g", claim, max_payload=2000)
    assert [item.record.value for message in whole for item in decode(message.payload).records] == [0.0, "x" * 5000, 2.0]


def test_thirty_features_at_ten_seconds_stay_small():
    claim = [
        Sequenced(
            Log.FEATURE,
            "e",
            30 * i + j,
            Feature(machine="spindle", point=f"f{j}", value=round(1.1**j + i / 10, 3), stamp=stamp(10_000 * i)),
        )
        for i in range(30)
        for j in range(30)
    ]
    (message,) = encode("muster", "hall-1", claim)
    assert len(message.payload) / len(claim) < 25, "bytes per value"
    assert decode(message.payload).records == tuple(
        msgspec.structs.replace(item, record=msgspec.structs.replace(item.record, stamp=Stamp(item.record.stamp.wall_ns, 0, "")))
        for item in claim
    )


# ── rubbish ──


def wire(**changes):
    (message,) = encode("s", "g", [Sequenced(Log.READING, "e", i, reading(i)) for i in range(3)])
    return json.loads(message.payload) | changes


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a retrofit-gateway/batch message: it has no format"),
        (b'{"format": "x"}', "format is 'x'"),
        (wire(version=3), "version is 3, this program reads 1 and 2; update it"),
        (wire(version=True), "version is True"),
        (wire(version=[1]), r"version is \[1\]"),
        (wire(base=None), r"Expected `object`, got `null` - at `\$.base`"),
        (wire(series=[{"machine": 1}]), r"at `\$.series\[0\]"),
        (wire(log="nonsense"), "unknown word: 'nonsense'"),
    ],
)
def test_rubbish_is_refused_with_a_sentence(payload, sentence):
    with pytest.raises(FormatError, match=sentence):
        decode(payload if isinstance(payload, bytes) else json.dumps(payload))


@pytest.mark.parametrize(
    ("column", "content", "sentence"),
    [
        ("seq", [1], "series 'oil_temp': seq has 1 entries for 3 values"),
        ("t", [1, 2, 3, 4], "series 'oil_temp': t has 4 entries for 3 values"),
        ("quality", ["good"], "series 'oil_temp': quality has 1 entries"),
        ("quality", "excellent", "unknown word: 'excellent'"),
        ("reason", "because", "unknown word: 'because'"),
        ("time", "noon", "unknown word: 'noon'"),
        ("value", [1, {"base64": "?"}, 3], "unknown word"),
        ("value", [1, {}, 3], "unknown word"),
        ("value", [1, {"base64": 5}, 3], "unknown word"),
        ("resolution", {"about": 5}, "Invalid enum value 'about'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(column, content, sentence):
    message = wire()
    message["series"][0][column] = content
    with pytest.raises(FormatError, match=sentence):
        decode(json.dumps(message))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_messages_raise_nothing_else(data):
    claim = [Sequenced(Log.READING, "e", i, record) for i, record in enumerate([reading(1), feature(2), event(3)])]
    (message,) = encode("s", "g", claim, encoding=data.draw(encodings))
    damaged = bytearray(message.payload)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    for read in (decode, lambda payload: list(flat(payload))):
        with suppress(FormatError):
            read(bytes(damaged))


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_a_question_is_a_message_without_records_in_the_format_of_the_recipient(form):
    message = question("muster", "hall-1", Encoding(form))
    assert (message.topic, message.count) == (topic("muster", "hall-1"), 0)
    assert decode(message.payload) == Batch("muster", "hall-1", (), 1 if form == "json" else 2)
