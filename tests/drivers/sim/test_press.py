import itertools
import struct

import pytest

from drivers.sim import press
from tests.peers import shop


def test_strokes_count_up_and_pressure_follows_the_cycle():
    states = [press.state_at(t / 10) for t in range(int(3 * press.ROUND_S * 10))]
    strokes = [state.strokes for state in states]
    assert strokes[0] == press.STROKES_BEFORE
    assert all(0 <= b - a <= 1 for a, b in itertools.pairwise(strokes))
    assert strokes[-1] == press.STROKES_BEFORE + 3 * press.STROKES_PER_ROUND - 1
    assert max(s.pressure for s in states if s.mode == press.MODE_AUTO) > 175
    assert max(s.pressure for s in states if s.mode == press.MODE_SETUP) < 15
    assert all(s.running == (s.mode == press.MODE_AUTO) for s in states)
    assert all(s.guard_closed for s in states if s.running)


def test_oil_warms_up_and_stays_plausible():
    temperatures = [press.state_at(t).oil_temp for t in range(0, 3600, 30)]
    assert 33 < temperatures[0] < 35
    assert 55 < temperatures[-1] < 57
    assert all(b > a - 0.1 for a, b in itertools.pairwise(temperatures))


def test_registers_lie_where_the_table_says():
    state = press.state_at(20.0)
    registers = press.holding(state)
    raw = struct.pack(f">{len(registers)}H", *registers)
    assert struct.unpack_from(">h", raw, 0)[0] == round(state.oil_temp * 10)
    assert struct.unpack_from(">fI", raw, 4) == (pytest.approx(state.pressure), state.strokes)
    assert struct.unpack_from(">H", raw, 12)[0] == state.mode
    assert struct.unpack_from(">H", raw, 16)[0] & 1
    assert raw[20:36].decode().rstrip() == press.TOOL


async def test_answers_a_modbus_client_with_values_that_move():
    from pymodbus.client import AsyncModbusTcpClient

    async with shop.machine("press") as (port, _):
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        assert await client.connect()
        try:
            holding = await client.read_holding_registers(16, count=18, device_id=1)
            inputs = await client.read_input_registers(0, count=2, device_id=1)
            coil = await client.read_coils(0, count=1, device_id=1)
            guard = await client.read_discrete_inputs(0, count=1, device_id=1)
            again = await client.read_holding_registers(16, count=18, device_id=1)
            written = await client.write_register(22, 2, device_id=1)
            outside = await client.read_holding_registers(100, count=1, device_id=1)
        finally:
            client.close()
    raw = struct.pack(">18H", *holding.registers)
    assert 33 < struct.unpack_from(">h", raw, 0)[0] / 10 < 36
    assert struct.unpack_from(">I", raw, 8)[0] == press.STROKES_BEFORE
    assert holding.registers[6] == press.MODE_SETUP
    assert again.registers != holding.registers, "the pressure moves between two reads"
    assert 100 < inputs.registers[0] < 200
    assert not coil.isError()
    assert coil.bits[0] is False
    assert not guard.isError()
    assert written.isError()
    assert outside.isError()
