"""The primary host's STATE: which messages count."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Stamp, TimeQuality
from gateway.uplink.sparkplug.host import FORGIVEN_S, PrimaryHost, Turn

NOW_MS = 1_700_000_000_000


def at(seconds: float = 0.0, quality: TimeQuality = TimeQuality.SYNCED) -> Stamp:
    return Stamp(NOW_MS * 1_000_000, round(seconds * 1e9), "0" * 32, quality)


def state(online: bool, offset_ms: int = 0) -> bytes:
    return b'{"online":%s,"timestamp":%d}' % (b"true" if online else b"false", NOW_MS + offset_ms)


@pytest.fixture
def host() -> PrimaryHost:
    host = PrimaryHost("scada")
    host.connected("mqtt://a")
    return host


def test_it_is_waited_for_until_it_says_online(host):
    assert not host.online
    assert host.take(state(False), at()) is Turn.OFFLINE
    assert host.take(state(True, 1), at()) is Turn.ONLINE
    assert host.online
    assert host.take(state(True, 1), at()) is Turn.NOTHING
    assert host.ignored == 0


def test_the_will_of_an_earlier_life_is_ignored(host):
    host.take(state(True, 100), at())
    assert host.take(state(False, 99), at()) is Turn.NOTHING
    assert (host.online, host.ignored) == (True, 1)
    assert host.take(state(False, 100), at()) is Turn.OFFLINE
    assert not host.online


def test_online_older_than_any_state_before_does_not_count_also_over_a_reconnect(host):
    host.take(state(True, 100), at())
    host.take(state(False, 200), at())
    host.connected("mqtt://a")
    assert host.take(state(True, 100), at()) is Turn.NOTHING
    assert not host.online
    assert host.take(state(True, 201), at()) is Turn.ONLINE


def test_every_broker_has_times_of_its_own(host):
    host.take(state(True, 500), at())
    host.connected("mqtt://b")
    assert not host.online
    assert host.take(state(True, 100), at()) is Turn.ONLINE


def test_a_host_whose_clock_was_set_back_is_believed_after_ten_minutes(host):
    host.take(state(True, 0), at())
    host.take(state(False, 0), at())
    assert host.take(state(True, -3_600_000), at(0)) is Turn.NOTHING
    assert host.wait_over(at(FORGIVEN_S - 1)) is Turn.NOTHING
    assert host.wait_over(at(FORGIVEN_S)) is Turn.ONLINE
    assert host.take(state(False, -3_600_000), at(FORGIVEN_S)) is Turn.OFFLINE


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"ONLINE",
        b"OFFLINE",
        b"[]",
        b"{}",
        b'{"online":true}',
        b'{"online":"true","timestamp":1}',
        b'{"online":1,"timestamp":1}',
        b'{"online":true,"timestamp":null}',
        b'{"online":true,"timestamp":-1}',
        b'{"online":true,"timestamp":1e400}',
        b'{"online":true,"timestamp":99999999999999999999999}',
        b'{"online":true,"timestamp":9007199254740993}',  # in the year 287396
        b'{"online":true,"timestamp":1}' + b" " * 2000,
        b"[" * 900,
        b"\xff\xfe",
    ],
)
def test_garbage_is_ignored_and_counted_and_changes_nothing(host, payload):
    assert host.take(payload, at()) is Turn.NOTHING
    assert (host.online, host.ignored) == (False, 1)
    assert host.take(state(True), at()) is Turn.ONLINE


def test_a_far_time_counts_while_our_own_clock_is_not_known(host):
    assert host.take(state(True, 10 * 365 * 86_400_000), at(quality=TimeQuality.UNCERTAIN)) is Turn.ONLINE


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_may_stand_in_a_retained_state(payload):
    host = PrimaryHost("scada")
    host.connected("mqtt://a")
    assert host.take(payload, at()) in set(Turn)
