"""Modbus TCP against a server on libmodbus."""

import asyncio

import pytest

from drivers.modbus import PLUGIN
from drivers.modbus.errors import NoAnswer
from gateway.clock import Clock
from gateway.driver import DeviceError, LinkError
from gateway.model import Quality, Reason
from tests.drivers.modbus.tables import bad, good, link, point, registers, table
from tests.peers import modbus
from tests.waiting import until


@pytest.fixture
async def server():
    async with modbus.tcp() as server:
        yield server


async def opened(port, timeout=1.0):
    driver = PLUGIN.create(link("modbus-tcp", f"127.0.0.1:{port}", timeout), Clock())
    await driver.open()
    return driver


async def test_every_type_order_bit_and_text(server):
    points = {name: point(at, type=name) for name, (at, _) in modbus.TYPED.items()}
    points |= {order: point(at, type="float32", order=order) for order, at in modbus.ORDERED.items()}
    points |= {f"bit{bit}": point(modbus.BITS[0], bit=bit) for bit in range(16)}
    at, length, text = modbus.TEXT
    points |= {
        "text": point(at, type="string", length=length),
        "scaled": point("holding wire 1038", scale=0.1, unit="°C"),
        "state": point("holding wire 1039", states={0: "off", 2: "auto"}),
        "no_sensor": point("holding wire 1040", type="float32"),
        "input": point("input 30018"),
        "coil": point("coil 4"),
        "coil_off": point("coil 5"),
        "discrete": point("discrete 10006"),
    }
    driver = await opened(server.port)
    scan = await driver.read(table(points))
    await driver.close()
    expected = {name: value for name, (_, value) in modbus.TYPED.items()}
    expected |= dict.fromkeys(modbus.ORDERED, pytest.approx(41.9, rel=1e-7))
    expected |= {f"bit{bit}": modbus.BITS[1] >> bit & 1 for bit in range(16)}
    expected |= {"text": text, "scaled": 40.1, "state": 2, "input": 10017, "coil": 1, "coil_off": 0, "discrete": 1}
    assert good(scan) == expected
    assert bad(scan) == {"no_sensor": Reason.NO_SENSOR}
    assert driver.counters.requests == 4, "one request per table"


async def test_a_thousand_points_are_eight_requests(server):
    driver = await opened(server.port)
    points = registers(*range(1000))
    for _ in range(3):
        assert good(await driver.read(points)) == {f"r{wire}": wire for wire in range(1000)}
    assert driver.counters.requests == 24
    await driver.close()


async def test_a_point_beyond_the_last_register_spoils_nothing(server):
    driver = await opened(server.port)
    points = registers(*range(modbus.FIRST_ILLEGAL - 20, modbus.FIRST_ILLEGAL + 2))
    for _ in range(2):
        scan = await driver.read(points)
        assert bad(scan) == {f"r{modbus.FIRST_ILLEGAL + i}": Reason.NO_SUCH_ADDRESS for i in (0, 1)}
        assert len(good(scan)) == 20
    before = driver.counters.requests
    await driver.read(points)
    assert driver.counters.requests == before + 1
    await driver.close()


async def test_a_server_that_dies_and_returns(server):
    points = registers(1, 2, 3)
    driver = await opened(server.port)
    assert len(good(await driver.read(points))) == 3
    await server.stop()
    with pytest.raises(LinkError) as caught:
        await driver.read(points)
    assert f"127.0.0.1:{server.port}" in caught.value.message
    with pytest.raises(LinkError):
        await driver.read(points)
    await driver.close()
    with pytest.raises(LinkError, match="refuses the connection") as caught:
        await opened(server.port)
    assert str(server.port) in caught.value.hint
    assert caught.value.reason is Reason.REFUSED
    again = await modbus.start_tcp(server.port)
    try:
        driver = await opened(server.port)
        assert len(good(await driver.read(points))) == 3
        await driver.close()
    finally:
        await again.stop()


async def test_a_request_under_way_when_the_server_dies(server):
    driver = await opened(server.port, timeout=30.0)
    server.process.send_signal(19)  # SIGSTOP: it takes the request but does not answer
    task = asyncio.ensure_future(driver.read(registers(1)))
    await until(lambda: driver.counters.requests == 1)
    await server.stop()
    with pytest.raises(LinkError, match="closed the connection"):
        await task
    await driver.close()


async def test_a_server_that_hangs_for_a_while(server):
    points = registers(1, 2, 3)
    driver = await opened(server.port, timeout=0.1)
    server.process.send_signal(19)
    with pytest.raises(DeviceError) as caught:
        await driver.read(points)
    assert caught.value.reason is Reason.TIMEOUT
    assert not isinstance(caught.value, LinkError)
    server.process.send_signal(18)  # SIGCONT
    await until(lambda: driver.counters.late == 1)
    assert good(await driver.read(points)) == {"r1": 1, "r2": 2, "r3": 3}
    server.process.send_signal(19)
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await driver.read(points)
    with pytest.raises(LinkError, match="has not sent a byte in answer to 3 requests"):
        await driver.read(points)
    await driver.close()


async def test_stamps_are_of_the_answer(server):
    clock = Clock()
    driver = PLUGIN.create(link("modbus-tcp", f"127.0.0.1:{server.port}"), clock)
    await driver.open()
    before = clock.stamp().mono_ns
    scan = await driver.read(registers(1))
    assert before < scan.stamp.mono_ns < clock.stamp().mono_ns
    assert set(scan.quality) == {Quality.GOOD}
    await driver.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [("no-such-host.invalid:502", "no-such-host.invalid is not known"), ("127.0.0.1:1", "refuses the connection")],
)
async def test_nobody_there(address, words):
    driver = PLUGIN.create(link("modbus-tcp", address), Clock())
    with pytest.raises(LinkError, match=words) as caught:
        await driver.open()
    assert caught.value.hint
    await driver.close()
    await driver.close()


async def test_fifty_connections_leave_nothing_behind(server):
    tasks = len(asyncio.all_tasks())
    for _ in range(50):
        driver = await opened(server.port)
        await driver.read(registers(1))
        await driver.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks
