"""The place between the publish loop and the consumer: bounded, in order, never waiting for ever."""

import asyncio

import pytest

from drivers.opcua import subscription
from drivers.opcua.subscription import Inbox
from gateway.driver import LinkError


async def test_scans_come_in_order_and_nothing_is_none():
    inbox = Inbox()
    assert await inbox.get(0.01) is None
    for number in range(3):
        inbox.put(number)
    assert [await inbox.get(1) for _ in range(3)] == [0, 1, 2]


async def test_a_waiting_consumer_is_woken():
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get(10))
    await asyncio.sleep(0)
    inbox.put("scan")
    assert await waiting == "scan"


async def test_the_sender_waits_while_it_is_full(monkeypatch):
    monkeypatch.setattr(subscription, "_WAITING", 4)
    inbox = Inbox()
    for number in range(3):
        inbox.put(number)
        assert inbox.room() is None
    inbox.put(3)
    room = asyncio.create_task(inbox.room())
    await inbox.get(1)
    await inbox.get(1)
    await asyncio.sleep(0)
    assert not room.done()
    await inbox.get(1)
    await asyncio.wait_for(room, 1)


async def test_after_an_error_comes_what_was_there_and_then_the_error(monkeypatch):
    monkeypatch.setattr(subscription, "_WAITING", 2)
    inbox = Inbox()
    inbox.put(1)
    inbox.put(2)
    room = asyncio.create_task(inbox.room())
    await asyncio.sleep(0)
    inbox.fail(LinkError("first"))
    inbox.fail(LinkError("second"))
    await asyncio.wait_for(room, 1)
    assert inbox.room() is None
    assert [await inbox.get(1), await inbox.get(1)] == [1, 2]
    for _ in range(2):
        with pytest.raises(LinkError, match="first"):
            await inbox.get(1)


async def test_a_waiting_consumer_gets_the_error():
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get(10))
    await asyncio.sleep(0)
    inbox.fail(LinkError("gone"))
    with pytest.raises(LinkError, match="gone"):
        await waiting
