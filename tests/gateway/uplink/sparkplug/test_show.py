"""A payload for people: everything it says, as JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uplink.errors import FormatError
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.payload import Metric, Payload, Property
from gateway.uplink.sparkplug.show import plain


def test_a_birth_and_its_data_say_what_they_are():
    quality = {"Quality": Property(DataType.INT32, 192), "engUnit": Property(DataType.STRING, "°C")}
    born = Metric(name="oil_temp", alias=3, timestamp=1_700_000_000_123, datatype=DataType.DOUBLE, value=41.5, properties=quality)
    late = Metric(alias=3, timestamp=1, datatype=DataType.UINT64, historical=True)
    assert plain(encode(Payload(timestamp=1_700_000_000_000, seq=0, metrics=(born, late)))) == {
        "timestamp": "2023-11-14T22:13:20.000Z",
        "seq": 0,
        "metrics": [
            {
                "name": "oil_temp",
                "alias": 3,
                "timestamp": "2023-11-14T22:13:20.123Z",
                "datatype": "Double",
                "value": 41.5,
                "properties": {"Quality": 192, "engUnit": "°C"},
            },
            {"alias": 3, "timestamp": "1970-01-01T00:00:00.001Z", "datatype": "UInt64", "historical": True, "value": None},
        ],
    }


@pytest.mark.parametrize(
    ("datatype", "word"),
    [
        (DataType.INT8, "Int8"),
        (DataType.UINT16, "UInt16"),
        (DataType.BOOLEAN, "Boolean"),
        (DataType.UUID, "UUID"),
        (DataType.DATETIME, "DateTime"),
    ],
)
def test_datatypes_are_the_words_of_the_standard(datatype, word):
    assert plain(encode(Payload(metrics=(Metric(datatype=datatype),))))["metrics"] == [{"datatype": word, "value": None}]


def test_what_json_cannot_hold_is_written_so_that_it_can():
    metrics = (
        Metric(datatype=DataType.BYTES, bare=True, value=b"\x00\xff"),
        Metric(datatype=DataType.DOUBLE, bare=True, value=math.inf),
        Metric(timestamp=2**63, bare=True),
    )
    shown = plain(encode(Payload(metrics=metrics)))["metrics"]
    assert shown == [{"value": {"base64": "AP8="}}, {"value": "inf"}, {"timestamp": 2**63, "value": None}]
    assert plain(b"\x12\x05\x8a\x01\x02\x08\x02") == {"metrics": [{"value": {"field": 17, "base64": "CAI="}}]}


def test_what_is_none_is_refused():
    with pytest.raises(FormatError):
        plain(b"\x12\xff")


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_whatever_is_read_has_a_json_form(data):
    try:
        shown = plain(data)
    except FormatError:
        return
    assert json.loads(json.dumps(shown, allow_nan=False)) is not None
