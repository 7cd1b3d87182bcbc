"""A hydraulic press as a Modbus TCP server: `python -m drivers.sim.press --port 15502`; unit 1, read only.

Registers (word order big-endian, as printed in a manual):

| address              | what          | type              | unit                  |
|----------------------|---------------|-------------------|-----------------------|
| holding 40017 (16)   | oil_temp      | int16, 0.1        | °C                    |
| holding 40019 (18)   | pressure      | float32           | bar                   |
| holding 40021 (20)   | strokes       | uint32            |                       |
| holding 40023 (22)   | mode          | uint16            | 0 off, 1 setup, 2 auto |
| holding 40025 (24)   | status        | uint16 bits       | 0 pump on, 1 oil warm |
| holding 40027 (26)   | tool          | string, 8 registers |                     |
| input 30001 (0)      | motor_current | uint16, 0.1       | A                     |
| input 30002 (1)      | oil_level     | uint16, 0.1       | %                     |
| coil 1 (0)           | running       | bool              |                       |
| discrete 10001 (0)   | guard_closed  | bool              |                       |
"""

from __future__ import annotations

import math
import struct
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

from msgspec import Struct

from drivers.sim.process import HOST, parser, run

DEFAULT_PORT = 15502
UNIT = 1

STROKE_S = 4.0
STROKES_PER_ROUND = 22
SETUP_S = 8.0
ROUND_S = SETUP_S + STROKES_PER_ROUND * STROKE_S
STROKES_BEFORE = 148_203
TOOL = "DRAW-0417"

MODE_SETUP, MODE_AUTO = 1, 2

_COURSE = ((0.0, 12.0), (0.8, 35.0), (1.4, 180.0), (2.4, 181.0), (2.8, 20.0), (STROKE_S, 12.0))
"""Corners of one stroke, seconds and bar: fast approach, build-up, hold, release, return."""


class PressState(Struct, frozen=True):
    """What the press measures at one moment: °C, bar, strokes since it was built, A, % and its state."""

    oil_temp: float
    pressure: float
    strokes: int
    mode: int
    motor_current: float
    oil_level: float
    running: bool
    guard_closed: bool


def state_at(t_s: float) -> PressState:
    """Return the state `t_s` seconds after the press was switched on: rounds of 8 s setup and 22 strokes of 4 s."""
    rounds, within = divmod(t_s, ROUND_S)
    auto_s = within - SETUP_S
    strokes = STROKES_BEFORE + int(rounds) * STROKES_PER_ROUND
    pressure, running = 12.0, False
    if auto_s >= 0:
        done, phase = divmod(auto_s, STROKE_S)
        strokes += int(done)
        running = True
        pressure = _pressure(phase)
    ripple = 0.8 * math.sin(2 * math.pi * 1.7 * t_s)
    oil_temp = 34.0 + 22.0 * (1 - math.exp(-t_s / 300.0)) + 0.03 * math.sin(t_s / 7)
    return PressState(
        oil_temp=oil_temp,
        pressure=pressure + ripple,
        strokes=strokes,
        mode=MODE_AUTO if running else MODE_SETUP,
        motor_current=11.5 + 0.14 * pressure,
        oil_level=91.0 - 0.6 * math.sin(2 * math.pi * t_s / 190.0),
        running=running,
        guard_closed=running or within > SETUP_S - 2,
    )


def _pressure(phase_s: float) -> float:
    """Return bar at `phase_s` of a stroke, between the corners of its course."""
    for (start_s, before), (end_s, after) in pairwise(_COURSE):
        if phase_s <= end_s:
            return before + (after - before) * (phase_s - start_s) / (end_s - start_s)
    return _COURSE[-1][1]


def _words(form: str, *values: object) -> Sequence[int]:
    """Return values packed by `struct` as big-endian registers."""
    raw = struct.pack(f">{form}", *values)
    return struct.unpack(f">{len(raw) // 2}H", raw)


def holding(state: PressState) -> list[int]:
    """Return holding registers 16 to 33."""
    status = 0b01 | (state.oil_temp > 45.0) << 1
    gap = (0,)
    tool = _words("16s", TOOL.ljust(16).encode("ascii"))
    return [
        *_words("h", round(state.oil_temp * 10)),
        *gap,
        *_words("fI", state.pressure, state.strokes),
        *_words("H", state.mode),
        *gap,
        *_words("H", status),
        *gap,
        *tool,
    ]


def inputs(state: PressState) -> list[int]:
    """Return input registers 0 and 1."""
    return [round(state.motor_current * 10), round(state.oil_level * 10)]


@asynccontextmanager
async def serve(port: int) -> AsyncIterator[None]:
    """Run the Modbus server on loopback while the context is open; values are computed when they are asked for."""
    from pymodbus.constants import ExcCodes
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    started = time.monotonic()

    async def refresh(
        function: int, start: int, address: int, count: int, registers: list[int], written: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        state = state_at(time.monotonic() - started)
        fresh = {1: [int(state.running)], 2: [int(state.guard_closed)], 3: holding(state), 4: inputs(state)}[function]
        registers[: len(fresh)] = fresh
        return None

    first = state_at(0.0)
    device = SimDevice(
        id=UNIT,
        simdata=(
            [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
            [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
            [SimData(16, values=holding(first), datatype=DataType.REGISTERS)],
            [SimData(0, values=inputs(first), datatype=DataType.REGISTERS)],
        ),
        action=refresh,
    )
    server = ModbusTcpServer(device, address=(HOST, port))
    await server.serve_forever(background=True)
    try:
        yield
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def main() -> int:
    """Run the press as a process."""
    arguments = parser("press", "a hydraulic press on Modbus TCP", DEFAULT_PORT).parse_args()
    return run("press", arguments.port, serve)


if __name__ == "__main__":
    sys.exit(main())
