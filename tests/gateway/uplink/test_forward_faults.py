"""An error nobody expected does not end the forwarder: it is told once, with its traceback, and things go on."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.config.spec import BrokerUrl
from gateway.uplink.errors import SessionLost
from gateway.uplink.session import MqttSession
from tests.gateway.uplink.fakes import MemoryOutbox, forwarder, reading
from tests.waiting import until

GOOD, BAD = "mqtt://127.0.0.1", "mqtt://a..b"


class Session:
    """Takes everything, but for what `trouble` raises."""

    protocol, warnings, max_payload, will = "5", (), None, None

    def __init__(self, trouble=None):
        self.ended = asyncio.get_running_loop().create_future()
        self.trouble = trouble
        self.taken = []

    async def publish(self, topic, payload):
        if self.trouble:
            raise self.trouble
        self.taken.append(payload)

    async def ask(self, topic, payload):
        pass

    async def close(self, *, death=False):
        if not self.ended.done():
            self.ended.set_result(SessionLost("closed"))


async def run(outbox, connect, condition, *urls):
    forward = forwarder(outbox, *(urls or [GOOD]), connect=connect)
    task = asyncio.create_task(forward.run())
    try:
        await until(lambda: condition(forward.status()) or task.done())
        assert not task.done()
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def faults(logs):
    return [line for line in logs if line["event"] == "uplink_fault"]


async def test_an_unexpected_error_while_connecting_is_told_once_and_the_next_broker_is_tried():
    outbox, tries = MemoryOutbox(), []
    outbox.put(reading(1))

    async def connect(url, **options):
        tries.append(url)
        if url == BAD or len(tries) < 8:
            raise UnicodeError("label empty or too long")
        return Session()

    with capture_logs() as logs:
        await run(outbox, connect, lambda status: outbox.waiting == 0, BAD, GOOD)
    (fault,) = faults(logs)
    assert isinstance(fault["exc_info"], UnicodeError)
    assert tries[:2] == [BAD, GOOD]


async def test_an_unexpected_error_while_sending_is_told_once_and_the_records_stay():
    outbox, sessions = MemoryOutbox(), []
    outbox.put(reading(1))

    async def connect(url, **options):
        sessions.append(Session(ZeroDivisionError("odd") if len(sessions) < 4 else None))
        return sessions[-1]

    with capture_logs() as logs:
        seen = []
        await run(outbox, connect, lambda status: seen.append(status["trouble"]) or outbox.waiting == 0)
    assert len(faults(logs)) == 1
    assert any("ZeroDivisionError: odd" in words for words in seen), "the status says it"
    assert len(sessions) == 5
    assert sessions[4].taken


async def test_a_name_that_cannot_be_asked_for_is_told_in_words():
    with pytest.raises(SessionLost, match=r"'a\.\.b' is not a host name; check its name in 'broker'"):
        await MqttSession.connect(BrokerUrl(BAD), client_id="x")


async def test_every_recipient_has_a_client_id_of_its_own():
    seen = {}
    for name in ("cooperative", "customer"):

        async def connect(url, *, client_id, name=name, **options):
            seen[name] = client_id
            return Session()

        forward = forwarder(MemoryOutbox(), GOOD, connect=connect, name=name)
        task = asyncio.create_task(forward.run())
        await until(lambda name=name: name in seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert seen == {"cooperative": "muster:hall-1", "customer": "muster:hall-1:customer"}
