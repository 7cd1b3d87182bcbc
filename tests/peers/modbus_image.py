"""A Modbus TCP peer that is not ours: the simulator of pymodbus, serving a register image; anything else is refused (02)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Container
from pathlib import Path
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimAction, SimData, SimDevice

from tests.waiting import until

TABLES = ("coil", "discrete", "holding", "input")


def image(path: Path) -> dict[str, Any]:
    """Return the image in a JSON file.

    It holds, by table, wire addresses (decimal or hexadecimal) and what stands from there on: words of four hexadecimal digits, or
    a list of bits. `also answers` names ranges that the device answers with zeros, `at most` how many registers it hands out in one
    answer, `begins at` the only addresses at which a read may begin, `expected` the values a profile must give.
    """
    return dict(json.loads(path.read_text(encoding="utf-8")))


def held(image: dict[str, Any], table: str) -> dict[int, int]:
    """Return what one table holds, by wire address."""
    words: dict[int, int] = dict.fromkeys(range(*image.get("also answers", {}).get(table, (0, 0))), 0)
    for address, content in image.get(table, {}).items():
        values = content if isinstance(content, list) else [int(word, 16) for word in content.split()]
        words.update(enumerate(values, int(address, 0)))
    return words


def _blocks(words: dict[int, int], kind: DataType) -> list[SimData]:
    runs: list[tuple[int, list[int]]] = []
    for address in sorted(words):
        if not runs or runs[-1][0] + len(runs[-1][1]) != address:
            runs.append((address, []))
        runs[-1][1].append(words[address])
    # the simulator wants something in every table
    return [SimData(start, values=values, datatype=kind) for start, values in runs] or [SimData(65535, datatype=DataType.INVALID)]


def _bit(address: int, value: int) -> SimData:
    return SimData(address, values=[bool(value)], datatype=DataType.BITS)


def _limit(most: int, begins: Container[int] | None) -> SimAction:
    async def refuse(_function: int, _block: int, at: int, count: int, *_: object) -> ExcCodes | None:
        if begins is not None and at not in begins:
            return ExcCodes.ILLEGAL_ADDRESS
        return ExcCodes.ILLEGAL_VALUE if count > most else None

    return refuse


class Served:
    """The running simulator: its port, and how many requests it has refused."""

    def __init__(self) -> None:
        self.port = 0
        self.refused = 0

    def watch(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """Count the exceptions that are sent."""
        self.refused += sending and pdu.isError()
        return pdu


@contextlib.asynccontextmanager
async def serving(image: dict[str, Any], unit: int = 1) -> AsyncIterator[Served]:
    """Serve an image on a free port of 127.0.0.1."""
    served = Served()
    bits = [[_bit(at, bit) for at, bit in sorted(held(image, table).items())] or [_bit(65535, 0)] for table in TABLES[:2]]
    words = [_blocks(held(image, table), DataType.REGISTERS) for table in TABLES[2:]]
    device = SimDevice(unit, simdata=(*bits, *words), action=_limit(image.get("at most", 125), image.get("begins at")))
    server = ModbusTcpServer(device, address=("127.0.0.1", 0), trace_pdu=served.watch)
    await server.serve_forever(background=True)
    try:
        served.port = server.transport.sockets[0].getsockname()[1]
        yield served
        # its side of a connection ends a turn of the loop after ours; a transport that is still open would be complained about
        await until(lambda: not server.active_connections, what="the connections to the simulator are closed")
    finally:
        await server.shutdown()
        await asyncio.sleep(0)
