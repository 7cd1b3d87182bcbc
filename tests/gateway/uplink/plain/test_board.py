"""What stands on the notice board: the latest of what is released, and nothing of what is not any more."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Feature, Quality, Reading, Reason, Stamp, TimeQuality
from gateway.uplink.plain.board import Board
from gateway.uplink.plain.discovery import announcement, identifier
from gateway.uplink.plain.message import Topics, encode
from tests.gateway.uplink.fakes import event, feature, reading, stamp
from tests.peers import home_assistant

TOPICS = Topics("shop", "hall-1")
MACHINES = {"press-1": frozenset({"oil_temp", "mode"}), "spindle": frozenset({"vibration.rms"})}


def board(discovery=None, standing=()):
    made = Board(TOPICS, "muster", "hall-1", discovery=discovery, standing=standing)
    made.define(MACHINES, lambda machine, point: True)
    return made


def unread(**changes):
    usual = {"machine": "press-1", "point": "oil_temp", "value": None, "stamp": stamp(), "unit": "°C"}
    return Reading(**(usual | {"quality": Quality.BAD, "reason": Reason.TIMEOUT} | changes))


def post(made):
    """Publish everything to a broker that takes everything; return what was sent."""
    notices = made.take()
    for notice in notices:
        made.accepted(notice)
    return {notice.topic: notice.payload for notice in notices}


def test_a_value_explains_itself():
    assert json.loads(encode(reading(1500, value=41.5), stamp(1500))) == {
        "value": 41.5,
        "unit": "°C",
        "t": "2023-11-14T22:13:21.500Z",
        "quality": "good",
    }
    late = Stamp(stamp().wall_ns, 0, "0" * 32, TimeQuality.UNCERTAIN)
    bad = unread(stamp=late)
    told = json.loads(encode(bad, late))
    assert (told["value"], told["quality"], told["reason"], told["time"]) == (None, "bad", "timeout", "uncertain")


values = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=20)


@given(values | st.lists(values, max_size=3))
def test_any_value_becomes_json(value):
    told = json.loads(encode(reading(1, value=value), stamp()), parse_constant=pytest.fail)
    if isinstance(value, float) and not math.isfinite(value):
        assert (told["value"], told["quality"]) == (None, "bad")
    elif isinstance(value, bool | int | float):
        assert told["value"] == value


def test_only_the_latest_is_shown_and_only_once():
    made = board()
    assert made.offer([reading(1), reading(2), feature(1)])
    sent = post(made)
    assert set(sent) == {"shop/press-1/oil_temp", "shop/spindle/vibration.rms"}
    assert json.loads(sent["shop/press-1/oil_temp"])["value"] == 2
    assert post(made) == {}
    assert not made.offer([event(1)])
    made.renew()
    assert len(post(made)) == 2


def test_what_is_not_released_is_never_taken():
    made = Board(TOPICS, "muster", "hall-1", discovery="homeassistant")
    assert not made.offer([reading(1)])
    made.define(MACHINES, lambda machine, point: point == "mode")
    assert not made.offer([reading(1), feature(1)])
    assert post(made) == {}


def test_what_is_withdrawn_is_wiped_off_also_after_a_restart():
    made = board("homeassistant")
    made.offer([reading(1), feature(1)])
    post(made)
    standing = sorted(made.standing)
    assert len(standing) == 4
    made.define(MACHINES, lambda machine, point: machine == "spindle")
    sent = post(made)
    assert set(sent.values()) == {b""}
    assert {topic for topic in sent if not topic.startswith("homeassistant/")} == {"shop/press-1/oil_temp"}
    assert len(made.standing) == 2

    again = Board(TOPICS, "muster", "hall-1", discovery="homeassistant", standing=standing)
    again.define({"spindle": MACHINES["spindle"]}, lambda machine, point: True)
    assert set(post(again)) == {topic for topic in standing if "press-1" in topic}


def test_what_has_only_not_been_reported_yet_after_a_restart_stays():
    made = board("homeassistant")
    made.offer([reading(1), feature(1)])
    post(made)
    again = board("homeassistant", made.standing)
    assert post(again) == {}
    again.offer([unread()])
    assert set(post(again)) == {"shop/press-1/oil_temp"}, "nothing is known of its kind, so its announcement stays"


def test_without_discovery_earlier_announcements_go():
    made = board("homeassistant")
    made.offer([reading(1)])
    post(made)
    again = board(None, made.standing)
    again.offer([reading(2)])
    sent = post(again)
    assert [topic for topic, payload in sent.items() if not payload] == [
        topic for topic in made.standing if topic.endswith("/config")
    ]


def test_a_point_that_turns_out_to_be_of_another_kind_is_announced_anew():
    made = board("homeassistant")
    made.offer([reading(1, "mode", value=True)])
    (switch,) = [topic for topic in post(made) if topic.endswith("/config")]
    made.offer([reading(2, "mode", value=7)])
    sent = post(made)
    assert sent[switch] == b""
    assert sent[switch.replace("/binary_sensor/", "/sensor/")]


def test_what_the_broker_refused_comes_again_and_nothing_else():
    made = board()
    made.offer([reading(1), feature(1)])
    for notice in made.take():
        made.refused(notice) if "press" in notice.topic else made.accepted(notice)
    assert set(post(made)) == {"shop/press-1/oil_temp"}


# ── Home Assistant ──

UNITS = ["°C", "bar", "V", "mA", "kW", "kWh", "h", "Hz", "VA", "var", "%", "mm/s", "m/s²", "1", ""]


@pytest.mark.parametrize("value", [41.5, 7, True, "auto", [1, 2], b"\x01"])
@pytest.mark.parametrize("unit", UNITS)
def test_home_assistant_takes_every_announcement_and_shows_the_value(unit, value):
    record = Reading(machine="press-1", point="oil.temp", value=value, stamp=stamp(), unit=unit)
    topic, payload = announcement("homeassistant", TOPICS, "muster", "hall-1", record)
    entity = home_assistant.discovered(topic, payload)
    standing = {TOPICS.availability: b"online", "shop/press-1/oil.temp": encode(record, stamp())}
    shown = home_assistant.state(entity, standing)
    assert shown == {True: "on", b"\x01": "AQ=="}.get(value if not isinstance(value, list) else 0, str(value))
    assert home_assistant.state(entity, standing | {TOPICS.availability: b"offline"}) == "unavailable"
    bad = encode(unread(point="oil.temp", unit=unit), stamp())
    assert home_assistant.state(entity, standing | {"shop/press-1/oil.temp": bad}) == "unavailable"
    doubtful = encode(unread(point="oil.temp", unit=unit, quality=Quality.UNCERTAIN), stamp())
    assert home_assistant.state(entity, standing | {"shop/press-1/oil.temp": doubtful}) == "unknown"


def test_a_feature_is_a_number_and_its_machine_one_device():
    entities = [
        home_assistant.discovered(*announcement("homeassistant", TOPICS, "muster", "hall-1", record))
        for record in (feature(1), Feature(machine="spindle", point="vibration.crest", value=3.1, stamp=stamp()), reading(1))
    ]
    assert [entity["device"]["name"] for entity in entities] == ["spindle", "spindle", "press-1"]
    assert entities[0]["device"] == entities[1]["device"]
    assert len({entity["unique_id"] for entity in entities}) == 3


def test_nothing_is_announced_of_a_point_that_was_never_read():
    record = unread()
    assert announcement("homeassistant", TOPICS, "muster", "hall-1", record) is None


names = st.text("abc._-09ü ", min_size=1, max_size=12)


@given(names, names)
def test_identifiers_hold_what_a_discovery_topic_may_and_keep_names_apart(one, other):
    assert re.fullmatch("[A-Za-z0-9_-]+", identifier(one))
    assert (identifier(one) == identifier(other)) == (one == other)
