"""Connections that are refused, swallowed, half open, cut, or given once only; the peer behind them is Debian's libmodbus."""

import asyncio
import gc
import os
import socket
from pathlib import Path

import pytest

from gateway.poll import poller
from tests.integration.modbus_gateway import machine, polled, state, units
from tests.peers import modbus, modbus_units
from tests.peers.namespace import namespace
from tests.peers.tcp_relay import relayed
from tests.waiting import until

RETURN_S = 10.0


@pytest.fixture
async def server():
    async with modbus_units.tcp() as server:
        yield server


def status(machines, name="m"):
    return machines.status()[name]


async def test_a_host_that_swallows_everything_is_told_and_stops_at_once(server):
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())  # the backlog is full: further connections get no answer
        place = f"127.0.0.1:{listener.getsockname()[1]}"
        wanted = {"m": machine("m", "modbus-tcp", place, 0.1), "beside": machine("beside", "modbus-tcp", server.place, 0.1)}
        async with polled(wanted) as machines:
            await until(lambda: status(machines)["errors"] >= 1)
            assert "does not answer within 3 s" in status(machines)["error"]
            assert status(machines, "beside")["missed"] == 0
            connecting = next(one for one in machines._pollers.values() if "m" in one.watched)
            await until(lambda: connecting._opening is not None)  # and stopping in the middle of it is prompt


async def test_a_port_that_refuses_until_the_device_has_started():
    first = await modbus.start_tcp()
    await first.stop()
    async with polled({"m": machine("m", "modbus-tcp", f"127.0.0.1:{first.port}", 0.1)}) as machines:
        await until(lambda: status(machines)["errors"] >= 3)
        assert "refuses the connection" in status(machines)["error"]
        again = await modbus.start_tcp(first.port)
        try:
            await until(lambda: state(machines, "m") == "good", RETURN_S)
        finally:
            await again.stop()
        await until(lambda: state(machines, "m") == "bad")


async def test_a_cable_that_is_pulled_leaves_a_half_open_connection_and_is_found_when_it_is_back():
    with namespace() as net:
        async with modbus_units.tcp(host=net.host, before=net.enter) as server:
            wanted = units("modbus-tcp", server.place, (1, 2, 3), 0.2)
            async with polled(wanted) as machines:
                await until(lambda: all(state(machines, name) == "good" for name in wanted))
                net.cut()
                await until(lambda: all(state(machines, name) == "bad" for name in wanted), 15)
                assert all("did not answer" in status(machines, name)["error"] for name in wanted) or any(
                    "has not sent a byte" in status(machines, name)["error"] for name in wanted
                )
                await until(lambda: machines.status()["u1"]["p99_ms"] == 0, 15, "the half-open connection was given up")
                net.mend()
                await until(lambda: all(state(machines, name) == "good" for name in wanted), RETURN_S)
                net.cut()  # and stopping while it is half open is prompt


async def test_a_device_that_takes_one_connection_only(server):
    async with relayed(server.place) as (relay, place):
        relay.only_one, relay.lingers_s = True, 0.6
        async with polled(units("modbus-tcp", place, (1, 2, 3), 0.1)) as machines:
            await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in (1, 2, 3)))
            assert (relay.most, relay.refused) == (1, 0), "three machines share one connection"
            relay.cut()
            await until(lambda: state(machines, "u1") == "bad")
            await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in (1, 2, 3)), RETURN_S)
            assert relay.most == 1, "the old connection was closed before a new one was opened"


CYCLES = 500
SETTLED = 100
"""Cycles after which everything that is kept once, is kept."""


async def test_five_hundred_connections_that_are_lost_leave_nothing_behind(server, monkeypatch):
    monkeypatch.setattr(poller, "FIRST_BACKOFF_S", 0.002)
    monkeypatch.setattr(poller, "LONGEST_BACKOFF_S", 0.004)

    def held():
        gc.collect()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return resident, len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks()), len(gc.get_objects())

    async with relayed(server.place) as (relay, place):
        relay.cut_after = 3
        async with polled(units("modbus-tcp", place, (1, 2), 0.005)) as machines:
            await until(lambda: relay.cuts >= SETTLED, CYCLES)
            relay.cut_after = 0
            await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in (1, 2)))
            before = held()
            relay.cut_after = 3
            relay.cut()
            await until(lambda: relay.cuts >= CYCLES, CYCLES)
            relay.cut_after = 0
            await until(lambda: all(state(machines, f"u{unit}") == "good" for unit in (1, 2)))
            await until(lambda: relay.open == 1)
            after = held()
    memory, descriptors, tasks, objects = (later - earlier for later, earlier in zip(after, before, strict=True))
    assert max(descriptors, tasks) <= 5, "what one connection holds at one moment and not at another, and no more"
    assert objects < CYCLES - SETTLED, "not even one object for each of them"
    assert memory < 4e6
