"""The edge node, one rule at a time; `test_node_any_order` mixes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from gateway.model import Event, Feature, Quality, Reading, Reason, Severity, TimeQuality
from gateway.uplink.sparkplug import node as room
from gateway.uplink.sparkplug.alias import Aliases
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.decode import decode
from gateway.uplink.sparkplug.device import Point
from gateway.uplink.sparkplug.node import Node
from gateway.uplink.sparkplug.past import Past
from gateway.uplink.sparkplug.payload import Payload

from .hosting import Host, drain, stamp

TEMP = Point("oil_temp", "°C", "number")
MODE = Point("mode", "", "text")


@pytest.fixture
def node() -> Node:
    """A node with one machine that answers, connected and born."""
    node = Node("muster", "hall-1", Aliases(), Past(stamp(0)))
    node.own.define([Point("Properties/Version", "", "text")])
    node.define({"press-1": [TEMP, MODE]})
    node.turned("press-1", "good", stamp(0))
    node.begin(0, 100_000)
    return node


@pytest.fixture
def host(node: Node) -> Host:
    host = Host()
    drain(node, host, stamp(1))
    return host


def reading(seconds: float, value: object, point: str = "oil_temp", machine: str = "press-1", **more: object) -> Reading:
    return Reading(machine=machine, point=point, value=value, stamp=stamp(seconds), **more)


def sent(node: Node, host: Host, seconds: float) -> list[str]:
    before = len(host.kinds)
    drain(node, host, stamp(seconds))
    return host.kinds[before:]


def next_payload(node: Node, seconds: float) -> Payload:
    message = node.next(stamp(seconds))
    assert message is not None
    node.sent(message, stamp(seconds))
    return decode(message.payload)


def test_seq_runs_from_0_to_255_and_begins_anew(node, host):
    seqs = [0, 1]
    for number in range(600):
        node.offer([reading(2 + number, float(number))])
        seqs.append(next_payload(node, 2.0 + number).seq)
    assert seqs == [number % 256 for number in range(602)]


def test_a_seq_is_used_only_by_what_was_handed_over(node, host):
    node.offer([reading(2, 1.0)])
    assert node.next(stamp(2)).seq == 2
    node.offer([reading(3, 2.0)])  # the first message was lost on the way to the socket
    assert node.next(stamp(3)).seq == 2


def test_what_has_not_changed_is_not_told_again(node, host):
    node.offer([reading(2, 40.0)])
    assert sent(node, host, 2) == ["DDATA"]
    assert not node.offer([reading(600, 40.0)])
    assert sent(node, host, 600) == []
    assert node.offer([reading(601, 40.0, quality=Quality.UNCERTAIN, reason=Reason.DEVICE_UNCERTAIN)])
    assert sent(node, host, 601) == ["DDATA"]


def test_a_bad_value_is_null_with_its_quality_and_the_next_good_one_says_that_it_is(node, host):
    states: Sequence[tuple[float | None, Quality, Reason]] = [
        (None, Quality.BAD, Reason.TIMEOUT),
        (None, Quality.BAD, Reason.STALE),
        (5.0, Quality.UNCERTAIN, Reason.DEVICE_UNCERTAIN),
        (6.0, Quality.GOOD, Reason.NONE),
        (7.0, Quality.GOOD, Reason.NONE),
    ]
    told = []
    for second, (value, quality, reason) in enumerate(states, 2):
        node.offer([reading(second, value, quality=quality, reason=reason)])
        (metric,) = next_payload(node, second).metrics
        told.append((metric.value, metric.properties["Quality"].value if metric.properties else None))
    assert told == [(None, 0), (None, 500), (5.0, 500), (6.0, 192), (7.0, None)]


def test_events_are_metrics_of_their_own_beside_their_point(node, host):
    words = {"machine": "press-1", "point": "oil_temp", "kind": "limit", "severity": Severity.ALARM, "before": "normal"}
    node.define({"press-1": [TEMP, MODE, Point("oil_temp/limit", form="text", of="oil_temp", initial="normal")]})
    drain(node, host, stamp(7))
    assert host.values["press-1", "oil_temp/limit"] == ("normal", 192)
    node.offer([Event(after="high", stamp=stamp(8), **words)])
    assert sent(node, host, 8) == ["DDATA"]
    assert host.values["press-1", "oil_temp/limit"] == ("high", 192)


def test_a_machine_that_is_lost_dies_and_is_born_with_what_it_says_then(node, host):
    node.turned("press-1", "bad", stamp(2))
    node.offer([reading(2, None, quality=Quality.BAD, reason=Reason.TIMEOUT)])
    assert sent(node, host, 2) == ["DDEATH"]
    node.turned("press-1", "good", stamp(3))
    node.offer([reading(3, 44.0)])
    assert sent(node, host, 3) == ["DBIRTH"]
    assert host.values["press-1", "oil_temp"] == (44.0, 192)


def test_a_machine_that_flaps_is_born_again_later_and_later(node, host):
    held = []
    for second in range(10, 400, 90):
        node.turned("press-1", "bad", stamp(second))
        node.turned("press-1", "good", stamp(second))
        drain(node, host, stamp(second))
        held.append(0.0 if math.isinf(due := node.due_s(stamp(second))) else due - second)
        drain(node, host, stamp(second + 80))
        assert "press-1" in host.alive
    assert held == [0.0, 1.0, 2.0, 4.0, 8.0]
    node.turned("press-1", "bad", stamp(2000))
    node.turned("press-1", "good", stamp(2000))
    assert sent(node, host, 2000) == ["DDEATH", "DBIRTH"]


def test_several_devices_have_their_turn(node, host):
    node.define({name: [TEMP] for name in ("press-1", "press-2", "press-3")})
    for name in ("press-2", "press-3"):
        node.turned(name, "good", stamp(2))
    drain(node, host, stamp(10))
    for value in range(room.MOST_VALUES + 1):
        for name in ("press-1", "press-2", "press-3"):
            node.offer([reading(11 + value / 1000, float(value), machine=name)])
    devices = []
    while (message := node.next(stamp(20))) is not None:
        devices.append(message.device)
        node.sent(message, stamp(20))
    assert devices == ["press-1", "press-2", "press-3"] * 2


def test_after_a_step_of_the_wall_clock_a_new_message_begins(node, host):
    for second in (2, 3):
        node.offer([reading(second, float(second))])
    back = Reading(machine="press-1", point="oil_temp", value=4.0, stamp=stamp(4, wall_step_s=-1000))
    node.offer([back])
    assert [len(next_payload(node, 5).metrics) for _ in range(2)] == [2, 1]
    assert node.next(stamp(5)) is None


def test_a_time_that_is_not_known_is_said_so(node, host):
    unsure = stamp(3, quality=TimeQuality.UNCERTAIN)
    node.offer([Reading(machine="press-1", point="oil_temp", value=1.0, stamp=unsure)])
    (metric,) = next_payload(node, 3).metrics
    assert metric.properties["timeQuality"].value == "uncertain"


def test_a_unit_or_type_that_shows_later_costs_one_birth_and_not_one_each(node, host):
    node.define({"spindle": [Point("vibration.rms", "", "number"), Point("speed")]})
    node.turned("spindle", "good", stamp(2))
    assert sent(node, host, 2) == ["DDEATH", "DBIRTH"]  # of the press, which is shared no more
    node.offer([Feature(machine="spindle", point="vibration.rms", value=1.0, stamp=stamp(3), unit="m/s²")])
    assert sent(node, host, 3) == ["NBIRTH", "DBIRTH"]
    node.offer([reading(4, "fast", point="speed", machine="spindle")])
    node.offer([reading(4.1, 2.0, point="vibration.rms", machine="spindle")])
    assert sent(node, host, 4.2) == ["DDATA"]  # what can be told is; the other waits for the births
    assert node.due_s(stamp(4.2)) == pytest.approx(3 + room.OWN_PAUSE_S)
    assert sent(node, host, 8.1) == ["NBIRTH", "DBIRTH"]
    assert host.values["spindle", "speed"] == ("fast", 192)
    again = Node("muster", "hall-1", Aliases(node.aliases.names), Past(stamp(0)))
    again.define({"spindle": [Point("vibration.rms", "", "number"), Point("speed")]})
    assert [slot.claim for slot in again.devices["spindle"].slots.values()] == [(DataType.DOUBLE, "m/s²"), (DataType.STRING, "")]


def test_a_birth_larger_than_the_broker_takes_is_told_and_holds_nobody_up(node):
    host = Host()
    node.define({"press-1": [Point(f"point-{number}", "", "number") for number in range(100)], "press-2": [TEMP]})
    node.turned("press-2", "good", stamp(1))
    node.begin(0, 600)
    drain(node, host, stamp(1))
    assert host.kinds == ["NBIRTH", "DBIRTH"]
    assert node.too_large == {"press-1"}
    node.offer([reading(2, 1.0, machine="press-2"), reading(2, 1.0, point="point-1")])
    assert sent(node, host, 2) == ["DDATA"]


def test_a_value_larger_than_the_broker_takes_is_null_and_bad(node):
    host = Host()
    node.begin(0, 600)
    drain(node, host, stamp(1))
    node.offer([reading(2, "x" * 1000, point="mode"), reading(2, 1.5)])
    drain(node, host, stamp(2))
    assert host.values["press-1", "mode"] == (None, 0)
    assert host.values["press-1", "oil_temp"] == (1.5, 192)


def test_nothing_is_sent_while_the_primary_host_is_away(node):
    host = Host()
    node.host_online = False
    node.offer([reading(1, 1.0)])
    assert sent(node, host, 1) == []
    assert node.due_s(stamp(1)) == math.inf
    node.host_online = True
    assert sent(node, host, 2) == ["NBIRTH", "DBIRTH"]


def test_records_of_machines_that_nobody_knows_are_left_alone(node, host):
    assert not node.offer([reading(2, 1.0, machine="unknown")])
    node.turned("unknown", "good", stamp(2))
    assert sent(node, host, 2) == []
    assert "unknown" not in node.aliases.names.metrics


def test_births_out_of_turn_come_at_once_when_the_member_changes_what_is_shared(node, host):
    node.offer([reading(2, 1, point="new")])
    assert sent(node, host, 2) == ["NBIRTH", "DBIRTH"]
    node.define({"press-1": [TEMP]})
    assert sent(node, host, 2.1) == ["NBIRTH", "DBIRTH"]
    assert {name for _, name in host.values} == {"Properties/Version", "oil_temp"}


def test_a_metric_that_only_a_record_brought_stays_while_it_is_released_and_goes_with_its_machine(node, host):
    node.offer([reading(2, 1, point="brought")])
    assert sent(node, host, 2) == ["NBIRTH", "DBIRTH"]
    node.define({"press-1": [TEMP, MODE]}, lambda machine, point: (machine, point) == ("press-1", "brought"))
    assert sent(node, host, 10) == []
    node.turned("press-1", "gone", stamp(11))
    node.turned("press-1", "good", stamp(12))
    assert sent(node, host, 12) == ["DDEATH", "DBIRTH"]
    assert {name for device, name in host.values if device} == {"oil_temp", "mode"}


def test_the_death_has_one_metric_and_no_time(node):
    topic, payload = node.death(7)
    assert topic == "spBv1.0/muster/NDEATH/hall-1"
    death = decode(payload)
    assert (death.seq, death.timestamp) == (None, None)
    assert [(metric.name, metric.value, metric.datatype, metric.alias) for metric in death.metrics] == [
        ("bdSeq", 7, DataType.INT64, None)
    ]


def test_values_from_before_the_clock_was_known_get_their_time_on_the_way_out():
    def repaired(moment):
        return stamp(moment.mono_ns / 1e9) if moment.quality is TimeQuality.UNCERTAIN else moment

    early = stamp(2, wall_step_s=-1e9, quality=TimeQuality.UNCERTAIN)
    node = Node("muster", "hall-1", Aliases(), Past(stamp(0)), repair=repaired)
    node.define({"press-1": [TEMP]})
    node.offer([Reading(machine="press-1", point="oil_temp", value=1.0, stamp=early)])
    node.turned("press-1", "good", stamp(3))
    node.begin(0, 100_000)
    next_payload(node, 4)
    (metric,) = next_payload(node, 4).metrics
    assert metric.timestamp == stamp(2).wall_ns // 1_000_000
    assert "timeQuality" not in metric.properties
