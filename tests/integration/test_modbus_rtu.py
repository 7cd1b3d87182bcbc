"""Modbus RTU against a slave on libmodbus, over a pair of pseudo terminals made by socat (which knows no parity and no baud)."""

import asyncio

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.ledger import _LEDGERS
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError
from gateway.model import Reason
from tests.drivers.modbus.tables import bad, good, link, point, registers, table
from tests.peers import modbus

UNIT = 7


@pytest.fixture
async def port():
    _LEDGERS.clear()
    async with modbus.rtu(UNIT) as port:
        yield port


async def opened(port, timeout=1.0):
    driver = PLUGIN.create(link("modbus-rtu", port, timeout, parity="N", baud=19200), Clock())
    await driver.open()
    return driver


async def test_every_type_over_a_serial_line(port):
    points = {name: point(at, type=name) for name, (at, _) in modbus.TYPED.items()}
    at, length, text = modbus.TEXT
    points |= {"text": point(at, type="string", length=length), "input": point("input 30018")}
    points |= {"coil": point("coil 4"), "discrete": point("discrete 10006")}
    driver = await opened(port)
    scan = await driver.read(table(points, unit=UNIT))
    await driver.close()
    expected = {name: value for name, (_, value) in modbus.TYPED.items()}
    assert good(scan) == expected | {"text": text, "input": 10017, "coil": 1, "discrete": 1}


async def test_registers_hold_their_address(port):
    driver = await opened(port)
    points = registers(*(wire for start in range(0, 1000, 50) for wire in range(start, start + 5)), unit=UNIT)
    for _ in range(5):
        assert good(await driver.read(points)) == {name: int(name[1:]) for name in points.names}
    assert driver.counters.garbage == driver.counters.late == 0
    await driver.close()


async def test_a_point_beyond_the_last_register_spoils_nothing(port):
    driver = await opened(port)
    points = registers(*range(modbus.FIRST_ILLEGAL - 5, modbus.FIRST_ILLEGAL + 1), unit=UNIT)
    scan = await driver.read(points)
    assert bad(scan) == {f"r{modbus.FIRST_ILLEGAL}": Reason.NO_SUCH_ADDRESS}
    await driver.close()


async def test_a_unit_that_is_not_there(port):
    # after a request to another unit libmodbus takes whatever comes within 0.5 s for that unit's answer
    driver = await opened(port, timeout=0.7)
    for _ in range(2):
        with pytest.raises(DeviceError, match="unit 9 on") as caught:
            await driver.read(registers(1, unit=9))
        assert caught.value.reason is Reason.TIMEOUT
        assert not isinstance(caught.value, LinkError)
        assert good(await driver.read(registers(1, unit=UNIT))) == {"r1": 1}
    await driver.close()


async def test_a_port_that_is_already_used(port):
    driver = await opened(port)
    with pytest.raises(LinkError, match="used by another program"):
        await opened(port)
    await driver.close()
    again = await opened(port)
    assert good(await again.read(registers(1, unit=UNIT))) == {"r1": 1}
    await again.close()


async def test_an_adapter_that_is_pulled_out():
    _LEDGERS.clear()
    async with modbus.pty_pair() as (ours, _):
        driver = await opened(ours, timeout=20.0)
        task = asyncio.ensure_future(driver.read(registers(1)))
        await asyncio.sleep(0)
    with pytest.raises(LinkError, match="went away") as caught:
        async with asyncio.timeout(10):
            await task
    assert "present" in caught.value.hint
    await driver.close()


async def test_a_port_that_does_not_exist():
    with pytest.raises(LinkError) as caught:
        await opened("/dev/ttyUSB-none")
    error = caught.value
    assert error.message == "serial port /dev/ttyUSB-none does not exist"
    assert "sudo usermod -aG dialout $USER" in error.hint
    assert "present" in error.hint


async def test_a_port_that_may_not_be_opened(monkeypatch):
    import serial

    def denied(*args, **keys):
        raise serial.SerialException(13, "could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'")

    monkeypatch.setattr(serial, "serial_for_url", denied)
    with pytest.raises(LinkError, match="no permission") as caught:
        await opened("/dev/ttyUSB0")
    assert "group dialout: sudo usermod -aG dialout $USER" in caught.value.hint
    assert caught.value.reason is Reason.REFUSED


async def test_a_file_is_no_port(tmp_path):
    file = tmp_path / "port"
    file.touch()
    with pytest.raises(LinkError, match="no serial port"):
        await opened(str(file))


async def test_settings_that_a_port_cannot_do(port):
    driver = PLUGIN.create(link("modbus-rtu", port, parity="E"), Clock())
    with pytest.raises(LinkError, match="cannot do 19200 8E1") as caught:
        await driver.open()
    assert "parity=N" in caught.value.hint
    await driver.close()
