"""Which datatype a value is sent as."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uplink.sparkplug.datatype import OF_FORM, DataType, fitted, joined, of_value
from gateway.uplink.sparkplug.decode import decode
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.payload import Metric, Payload

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.lists(st.integers() | st.text(max_size=3), max_size=3)
)


@pytest.mark.parametrize(
    ("value", "datatype"),
    [
        (True, DataType.BOOLEAN),
        (-1, DataType.INT64),
        (2**63, DataType.UINT64),
        (2**64, DataType.DOUBLE),
        (1.0, DataType.DOUBLE),
        ("run", DataType.STRING),
        (["fault", "running"], DataType.STRING),
        (b"\x00", DataType.BYTES),
        (None, None),
    ],
)
def test_a_value_has_a_datatype_by_itself(value, datatype):
    assert of_value(value) is datatype


@pytest.mark.parametrize(
    ("known", "value", "together"),
    [
        (DataType.INT64, True, DataType.INT64),
        (DataType.BOOLEAN, 3, DataType.INT64),
        (DataType.UINT64, 3, DataType.UINT64),
        (DataType.UINT64, -3, DataType.DOUBLE),
        (DataType.INT64, 2**63, DataType.DOUBLE),
        (DataType.INT64, 0.5, DataType.DOUBLE),
        (DataType.DOUBLE, 3, DataType.DOUBLE),
        (DataType.DOUBLE, "off", DataType.STRING),
        (DataType.STRING, 7, DataType.STRING),
        (DataType.BYTES, "x", DataType.STRING),
        (DataType.INT64, None, DataType.INT64),
        (None, None, None),
    ],
)
def test_a_metric_whose_values_change_their_type_widens_to_one_that_holds_both(known, value, together):
    assert joined(known, value) is together


@settings(deadline=None)
@given(st.lists(VALUES, max_size=12))
def test_every_value_has_an_encoded_form_and_the_datatype_settles(values):
    datatype, changes = None, 0
    for value in values:
        wider = joined(datatype, value)
        changes += wider is not datatype
        datatype = wider
        if datatype is None:
            assert value is None
            continue
        content = fitted(datatype, value)
        metric = Metric(alias=1, datatype=datatype, value=content)
        assert decode(encode(Payload(metrics=(metric,)))).metrics[0].datatype is datatype
    assert changes <= 4


def test_what_no_host_could_use_is_null():
    assert fitted(DataType.DOUBLE, math.nan) is None
    assert fitted(DataType.DOUBLE, 10**400) is None
    assert fitted(DataType.DOUBLE, None) is None


def test_what_is_no_text_becomes_json():
    assert fitted(DataType.STRING, ["fault", "running"]) == '["fault","running"]'
    assert fitted(DataType.STRING, 7) == "7"
    assert fitted(DataType.STRING, True) == "true"
    assert fitted(DataType.STRING, object()).startswith("<object")


def test_the_forms_that_a_configuration_promises_are_known():
    assert set(OF_FORM) == {"number", "whole", "unsigned", "truth", "text"}
