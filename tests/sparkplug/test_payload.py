"""The decoder of the checker agrees with the proto file by hand-made bytes, with its own encoder, and with itself on garbage."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sparkplug.encode import encode
from tests.sparkplug.payload import (
    BOOLEAN,
    DATETIME,
    DOUBLE,
    FLOAT,
    INT8,
    INT16,
    INT32,
    INT64,
    STRING,
    UINT8,
    UINT64,
    Metric,
    Payload,
    PayloadError,
    Properties,
    Property,
    decode,
)


def test_bytes_written_by_hand_from_the_proto_file_are_read():
    quality = bytes.fromhex("4a 10 0a07 5175616c697479 1205 0803 18f403")
    body = b"\x0a\x01t" + b"\x10\x07" + b"\x18\x90\x4e" + b"\x20\x03" + b"\x28\x01" + quality + b"\x50\xf9\xff\xff\xff\x0f"
    payload = decode(b"\x08\xe8\x07" + b"\x12" + bytes([len(body)]) + body + b"\x18\xff\x01")
    found = Metric("t", 7, 10000, INT32, True, None, None, Properties(("Quality",), (Property(3, "int", 500),)), "int", 0xFFFFFFF9)
    assert payload == Payload(1000, (found,), 255)
    assert found.value() == -7


numbers = st.integers(0, (1 << 64) - 1)
texts = st.text(max_size=10)
VALUES = {
    "int": st.integers(0, (1 << 32) - 1),
    "long": numbers,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "string": texts,
    "bytes": st.binary(max_size=10),
}
values = st.one_of(st.tuples(st.just(name), value) for name, value in VALUES.items()) | st.just((None, None))
properties = st.builds(
    Properties,
    st.lists(texts, max_size=3).map(tuple),
    st.lists(
        st.tuples(values.filter(lambda v: v[0] != "bytes"), st.none() | numbers).map(lambda v: Property(v[1], *v[0])), max_size=3
    ).map(tuple),
)


def _metric(value, **fields):
    return Metric(field=value[0], raw=value[1], **fields)


optional = {name: st.none() | numbers for name in ("alias", "timestamp", "datatype")}
flags = {name: st.none() | st.booleans() for name in ("is_historical", "is_transient", "is_null")}
metrics = st.builds(_metric, values, name=st.none() | texts, properties=st.none() | properties, **optional, **flags)
payloads = st.builds(
    Payload,
    timestamp=st.none() | numbers,
    metrics=st.lists(metrics, max_size=4).map(tuple),
    seq=st.none() | numbers,
    uuid=st.none() | texts,
    body=st.none() | st.binary(max_size=5),
)


@given(payloads)
def test_what_is_encoded_is_decoded(payload):
    assert decode(encode(payload)) == payload


@given(st.binary(max_size=80))
def test_any_bytes_are_a_payload_or_refused_with_the_one_error(data):
    try:
        payload = decode(data)
    except PayloadError:
        return
    for metric in payload.metrics:
        with contextlib.suppress(PayloadError):
            metric.value()


@given(payloads, st.data())
def test_a_payload_that_is_cut_within_a_metric_is_refused(payload, data):
    wire = encode(Payload(1, (*payload.metrics, Metric("x" * 20))))
    cut = data.draw(st.integers(len(wire) - 19, len(wire) - 1))
    with pytest.raises(PayloadError):
        decode(wire[:cut])


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (INT8, "int", 0xFF, -1),
        (INT8, "int", 0xFFFFFF80, -128),
        (INT16, "int", 0x8000, -32768),
        (INT16, "int", 0xFFFF8000, -32768),
        (INT32, "int", 0x80000000, -(1 << 31)),
        (INT64, "long", (1 << 64) - 1, -1),
        (UINT64, "long", (1 << 64) - 1, (1 << 64) - 1),
        (UINT8, "int", 200, 200),
        (DATETIME, "long", 1000, 1000),
        (FLOAT, "float", struct.unpack("<f", struct.pack("<f", 0.1))[0], struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        (DOUBLE, "double", 0.1, 0.1),
        (BOOLEAN, "boolean", True, True),
        (STRING, "string", "grün", "grün"),
    ],
)
def test_a_value_means_what_its_data_type_says(datatype, field, raw, value):
    assert Metric(datatype=datatype, field=field, raw=raw).value() == value
    assert Metric(field=field, raw=raw).value(datatype) == value


@pytest.mark.parametrize(
    ("datatype", "field", "raw"), [(INT8, "int", 300), (UINT8, "int", 256), (INT32, "long", 1), (99, "int", 1), (None, "int", 1)]
)
def test_a_value_that_does_not_fit_its_data_type_is_refused(datatype, field, raw):
    with pytest.raises(PayloadError):
        Metric(datatype=datatype, field=field, raw=raw).value()
