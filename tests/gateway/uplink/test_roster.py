"""Whose turn it is: in order, held back, and referred only to a broker of the list that is as safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.broker import BrokerUrl
from gateway.uplink.roster import Roster

A, B, C = (BrokerUrl(f"mqtts://{name}.example") for name in "abc")


class Time:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


def round_of(roster):
    roster.begin()
    order = []
    while (url := roster.turn()) is not None:
        order.append(url)
        roster.pass_on()
    return order


def test_a_round_asks_everyone_once_beginning_with_the_one_whose_turn_it_is(time):
    roster = Roster([A, B, C], time)
    assert round_of(roster) == [A, B, C]
    roster.pass_on()
    assert round_of(roster) == [B, C, A]
    roster.restart()
    assert round_of(roster) == [A, B, C]


def test_one_that_is_held_is_left_out_until_its_time_and_all_can_be(time):
    roster = Roster([A, B, C], time)
    roster.hold(B, 60)
    assert (round_of(roster), roster.wait_s) == ([A, C], 0)
    roster.hold(None, 30)
    assert (round_of(roster), roster.wait_s) == ([], 30)
    time.now += 30
    roster.restart()
    assert round_of(roster) == [A, C]
    roster.hold(None, 1000)
    roster.release()
    roster.restart()
    assert round_of(roster) == [A, B, C]


@pytest.mark.parametrize(
    ("references", "target"),
    [
        ("c.example", C),
        ("c.example:8883", C),
        ("C.Example:8883", C),
        ("mqtts://c.example:8883/", C),
        ("elsewhere.example c.example b.example", C),
        ("c.example:1883", None),
        ("c.example:", None),
        ("c.example:8883x", None),
        ("a.example", None),
        ("evil.example", None),
        ("user@c.example", None),
        ("", None),
        ("[::1]:8883", None),
    ],
)
def test_a_reference_is_followed_into_the_list_only(time, references, target):
    roster = Roster([A, B, C], time)
    assert roster.refer(references, A, for_good=False) == target
    roster.begin()
    assert roster.turn() == (target or A)


def test_a_broker_that_moved_for_good_is_not_asked_first_any_more(time):
    roster = Roster([A, B, C], time)
    roster.refer("b.example", A, for_good=False)
    roster.restart()
    assert round_of(roster) == [A, B, C]
    roster.refer("b.example", A, for_good=True)
    roster.restart()
    assert round_of(roster) == [B, C, A]


def test_nobody_is_sent_from_an_encrypted_connection_to_an_open_one(time):
    safe, plain = BrokerUrl("mqtts://a"), BrokerUrl("mqtt://b")
    assert Roster([safe, plain], time).refer("b", safe, for_good=False) is None
    assert Roster([plain, safe], time).refer("a", plain, for_good=False) == safe


@given(st.text(max_size=60) | st.text("abc.:[]/ 0123456789example", max_size=60))
def test_whatever_a_broker_writes_leads_out_of_the_list_never(references):
    roster = Roster([A, B, BrokerUrl("mqtt://[fe80::1]:1883")], Time())
    assert roster.refer(references, A, for_good=True) in {None, B}
    roster.begin()
    assert roster.turn() in {A, B}
