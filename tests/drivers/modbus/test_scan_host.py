"""Whole sweeps of a host of our own, in milliseconds; devices that are not ours stand in tests/integration."""

import asyncio
import contextlib
import struct

import pytest

from drivers.modbus.probe import MbapProbe
from drivers.modbus.scan import Report
from drivers.modbus.scan_host import UNITS, HostSweep
from drivers.modbus.wire_network import connect
from gateway.driver import LinkError
from tests.drivers.modbus.observer import Watcher
from tests.drivers.modbus.tables import link
from tests.peers.modbus_bus import unit

NAMES = {0: "Acme", 1: "PM-7", 2: "V2.1"}


def test_every_unit_is_asked_once():
    assert sorted(UNITS) == [*range(248), 255]


@contextlib.asynccontextmanager
async def host(answers):
    """Run a Modbus TCP server; `answers(unit, pdu)` returns the answer, None for silence, False to close the connection."""
    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readexactly(7):
                tid, _, length, number = struct.unpack(">HHHB", head)
                answer = answers(number, await reader.readexactly(length - 1))
                if answer is False:
                    break
                if answer is not None:
                    writer.write(struct.pack(">HHHB", tid, 0, len(answer) + 1, number) + answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait(serving, timeout=5)


async def host_scanned(answers, units=None, timeout=0.02):
    report, watcher = Report(), Watcher()
    async with host(answers) as port:
        place = f"127.0.0.1:{port}"
        probe = MbapProbe(place, lambda: connect(link("modbus-tcp", place)), timeout, 0.0)
        try:
            await probe.open()
            await HostSweep(probe, units, watcher, report).run()
        finally:
            probe.close()
    return report, watcher


def behind_gateway(**units):
    """Answer for these units only, and like a gateway for the others."""
    known = {int(name[1:]): answer for name, answer in units.items()}
    return lambda number, pdu: known[number](pdu) if number in known else bytes([pdu[0] | 0x80, 11])


async def test_units_behind_a_gateway():
    report, watcher = await host_scanned(behind_gateway(u1=unit({0: 1}), u7=unit(objects=NAMES), u200=unit()))
    assert [found.unit for found in report.found] == watcher.units == [1, 7, 200]
    assert report.verdicts == []
    assert report.notes == []
    assert len([where for where in watcher.asked if where.endswith("unit 255")]) == 1


async def test_a_gateway_with_nobody_behind_it():
    report, _ = await host_scanned(behind_gateway(), units=[1, 2, 3])
    assert [verdict.code for verdict in report.verdicts] == ["no_target"]


async def test_a_device_that_does_not_look_at_the_number():
    answer = unit({0: 1}, NAMES)
    report, _ = await host_scanned(lambda number, pdu: answer(pdu))
    assert [found.unit for found in report.found] == [1]
    assert "answers under every unit number" in report.notes[0]
    assert report.requests < 12
    report, _ = await host_scanned(lambda number, pdu: answer(pdu), units=[4, 5])
    assert [found.unit for found in report.found] == [4, 5]  # who names units gets them


async def test_a_device_that_closes_the_connection_instead_of_refusing():
    answer = unit({0: 1}, silent=frozenset({43, 17}))
    report, _ = await host_scanned(lambda number, pdu: (answer(pdu) or False) if number == 1 else None, units=[1, 2])
    assert [found.unit for found in report.found] == [1]


async def test_a_device_that_closes_the_connection_for_every_other_unit():
    answer = unit({0: 1}, NAMES)
    report, watcher = await host_scanned(lambda number, pdu: answer(pdu) if number == 1 else False)
    assert [found.identity.vendor for found in report.found] == ["Acme"]
    assert "again and again" in report.stopped
    assert 10 < len(watcher.asked) < 30


async def test_a_device_that_closes_the_connection_now_and_then_is_scanned_to_the_end():
    answer = unit({0: 1}, NAMES)
    report, _ = await host_scanned(lambda number, pdu: answer(pdu) if number % 2 else False, units=list(range(1, 31)))
    assert [found.unit for found in report.found] == list(range(1, 31, 2))
    assert not report.stopped


async def test_a_device_that_always_closes_the_connection():
    with pytest.raises(LinkError, match="closed the connection"):
        await host_scanned(lambda number, pdu: False)


async def test_a_host_that_never_answers():
    report, _ = await host_scanned(lambda number, pdu: None, units=[1, 2])
    assert [verdict.code for verdict in report.verdicts] == ["silent"]
    assert "takes the connection, but nothing answers" in report.verdicts[0].sentence
