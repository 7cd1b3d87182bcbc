"""Servers of pymodbus, independent of our framing: TCP, ASCII (serial and TCP) and UDP. Registers hold their own wire address."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusUdpServer

REGISTERS = 500


def _context(unit: int) -> ModbusServerContext:
    def block(values: list[Any]) -> ModbusSequentialDataBlock:
        return ModbusSequentialDataBlock(1, values)

    device = ModbusDeviceContext(
        di=block([bool(i % 5 == 0) for i in range(200)]),
        co=block([bool(i % 3 == 0) for i in range(200)]),
        ir=block([10000 + i for i in range(200)]),
        hr=block(list(range(REGISTERS))),
    )
    return ModbusServerContext(devices={unit: device}, single=False)


@contextlib.asynccontextmanager
async def _run(server: Any) -> AsyncIterator[Any]:
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()


@contextlib.asynccontextmanager
async def tcp(unit: int = 1) -> AsyncIterator[str]:
    """Serve Modbus TCP; yields host:port. Of requests that come in one piece it answers the first only."""
    async with _run(ModbusTcpServer(_context(unit), framer=FramerType.SOCKET, address=("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def ascii_serial(port: str, unit: int = 7) -> AsyncIterator[None]:
    """Serve ASCII on a serial port (9600 8N1, since a pty knows no parity)."""
    server = ModbusSerialServer(_context(unit), framer=FramerType.ASCII, port=port, baudrate=9600, parity="N")
    async with _run(server):
        yield


@contextlib.asynccontextmanager
async def ascii_tcp(unit: int = 7) -> AsyncIterator[str]:
    """Serve ASCII over TCP; yields host:port."""
    async with _run(ModbusTcpServer(_context(unit), framer=FramerType.ASCII, address=("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def udp(unit: int = 7) -> AsyncIterator[str]:
    """Serve MBAP over UDP; yields host:port."""
    async with _run(ModbusUdpServer(_context(unit), framer=FramerType.SOCKET, address=("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.transport.get_extra_info('sockname')[1]}"
