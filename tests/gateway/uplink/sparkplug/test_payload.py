"""The Sparkplug payload: bytes as the standard has them, round trips, and anything a stranger may send."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.uplink.errors import FormatError
from gateway.uplink.sparkplug import decode as room
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.decode import decode
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.payload import Metric, Opaque, Payload, Property

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SINT = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UINT = {DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64, DataType.DATETIME: 64}
U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(max_size=40)


def test_every_byte_is_where_the_protobuf_schema_has_it():
    metric = Metric(
        name="t",
        alias=300,
        timestamp=1,
        datatype=DataType.INT32,
        historical=True,
        value=-7,
        properties={"Quality": Property(DataType.INT32, 192)},
    )
    expected = (
        "0805"  # 1 timestamp: 5
        "1224"  # 2 metrics: 36 bytes
        "0a0174"  # 1 name: t
        "10ac02"  # 2 alias: 300
        "1801"  # 3 timestamp: 1
        "2003"  # 4 datatype: Int32
        "2801"  # 5 is_historical
        "4a10"  # 9 properties: 16 bytes
        "0a075175616c697479"  # 1 keys: Quality
        "1205"  # 2 values: 5 bytes
        "0803"  # 1 type: Int32
        "18c001"  # 3 int_value: 192
        "50f9ffffff0f"  # 10 int_value: -7 in 32 bits
        "1806"  # 3 seq: 6
    )
    assert encode(Payload(timestamp=5, seq=6, metrics=(metric,))).hex() == expected


def test_null_has_its_flag_and_no_value_and_a_bare_metric_no_datatype():
    null = Metric(alias=1, datatype=DataType.DOUBLE, bare=True)
    assert encode(Payload(metrics=(null,))).hex() == "1204" + "1001" + "3801"
    assert decode(encode(Payload(metrics=(null,)))).metrics == (Metric(alias=1, bare=True),)


def test_each_datatype_has_its_field():
    for datatype, value, field in [
        (DataType.UINT16, 7, "5007"),
        (DataType.INT64, -1, "58" + "ff" * 9 + "01"),
        (DataType.FLOAT, 1.5, "65" + struct.pack("<f", 1.5).hex()),
        (DataType.DOUBLE, 1.5, "69" + struct.pack("<d", 1.5).hex()),
        (DataType.BOOLEAN, True, "7001"),
        (DataType.STRING, "ä", "7a02c3a4"),
        (DataType.BYTES, b"\x01", "82010101"),
    ]:
        encoded = encode(Payload(metrics=(Metric(datatype=datatype, bare=True, value=value),))).hex()
        assert encoded.endswith(field), (datatype, encoded)


@st.composite
def typed(draw: st.DrawFn, data: bool = True) -> tuple[DataType, object]:
    """A datatype and a value of it, or null."""
    datatype = draw(st.sampled_from([*SINT, *UINT, DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.STRING]))
    if data and draw(st.booleans()):
        datatype = DataType.BYTES
    values = {
        DataType.FLOAT: st.floats(width=32, allow_nan=False),
        DataType.DOUBLE: st.floats(allow_nan=False),
        DataType.BOOLEAN: st.booleans(),
        DataType.STRING: TEXT,
        DataType.BYTES: st.binary(max_size=40),
    }
    if datatype in SINT:
        value = st.integers(-(2 ** (SINT[datatype] - 1)), 2 ** (SINT[datatype] - 1) - 1)
    elif datatype in UINT:
        value = st.integers(0, 2 ** UINT[datatype] - 1)
    else:
        value = values[datatype]
    return datatype, draw(st.none() | value)


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    """A metric as we or others may send it."""
    datatype, value = draw(typed())
    return Metric(
        name=draw(st.none() | TEXT),
        alias=draw(st.none() | U64),
        timestamp=draw(st.none() | U64),
        datatype=datatype,
        historical=draw(st.booleans()),
        value=value,
        properties={key: Property(*draw(typed(data=False))) for key in draw(st.lists(TEXT, max_size=3, unique=True))},
    )


payloads = st.builds(
    Payload, timestamp=st.none() | U64, seq=st.none() | U64, metrics=st.lists(metrics(), max_size=5).map(lambda items: tuple(items))
)


@QUICK
@given(payloads)
def test_what_is_encoded_is_decoded_as_it_was(payload: Payload):
    assert decode(encode(payload)) == payload


@QUICK
@given(payloads, st.data())
def test_a_damaged_payload_is_read_or_refused_with_our_own_error(payload: Payload, data: st.DataObject):
    raw = bytearray(encode(payload))
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with_error_or_payload(cut)


@settings(QUICK, max_examples=500)
@given(st.binary(max_size=300))
@example(b"\x12" + b"\xff" * 9 + b"\x01")  # a length of 2^64 - 1
@example(b"\x0b\x0c")  # a group
@example(b"\x12\x02\x20\x63")  # datatype 99
@example(b"\x12\x03\x0a\x01\xff")  # a name that is not UTF-8
@example(b"\x12\x06\x65\x00\x00\x00\x00")  # breaks off
@example(b"\x12\x04\x4a\x02\x0a\x00")  # a key without a value
def test_garbage_is_read_or_refused_with_our_own_error(data: bytes):
    with_error_or_payload(data)


def with_error_or_payload(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        assert isinstance(decode(data), Payload)


def test_what_is_made_of_a_payload_is_bounded(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(FormatError, match="too large"):
        decode(bytes(room.MAX_BYTES + 1))
    with pytest.raises(FormatError, match="more than 20000 metrics"):
        decode(b"\x12\x00" * 20_001)
    assert len(decode(b"\x12\x00" * 20_000).metrics) == 20_000
    many = b"\x0a\x00" * 65
    with pytest.raises(FormatError, match="more than 64 properties"):
        decode(b"\x12\x85\x01\x4a\x82\x01" + many)


def test_unknown_fields_are_passed_over_and_values_that_are_not_looked_into_are_kept_as_they_are():
    dataset = b"\x12\x05\x8a\x01\x02\x08\x02"
    assert decode(b"\x98\x06\x01" + dataset).metrics == (Metric(bare=True, value=Opaque(17, b"\x08\x02")),)
    assert decode(b"\x2a\x01x\x22\x01u") == Payload()  # body and uuid


def test_of_several_values_the_last_one_stands_as_in_every_protobuf_library():
    assert decode(b"\x12\x06\x50\x01\x50\x02\x70\x01").metrics[0].value is True


def test_a_value_that_has_no_place_is_the_callers_mistake():
    with pytest.raises(ValueError, match="DATASET is never sent"):
        encode(Payload(metrics=(Metric(datatype=DataType.DATASET, value=b""),)))
    with pytest.raises(ValueError, match="BYTES is never sent"):
        encode(Payload(metrics=(Metric(datatype=DataType.INT8, value=1, properties={"a": Property(DataType.BYTES, b"")}),)))
