"""Packets are read as they were written: by hand from the standard, and by paho through a real broker and the recording relay."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.peers.broker import mosquitto
from tests.sparkplug import packets
from tests.sparkplug.observer import Observer
from tests.sparkplug.trace import Accepted, Closed, Connect, Delivered, Disconnect, Publish, Setting, Subscribe, Will
from tests.waiting import until

BODY_311 = bytes.fromhex("0004 4d515454 04 2e 003c 0003 616263 0005 612f626364 0005 0102030405")


def test_a_connect_packet_of_the_old_version_is_read():
    ((kind, flags, body),) = packets.Stream().feed(bytes([0x10, len(BODY_311)]) + BODY_311)
    assert (kind, flags) == (packets.CONNECT, 0)
    will = Will("a/bcd", b"\1\2\3\4\5", 1, retain=True)
    assert packets.connecting(body) == packets.Connecting("3.1.1", "abc", True, 60, 0, will)


def test_a_connect_packet_of_the_new_version_is_read_with_its_properties():
    session = b"\x11\0\0\x0e\x10" + b"\x21\0\x14"
    will_properties = b"\x18\0\0\0\x05"
    head = b"\0\4MQTT\5\x06\0\x1e" + bytes([len(session)]) + session + b"\0\1c"
    body = head + bytes([len(will_properties)]) + will_properties + b"\0\1t\0\2hi"
    assert packets.connecting(body) == packets.Connecting("5", "c", True, 30, 3600, Will("t", b"hi", 0, retain=False))


@given(st.lists(st.tuples(st.integers(1, 14), st.integers(0, 15), st.binary(max_size=300)), max_size=5), st.data())
def test_a_stream_gives_the_same_packets_however_it_is_cut(sent, data):
    wire = b""
    for kind, flags, body in sent:
        size, length = len(body), bytearray()
        while size > 127:
            length.append(size & 127 | 128)
            size >>= 7
        wire += bytes([kind << 4 | flags, *length, size]) + body
    stream, got = packets.Stream(), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        got += list(stream.feed(wire[:cut]))
        wire = wire[cut:]
    assert got == sent


@given(st.sampled_from([packets.connecting, packets.accepting]), st.binary(max_size=60))
def test_garbage_is_refused_with_the_one_error(read, body):
    with contextlib.suppress(packets.PacketError):
        read(body)


def test_a_length_without_an_end_is_refused():
    with pytest.raises(packets.PacketError):
        list(packets.Stream().feed(b"\x30\xff\xff\xff\xff"))


def talk(port: int, version: int) -> None:
    """Connect with a will, subscribe, publish to itself, and leave with a reason."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2, "talker", protocol=version, **({"clean_session": True} if version == 4 else {})
    )
    got = threading.Event()
    client.on_connect = lambda *_: client.subscribe("here/#", qos=1)
    client.on_subscribe = lambda *_: client.publish("here/ü", b"hello", qos=1, retain=True)
    client.on_message = lambda *_: got.set()
    client.will_set("there", b"gone", qos=1)
    options: dict[str, object] = {}
    if version == 5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 7
        properties.UserProperty = ("who", "me")
        options = {"clean_start": True, "properties": properties}
    client.connect("127.0.0.1", port, keepalive=33, **options)
    client.loop_start()
    assert got.wait(10)
    client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=4) if version == 5 else None)
    client.loop_stop()


@pytest.mark.parametrize(("version", "name", "expiry_s", "reason"), [(4, "3.1.1", 0, 0), (5, "5", 7, 4)])
async def test_what_a_real_client_does_at_a_real_broker_is_recorded_in_order(version, name, expiry_s, reason):
    observer = Observer()
    async with mosquitto() as broker, observer.before("a", broker.port) as server:
        await asyncio.to_thread(talk, server.port, version)
        await until(lambda: isinstance(observer.events[-1], Closed), 10, "the end is recorded")
    events = observer.trace(Setting("g", "n", "talker")).events
    assert [type(event) for event in events] == [Connect, Accepted, Subscribe, Publish, Delivered, Disconnect, Closed]
    connect, accepted, subscribe, publish, delivered, disconnect, _ = events
    assert (connect.client, connect.version, connect.clean, connect.expiry_s) == ("talker", name, True, expiry_s)
    assert (connect.server, connect.keepalive_s, connect.will) == ("a", 33, Will("there", b"gone", 1, retain=False))
    assert accepted.code == 0
    assert subscribe.filters == (("here/#", 1),)
    assert (publish.topic, publish.payload, publish.qos, publish.retain) == ("here/ü", b"hello", 1, True)
    assert (delivered.topic, delivered.payload, delivered.qos) == ("here/ü", b"hello", 1)
    assert disconnect.reason == reason
    assert {event.link for event in events} == {1}


async def test_a_cut_is_recorded_as_an_end_and_a_broker_that_is_away_not_at_all():
    observer = Observer()
    async with mosquitto() as broker, observer.before("a", broker.port) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1x")
        await until(lambda: len(observer.events) == 2, 10, "the broker says yes")
        server.cut()
        await until(lambda: isinstance(observer.events[-1], Closed), 10, "the cut is recorded")
        writer.close()
        server.away()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        await server.back()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await until(lambda: len(observer.events) == 4, 10, "a connection without a word is recorded")
    assert [type(event) for event in observer.events] == [Connect, Accepted, Closed, Closed]


async def test_an_old_broker_refuses_the_new_version_and_takes_the_old_one():
    observer = Observer()
    async with mosquitto() as broker, observer.before("a", broker.port, old=True) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x10\x0e\0\4MQTT\5\2\0\x3c\0\0\1x")
        assert await reader.read() == b"\x20\2\0\1"
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x10\x0d\0\4MQTT\4\2\0\x3c\0\1x")
        assert await reader.readexactly(4) == b"\x20\2\0\0"
        writer.close()
    connects = [event.version for event in observer.events if isinstance(event, Connect)]
    assert connects == ["5", "3.1.1"]
