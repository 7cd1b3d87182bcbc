"""Aliases: one number per metric, for ever."""

from __future__ import annotations

import msgspec
import pytest

from gateway.uplink.sparkplug.alias import Aliases, Known, Names
from gateway.uplink.sparkplug.datatype import DataType


def test_every_metric_of_the_node_has_a_number_of_its_own_and_keeps_it_over_a_restart():
    aliases = Aliases()
    first = {key: aliases.of(*key).alias for key in [("press-1", "t"), ("press-2", "t"), ("", "t"), ("press-1", "p")]}
    assert len(set(first.values())) == 4
    assert 0 not in first.values()  # what some decoders take for "none"
    again = Aliases(msgspec.json.decode(msgspec.json.encode(aliases.names), type=Names))
    assert {key: again.of(*key).alias for key in reversed(first)} == first
    assert not again.changed
    assert again.of("press-3", "t").alias not in first.values()
    assert again.changed


def test_what_a_metric_turned_out_to_be_is_remembered():
    aliases = Aliases()
    aliases.learn("spindle", "vibration.rms", DataType.DOUBLE, "m/s²")
    aliases.changed = False
    aliases.learn("spindle", "vibration.rms", DataType.DOUBLE, "m/s²")
    assert not aliases.changed
    known = aliases.of("spindle", "vibration.rms")
    assert (known.datatype, known.unit) == (DataType.DOUBLE, "m/s²")


@pytest.mark.parametrize(
    "saved",
    [
        Names(next=9, metrics={"a": {"x": Known(1), "y": Known(1)}}),
        Names(next=1, metrics={"a": {"x": Known(5)}}),
        Names(next=9, metrics={"a": {"x": Known(0)}}),
        Names(next=9, metrics={"a": {"x": Known(1, datatype=99)}}),
    ],
)
def test_saved_numbers_that_make_no_sense_are_not_used(saved):
    aliases = Aliases(saved)
    assert aliases.names.metrics == {}
    assert aliases.of("a", "x").alias != aliases.of("a", "y").alias
