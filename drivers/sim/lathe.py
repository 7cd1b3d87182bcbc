"""A lathe's controller as an OPC UA server: `python -m drivers.sim.lathe --port 14840`; security None, read only.

Everything is under `Objects/Lathe` in the namespace `urn:retrofit-gateway:sim:lathe`, with string node ids:

| browse name  | node id              | type    | unit                              |
|--------------|----------------------|---------|-----------------------------------|
| SpindleSpeed | s=Lathe.SpindleSpeed | Double  | rpm                               |
| Feed         | s=Lathe.Feed         | Double  | mm/min                            |
| Load         | s=Lathe.Load         | Float   | %                                 |
| Temperature  | s=Lathe.Temperature  | Double  | °C                                |
| State        | s=Lathe.State        | Int32   | 0 off, 1 idle, 2 run, 3 fault     |
| Program      | s=Lathe.Program      | String  |                                   |
| PartCount    | s=Lathe.PartCount    | UInt32  |                                   |
| DoorClosed   | s=Lathe.DoorClosed   | Boolean |                                   |
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from drivers.sim.process import HOST, parser, run

DEFAULT_PORT = 14840
NAMESPACE = "urn:retrofit-gateway:sim:lathe"
UPDATE_S = 0.25

CUT_S, CHANGE_S = 26.0, 6.0
PART_S = CUT_S + CHANGE_S
PARTS_PER_PROGRAM = 3
PROGRAMS = ("O1204 FLANGE", "O1310 SHAFT", "O0877 BUSHING")
PARTS_BEFORE = 5_121

STATE_IDLE, STATE_RUN = 1, 2


def values_at(t_s: float) -> dict[str, float | int | bool | str]:
    """Return every variable `t_s` seconds after start: parts of 26 s cutting and 6 s change, three of a kind."""
    parts, phase = divmod(t_s, PART_S)
    cutting = phase < CUT_S
    # Facing at constant cutting speed: the spindle runs up as the diameter shrinks, once per pass of 6.5 s.
    passed = (phase % 6.5) / 6.5
    speed = (1200 + 900 * passed + 4 * math.sin(9 * t_s)) if cutting else 0.0
    load = (38 + 22 * (1 - passed) + 3 * math.sin(5 * t_s)) if cutting else 4.0
    return {
        "SpindleSpeed": speed,
        "Feed": 0.22 * speed if cutting else 0.0,
        "Load": load,
        "Temperature": 29.0 + 12.0 * (1 - math.exp(-t_s / 420.0)) + 0.15 * math.sin(t_s / 5),
        "State": STATE_RUN if cutting else STATE_IDLE,
        "Program": PROGRAMS[int(parts) // PARTS_PER_PROGRAM % len(PROGRAMS)],
        "PartCount": PARTS_BEFORE + int(parts),
        "DoorClosed": cutting or phase > PART_S - 1.5,
    }


@asynccontextmanager
async def serve(port: int) -> AsyncIterator[None]:
    """Run the OPC UA server on loopback while the context is open; values move every 250 ms."""
    from asyncua import ua
    from asyncua.server.server import Server

    types = {
        "SpindleSpeed": ua.VariantType.Double,
        "Feed": ua.VariantType.Double,
        "Load": ua.VariantType.Float,
        "Temperature": ua.VariantType.Double,
        "State": ua.VariantType.Int32,
        "Program": ua.VariantType.String,
        "PartCount": ua.VariantType.UInt32,
        "DoorClosed": ua.VariantType.Boolean,
    }
    started = time.monotonic()
    server = Server()
    gc.disable()  # the standard address space is 100,000 objects that stay: a quarter of the start would be garbage collection
    await server.init()
    gc.freeze()
    gc.enable()
    server.set_server_name("Simulated lathe")
    server.set_endpoint(f"opc.tcp://{HOST}:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    lathe = await server.nodes.objects.add_object(f"ns={index};s=Lathe", f"{index}:Lathe")
    variables = {}
    for name, value in values_at(0.0).items():
        variables[name] = await lathe.add_variable(f"ns={index};s=Lathe.{name}", f"{index}:{name}", value, types[name])

    async def move() -> None:
        while True:
            await asyncio.sleep(UPDATE_S)
            for name, value in values_at(time.monotonic() - started).items():
                await variables[name].write_value(value, types[name])

    await server.start()
    mover = asyncio.create_task(move())
    try:
        yield
    finally:
        mover.cancel()
        await asyncio.gather(mover, return_exceptions=True)
        with suppress(TimeoutError):  # it would wait for its clock, which sleeps up to a second
            await asyncio.wait_for(server.stop(), 0.2)


def main() -> int:
    """Run the lathe as a process."""
    arguments = parser("lathe", "a lathe's controller on OPC UA", DEFAULT_PORT).parse_args()
    return run("lathe", arguments.port, serve)


if __name__ == "__main__":
    sys.exit(main())
