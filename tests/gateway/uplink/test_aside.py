"""What hangs in a thread of its own holds up neither the other threads nor the end."""

import asyncio
import subprocess
import sys
import threading

import pytest

from gateway.config.broker import BrokerUrl
from gateway.uplink.aside import aside
from gateway.uplink.errors import SessionLost
from gateway.uplink.session import MqttSession


async def test_it_returns_what_the_call_returns_and_raises_what_it_raises():
    assert await aside(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 / 0)


async def test_lookups_that_hang_leave_the_threads_of_the_store_alone(monkeypatch):
    hang = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: hang.wait() and [])
    try:
        calls = [MqttSession.connect(BrokerUrl("mqtt://hub"), client_id=f"c{i}", connect_timeout_s=0.1) for i in range(40)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, SessionLost) for result in results)
        assert await asyncio.gather(*(asyncio.to_thread(lambda: 1) for _ in range(40))) == [1] * 40
    finally:
        hang.set()


HANGING = """
import asyncio, socket, threading
from gateway.config.broker import BrokerUrl
from gateway.uplink.session import MqttSession
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
async def main():
    try:
        await MqttSession.connect(BrokerUrl("mqtt://hub"), client_id="c", connect_timeout_s=0.1)
    except Exception as lost:
        print(lost.words)
asyncio.run(main())
print("ended")
"""


def test_the_end_does_not_wait_for_a_lookup():
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.splitlines() == ["no answer from hub:1883 within 0.1 s", "ended"]
    assert done.stderr == ""
