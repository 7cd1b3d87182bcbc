"""Mutated payloads, commands and STATE messages: each is read or refused, soon, and what is read has a form for people."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from gateway.model import Stamp
from gateway.uplink.errors import FormatError
from gateway.uplink.sparkplug.command import REBIRTH, wants
from gateway.uplink.sparkplug.datatype import DataType
from gateway.uplink.sparkplug.decode import decode
from gateway.uplink.sparkplug.encode import encode
from gateway.uplink.sparkplug.host import PrimaryHost, Turn
from gateway.uplink.sparkplug.payload import Metric, Payload, Property
from gateway.uplink.sparkplug.show import plain

NOW = Stamp(1_700_000_000_000_000_000, 1, "0" * 32)
VALUES = (
    (DataType.DOUBLE, 1.5),
    (DataType.FLOAT, -2.0),
    (DataType.INT64, -3),
    (DataType.INT32, None),
    (DataType.STRING, "Größe"),
    (DataType.BYTES, b"\0\x01"),
    (DataType.BOOLEAN, True),
)
PROPERTIES = {"Quality": Property(DataType.INT32, 192), "engUnit": Property(DataType.STRING, "°C")}
PAYLOADS = [
    encode(
        Payload(
            timestamp=1_700_000_000_000,
            seq=3,
            metrics=tuple(
                Metric(name=f"m{n}", alias=n, timestamp=n, datatype=datatype, value=value, properties=PROPERTIES)
                for n in range(count)
            ),
        )
    )
    for datatype, value in VALUES
    for count in (1, 3, 20)
]
COMMANDS = [encode(Payload(timestamp=1, metrics=(Metric(name=REBIRTH, datatype=DataType.BOOLEAN, value=True),)))]
STATES = [b'{"online":true,"timestamp":1700000000000}', b'{"online":false,"timestamp":1}']


class Result(NamedTuple):
    """How many inputs were taken, how many raised what they should not have, the longest in ms of computing, the first finding."""

    inputs: int
    taken: int
    uncaught: int
    longest_ms: float
    first: str


def fuzz(target: str, inputs: int, seed: int = 1) -> Result:
    """Feed so many mutated inputs to a target."""
    take, seeds = TARGETS[target]
    chance = random.Random(seed)
    taken, uncaught, longest_s, first = 0, 0, 0.0, ""
    for _ in range(inputs):
        data = mutated(chance, seeds)
        began_s = time.thread_time()
        try:
            taken += take(data)
        except Exception as error:
            uncaught += 1
            first = first or f"{type(error).__name__}: {error} ({data.hex()})"[:200]
        longest_s = max(longest_s, time.thread_time() - began_s)
    return Result(inputs, taken, uncaught, round(longest_s * 1e3, 1), first)


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return one of the seeds with one to six changes: bytes replaced, put in, repeated, cut off."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        at, what = chance.randrange(len(data) + 1), chance.random()
        if what < 0.5:
            data[at : at + 1] = chance.randbytes(1)
        elif what < 0.7:
            del data[at:]
        elif what < 0.85:
            data[at:at] = chance.randbytes(chance.randint(1, 12))
        else:
            data += data[at : at + 30]
    return bytes(data)


def _payload(data: bytes) -> bool:
    try:
        payload = decode(data)
    except FormatError:
        return False
    assert all(isinstance(metric, Metric) for metric in payload.metrics)
    assert json.dumps(plain(data), allow_nan=False)
    return True


def _command(data: bytes) -> bool:
    try:
        return wants(data)[0]
    except FormatError:
        return False


def _state(data: bytes) -> bool:
    host = PrimaryHost("scada")
    host.connected("a")
    turn = host.take(data, NOW)
    assert (turn is Turn.NOTHING) == (host.ignored == 1)
    return turn is not Turn.NOTHING


TARGETS: dict[str, tuple[Callable[[bytes], bool], list[bytes]]] = {
    "payloads": (_payload, PAYLOADS),
    "commands": (_command, COMMANDS),
    "STATE of a host": (_state, STATES),
}
