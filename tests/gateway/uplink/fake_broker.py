"""A broker in memory that does exactly what a test says."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.uplink.errors import PublishRefused, SessionLost
from tests.gateway.uplink.fakes import forwarder

URL = "mqtt://127.0.0.1"


class Broker:
    """Makes sessions; `refuse` and `drop` decide over each message, `down` (True, or what to raise) over connections."""

    def __init__(self):
        self.accepted = []
        self.connects = []
        self.down = False
        self.refuse = lambda payload: None
        self.drop = lambda payload: False
        self.hold = asyncio.Event()
        self.hold.set()
        self.max_payload = None
        self.session = None

    async def connect(self, url, **options):
        self.connects.append((url, options))
        await asyncio.sleep(0)
        if self.down:
            raise self.down if isinstance(self.down, SessionLost) else SessionLost("nobody listens", "check the port")
        self.session = FakeSession(self, options)
        return self.session


class FakeSession:
    protocol = "5"
    warnings = ()

    def __init__(self, broker, options):
        self.broker = broker
        self.max_payload = broker.max_payload
        self.ended = asyncio.get_running_loop().create_future()
        self.closed = False
        self.death = None
        self.asked = []
        self.will = options["will"]() if "will" in options else None
        self.on_message = options.get("on_message")

    def lose(self, lost=None):
        if not self.ended.done():
            self.ended.set_result(lost or SessionLost("the connection broke"))

    async def publish(self, topic, payload, *, qos=1, retain=False):
        await asyncio.sleep(0)
        await self.broker.hold.wait()
        if self.broker.drop(payload):
            self.lose()
        if self.ended.done():
            raise self.ended.result()
        if code := self.broker.refuse(payload):
            raise PublishRefused(code, "refused", "ask")
        self.broker.accepted.append(payload)

    async def ask(self, topic, payload):
        self.asked.append(topic)
        if code := self.broker.refuse(payload):
            raise PublishRefused(code, "refused", "ask")

    async def close(self, *, death=False):
        self.closed, self.death = True, death
        self.lose()


@asynccontextmanager
async def running(outbox, broker, *urls, **options):
    """Run a forwarder from this outbox to this broker; options as `forwarder` takes them."""
    forward = forwarder(outbox, *(urls or [URL]), connect=broker.connect, **options)
    task = asyncio.create_task(forward.run())
    try:
        yield forward
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
