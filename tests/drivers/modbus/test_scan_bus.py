"""Whole sweeps over a bus of our own on a pty, in milliseconds; slaves that are not ours stand in tests/integration."""

import asyncio
import contextlib
import struct

import pytest

from drivers.modbus.probe import BusProbe
from drivers.modbus.scan import ASK_FROM, Report
from drivers.modbus.scan_bus import BAUDS, FORMATS, BusSweep, candidates
from drivers.modbus.scan_bus import UNITS as BUS_UNITS
from drivers.modbus.wire import SerialWire, Settings
from drivers.modbus.wire_network import SocketWire
from gateway.driver import LinkError
from tests.drivers.modbus.observer import Watcher
from tests.peers import modbus_evil
from tests.peers.modbus_bus import Bus, coded, framed, talking, unit
from tests.waiting import until

NAMES = {0: "Acme", 1: "PM-7", 2: "V2.1"}
LISTEN_S = 0.05
N_ONLY = candidates([9600, 19200], ["N"])
DEFAULTS = (BAUDS, FORMATS)


async def scanned(bus, *, settings=N_ONLY, units=range(1, 6), timeout=0.03, watcher=None, report=None):
    report = report or Report()
    watcher = watcher or Watcher()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), timeout, 0.0)
        try:
            await BusSweep(probe, settings, units and list(units), watcher, report, LISTEN_S).run()
        finally:
            probe.close()
    return report, watcher


def test_the_order_of_likelihood():
    ranked = [str(s) for s in candidates()]
    assert ranked[:4] == ["9600 8E1", "9600 8N1", "19200 8E1", "19200 8N1"]
    assert len(ranked) == len(set(ranked)) == 32
    assert ranked.index("115200 8N1") < ranked.index("9600 8N2")
    assert candidates([300], ["N2"]) == [Settings(300, "N", 2)]


def test_every_unit_is_asked_once():
    assert sorted(BUS_UNITS) == list(range(1, 248))


async def test_units_of_all_kinds_are_found_and_named():
    bus = Bus({1: unit({0: 41}, NAMES), 3: unit(), 5: unit(server_id=b"EM24", silent=frozenset({3}))})
    report, watcher = await scanned(bus)
    assert [found.unit for found in report.found] == watcher.units == [1, 3, 5]
    one, three, five = report.found
    assert (one.identity.words, one.at, one.value) == ("Acme PM-7 V2.1", "holding wire 0", 41)
    assert three.at is None
    assert three.proof == "exception 2 to function 3 (illegal data address)"
    assert five.identity.server_id == "EM24"
    assert report.verdicts == []
    assert not report.stopped


async def test_only_functions_that_read_are_on_the_line():
    bus = Bus({1: unit({0: 41}, NAMES), 4: unit()})
    await scanned(bus)
    assert {pdu[0] for _, pdu in bus.heard} <= {1, 2, 3, 4, 17, 43}


async def test_units_are_asked_at_the_setting_that_works_only():
    bus = Bus({2: unit({0: 1})})
    report, watcher = await scanned(bus)
    assert report.found[0].settings == Settings(9600, "N")
    assert not any("19200" in where for where in watcher.asked)
    assert [number for number, pdu in bus.heard if pdu == bytes([3, 0, 0, 0, 1])] == [1, 2, 3, 4, 5]


async def test_a_setting_the_port_cannot_do_is_left_out_and_told():
    report, _ = await scanned(Bus({2: unit()}), settings=candidates([9600], ["E", "N"]))
    assert [found.unit for found in report.found] == [2]
    assert report.notes == ["the port cannot do 9600 8E1"]


async def test_an_empty_line():
    report, watcher = await scanned(Bus(), units=[1, 2], timeout=0.01)
    assert [verdict.code for verdict in report.verdicts] == ["silent"]
    assert report.requests == len(watcher.asked) == 12  # 2 settings, 2 units, 3 functions
    assert watcher.left == 0


async def test_all_settings_are_tried_before_unlikely_functions():
    _, watcher = await scanned(Bus(), units=[1], timeout=0.01)
    assert watcher.asked[:3] == ["9600 8N1 unit 1", "19200 8N1 unit 1", "9600 8N1 unit 1"]


async def test_wrong_checksums():
    bus = Bus({1: unit(), 2: unit()})
    bus.spoil = lambda frame: frame[:-1] + bytes([frame[-1] ^ 0x10])
    report, _ = await scanned(bus, units=[1, 2], timeout=0.02)
    assert report.found == []
    assert [verdict.code for verdict in report.verdicts] == ["all_damaged"]


async def test_some_wrong_checksums():
    bus = Bus({n: unit({0: n}, NAMES) for n in range(1, 5)})
    count = 0

    def spoil(frame):
        nonlocal count
        count += 1
        return frame[:-1] + bytes([frame[-1] ^ 0x10]) if count == 9 else frame

    bus.spoil = spoil
    report, _ = await scanned(bus)
    assert len(report.found) >= 3
    assert [verdict.code for verdict in report.verdicts] == ["some_damaged"]


async def test_an_adapter_that_echoes():
    bus = Bus({2: unit({0: 7}, NAMES)})
    bus.echo = True
    report, _ = await scanned(bus)
    assert [(found.unit, found.identity.vendor) for found in report.found] == [(2, "Acme")]
    assert report.echo
    assert [verdict.code for verdict in report.verdicts] == ["echo"]


async def test_an_echo_is_told_also_when_the_first_unit_was_the_only_one():
    bus = Bus({2: unit({0: 7}, NAMES)})
    bus.echo = True
    report, _ = await scanned(bus, units=[2])
    assert report.echo
    assert [verdict.code for verdict in report.verdicts] == ["echo"]


async def test_another_master_is_heard_before_a_word_is_said():
    bus = Bus({1: unit()})
    report = Report()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), 0.03, 0.0)
        async with talking(bus, framed(4, struct.pack(">BHH", 3, 0, 2))):
            await BusSweep(probe, N_ONLY, [1], Watcher(), report, 0.1).run()
        probe.close()
    assert report.refused
    assert report.requests == 0
    assert bus.heard == []
    assert "it asks unit 4 with function 3 at 9600 baud" in report.verdicts[0].sentence


async def test_noise_is_heard_before_a_word_is_said():
    bus = Bus()
    report = Report()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), 0.03, 0.0)
        async with talking(bus, b"\x55\xaa\x99"):
            await BusSweep(probe, N_ONLY, [1], Watcher(), report, 0.1).run()
        probe.close()
    assert report.refused
    assert [verdict.code for verdict in report.verdicts] == ["unasked"]
    assert bus.heard == []


async def test_another_master_that_begins_later_ends_the_scan():
    bus = Bus({1: unit()})
    report = Report()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), 0.1, 0.0)
        sweep = asyncio.create_task(BusSweep(probe, N_ONLY, range(1, 200), Watcher(), report, LISTEN_S).run())
        await until(lambda: report.found)
        async with talking(bus, framed(4, struct.pack(">BHH", 3, 0, 2)), every=0.15):
            await sweep
        probe.close()
    assert "somebody else" in report.stopped
    assert "another_master" in [verdict.code for verdict in report.verdicts]
    assert [found.unit for found in report.found] == [1]


def everything(bauds, formats):
    return [settings for framing in ("rtu", "ascii") for settings in candidates(bauds, formats, framing)]


def test_ascii_in_the_order_of_likelihood():
    ranked = [str(s) for s in candidates(framing="ascii")]
    assert ranked[:4] == ["9600 7E1 ASCII", "9600 8N1 ASCII", "19200 7E1 ASCII", "19200 8N1 ASCII"]
    assert len(ranked) == len(set(ranked)) == 40
    assert {one.rpartition(" ")[0].split(" ")[1] for one in ranked} == {"7E1", "8N1", "7O1", "7N2", "8E1"}


async def test_ascii_is_tried_when_nobody_speaks_rtu():
    bus = Bus({3: unit({0: 41}, NAMES), 4: unit()}, in_ascii=True)
    report, _ = await scanned(bus, settings=everything([9600], ["N"]))
    assert [(found.unit, str(found.settings)) for found in report.found] == [(3, "9600 8N1 ASCII"), (4, "9600 8N1 ASCII")]
    assert (report.found[0].identity.words, report.found[0].at, report.found[0].value) == ("Acme PM-7 V2.1", "holding wire 0", 41)
    assert report.verdicts == []


async def test_ascii_is_not_spoken_where_rtu_is_answered():
    _, watcher = await scanned(Bus({3: unit({0: 41})}), settings=everything([9600], ["N"]))
    assert not any("ASCII" in where for where in watcher.asked)


async def test_ascii_costs_an_empty_line_few_requests():
    report, watcher = await scanned(Bus(), settings=everything([9600, 19200], ["N"]), units=[1, 2], timeout=0.001)
    assert sum("ASCII" in where for where in watcher.asked) == 4, "one request for each unit and speed"
    assert [verdict.code for verdict in report.verdicts] == ["silent"]


def test_a_scan_with_ascii_asks_nobody_before_the_unlikely_units():
    sweep = BusSweep(BusProbe.__new__(BusProbe), everything(*DEFAULTS), None, Watcher(), Report())
    sizes = [len(settings) * len(units) * len(requests) for settings, units, requests in sweep._rounds()]
    assert sum(sizes[:3]) <= ASK_FROM < sizes[3]


async def test_another_master_in_ascii_is_heard_before_a_word_is_said():
    bus = Bus()
    async with bus.on_pty(), talking(bus, coded(7, struct.pack(">BHH", 3, 0, 4))):
        probe = BusProbe(SerialWire(bus.port), 0.03, 0.0)
        report = Report()
        await BusSweep(probe, N_ONLY, [1, 2], Watcher(), report, LISTEN_S).run()
        probe.close()
    assert report.refused
    assert "it asks unit 7 with function 3 at 9600 baud in ASCII" in report.verdicts[0].sentence
    assert bus.heard == []


async def test_a_slow_unit_is_given_more_time():
    bus = Bus({2: unit({0: 5})})
    bus.delay = 0.05
    report, _ = await scanned(bus, timeout=0.03)
    assert [found.unit for found in report.found] == [2]
    assert any("unit 2 is slow" in note for note in report.notes)


async def test_many_requests_need_a_yes():
    watcher = Watcher(answer=False)
    settings = candidates([9600, 19200, 38400, 57600], ["N"])
    report, _ = await scanned(Bus(), settings=settings, units=None, timeout=0.002, watcher=watcher)
    assert watcher.confirmed == [4 * 237]
    assert report.requests == 4 * 10 * 3 <= ASK_FROM
    assert "--yes" in report.stopped


async def test_a_gateway_that_speaks_for_units_that_are_not_there():
    bus = Bus(dict.fromkeys(range(1, 6), lambda pdu: bytes([pdu[0] | 0x80, 11])))
    report, _ = await scanned(bus)
    assert report.found == []
    assert [verdict.code for verdict in report.verdicts] == ["no_target"]


async def test_what_was_found_stays_when_the_scan_is_cancelled():
    bus = Bus({1: unit({0: 3}, NAMES)})
    report = Report()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), 0.05, 0.0)
        task = asyncio.create_task(BusSweep(probe, N_ONLY, None, Watcher(), report, LISTEN_S).run())
        await until(lambda: report.requests >= 10)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        probe.close()
        assert [found.identity.words for found in report.found] == ["Acme PM-7 V2.1"]
        SerialWire(bus.port).close()  # the port is free


async def test_a_port_that_goes_away():
    bus = Bus({1: unit()})
    report = Report()
    async with bus.on_pty():
        probe = BusProbe(SerialWire(bus.port), 0.05, 0.0)
        task = asyncio.create_task(BusSweep(probe, N_ONLY, None, Watcher(), report, LISTEN_S).run())
        await until(lambda: report.found)
    with pytest.raises(LinkError, match="went away"):
        await task
    probe.close()
    assert [found.unit for found in report.found] == [1]


async def test_a_bus_behind_a_serial_server():
    slave = modbus_evil.Slave(modbus_evil.honest, unit=3)
    async with modbus_evil.on_tcp(slave) as place:
        name, port = place.split(":")
        wire = SocketWire(place)
        await wire.open(name, int(port), 3.0)
        probe, report = BusProbe(wire, 0.05, 0.0), Report()
        await BusSweep(probe, (), [2, 3], Watcher(), report, LISTEN_S).run()
        probe.close()
    assert [(found.unit, found.settings, found.value) for found in report.found] == [(3, None, 0)]
