"""An adapter that hears what it sends, with and without `echo: true`, on a bus of our own: no sound adapter on a pty does that."""

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.ledger import _LEDGERS
from gateway.clock import Clock
from tests.drivers.modbus.tables import good, link, point, registers, table
from tests.peers.modbus_bus import Bus, unit

HELD = {wire: 1000 + wire for wire in range(0x0420)}


def coils(pdu):
    """Answer for coils, of which every third is set."""
    address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
    bits = [(address + i) % 3 == 0 for i in range(count)]
    packed = bytes(sum(bit << i for i, bit in enumerate(bits[at : at + 8])) for at in range(0, count, 8))
    return bytes([1, len(packed)]) + packed


def answers(pdu):
    return coils(pdu) if pdu[0] == 1 else unit(HELD)(pdu)


async def opened(bus, **options):
    _LEDGERS.clear()
    data = {"data": 8} if bus.in_ascii else {}
    driver = PLUGIN.create(link("modbus-ascii" if bus.in_ascii else "modbus-rtu", bus.port, parity="N", **data, **options), Clock())
    await driver.open()
    return driver


@pytest.fixture(params=[False, True], ids=["rtu", "ascii"])
async def bus(request):
    bus = Bus({7: answers}, in_ascii=request.param)
    bus.echo = True
    async with bus.on_pty():
        yield bus


@pytest.mark.parametrize("echo", [True, False], ids=["declared", "not declared"])
async def test_values_are_right_although_the_adapter_echoes(bus, echo):
    driver = await opened(bus, echo=echo)
    for wires in ((1, 2, 3), (0x0401, 0x0402), (200, 201, 202, 203)) * 5:
        assert good(await driver.read(registers(*wires, unit=7))) == {f"r{wire}": 1000 + wire for wire in wires}
    assert (driver.counters.garbage > 0) == (not echo)
    await driver.close()


@pytest.mark.parametrize("echo", [True, False], ids=["declared", "not declared"])
async def test_coils_whose_answer_looks_like_their_question(bus, echo):
    driver = await opened(bus, echo=echo)
    wanted = table({f"c{wire}": point(f"coil wire {wire}") for wire in range(0x0310, 0x0324)}, unit=7)
    for _ in range(3):
        assert good(await driver.read(wanted)) == {f"c{wire}": wire % 3 == 0 for wire in range(0x0310, 0x0324)}
    await driver.close()
