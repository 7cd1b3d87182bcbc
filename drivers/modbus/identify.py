"""Who is this unit? Device identification (function 43/14), server id (17), the SunSpec common block; reads only."""

from __future__ import annotations

import re
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct, field

from drivers.modbus.probe import Reply

IDENTIFICATION: Final = 43
SERVER_ID: Final = 17
SUNSPEC_MARK: Final = b"SunS"
SUNSPEC_PLACES: Final = (40000, 50000, 0)
"""Wire addresses where a SunSpec map may begin, in the order of the specification's likelihood."""

_COMMON_MODEL: Final = 1
_COMMON_LENGTH: Final = 66
_MEI: Final = 14
_BASIC: Final = 1
_REGULAR: Final = 2
_MOST_PARTS: Final = 8
_MOST_MODELS: Final = 12
_END_OF_MODELS: Final = 0xFFFF
_OBJECTS: Final = {0: "vendor", 1: "product", 2: "revision", 3: "url", 4: "product_name", 5: "model", 6: "application"}

Ask = Callable[[bytes], Awaitable[Reply]]
"""Sends one request to the unit in question."""

TypeRegister = tuple[str, int, int]
"""A register that may hold a type number: the address as it is written, function and wire address."""


class Identity(Struct, kw_only=True):
    """What a unit says of itself; every field may be empty.

    Attributes:
        vendor, product, revision: basic identification of 43/14, or manufacturer, model and version of SunSpec.
        url, product_name, model, application: regular identification of 43/14.
        serial: serial number, of SunSpec only.
        server_id: readable part of the answer to function 17.
        sunspec: wire address of the SunSpec mark, None when there is none.
        models: numbers of the SunSpec models behind the common one.
        types: what stood in registers where some makers keep a type number, by the address as asked.
        by: functions that said it, e.g. `43/14`, `17`, `SunSpec`.
    """

    vendor: str = ""
    product: str = ""
    revision: str = ""
    url: str = ""
    product_name: str = ""
    model: str = ""
    application: str = ""
    serial: str = ""
    server_id: str = ""
    sunspec: int | None = None
    models: tuple[int, ...] = ()
    types: dict[str, int] = field(default_factory=dict)
    by: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The identity in one line, "" when nothing is known."""
        what = self.model or self.product_name or self.product
        if self.product and self.product.lower() not in what.lower():
            what = f"{what} ({self.product})"
        parts = [part for part in (self.vendor, what, self.revision) if part]
        return " ".join(parts) or self.server_id


def read(function: int, address: int, count: int = 1) -> bytes:
    """Return the request for a read."""
    return struct.pack(">BHH", function, address, count)


async def identify(ask: Ask, types: Sequence[TypeRegister] = ()) -> Identity:
    """Ask a unit who it is, in few requests: the next way is tried only while vendor and product are unknown.

    `types` are registers that are read when nothing else has named the product.
    """
    identity = Identity()
    await _device_identification(ask, identity)
    if not (identity.vendor and identity.product):
        await _server_id(ask, identity)
        await _sunspec(ask, identity)
    if not identity.product:
        await _types(ask, types, identity)
    return identity


async def _types(ask: Ask, types: Sequence[TypeRegister], identity: Identity) -> None:
    for name, function, wire in types:
        reply = await ask(read(function, wire))
        if reply.pdu is None:
            return  # one overdue answer of this length is enough: it could be taken for the next
        if reply.data is not None:
            identity.types[name] = int.from_bytes(reply.data[1:3], "big")


async def _device_identification(ask: Ask, identity: Identity) -> None:
    objects = await _objects(ask, _BASIC)
    if objects is None:
        return
    # a level the unit does not have is answered with an exception or with what it has
    objects = {**objects, **(await _objects(ask, _REGULAR, 3) or {})} if objects.keys() & {0, 1, 2} else objects
    for number, value in objects.items():
        if name := _OBJECTS.get(number):
            setattr(identity, name, value)
    if objects:
        identity.by += ("43/14",)


async def _objects(ask: Ask, level: int, first: int = 0) -> dict[int, str] | None:
    """Return the objects of one level, over as many answers as it takes; None: not supported."""
    found: dict[int, str] = {}
    number = first
    for _ in range(_MOST_PARTS):
        data = (await ask(bytes([IDENTIFICATION, _MEI, level, number]))).data
        if data is None:
            return found or None
        more, following, part = parse_objects(data)
        found.update(part)
        if not more or following <= number:
            return found
        number = following
    return found


def parse_objects(data: bytes) -> tuple[bool, int, dict[int, str]]:
    """Return whether more follows, from which object, and the objects by number; `data` begins behind the function code.

    An answer that is shorter than it says yields the objects that are whole.
    """
    found: dict[int, str] = {}
    if len(data) < 6:
        return False, 0, found
    more, following, count = data[3] == 0xFF, data[4], data[5]
    at = 6
    for _ in range(count):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return False, 0, found
        found[data[at]] = text(data[at + 2 : at + 2 + data[at + 1]])
        at += 2 + data[at + 1]
    return more, following, found


async def _server_id(ask: Ask, identity: Identity) -> None:
    data = (await ask(bytes([SERVER_ID]))).data
    if data and (said := parse_server_id(data)):
        identity.server_id = said
        identity.by += ("17",)


def parse_server_id(data: bytes) -> str:
    """Return the readable part of a server id; `data` begins with its byte count. What else is in it is the maker's own."""
    runs = re.findall(rb"[\x20-\x7e]{3,}", data[1 : 1 + data[0]])
    return " ".join(text(run) for run in runs if run.strip())


async def _sunspec(ask: Ask, identity: Identity) -> None:
    for place in SUNSPEC_PLACES:
        reply = await ask(read(3, place, 2))
        if reply.pdu is None:
            return  # it does not even refuse: not worth a timeout for each place
        if reply.data is None or reply.data[1:5] != SUNSPEC_MARK:
            continue
        identity.sunspec = place
        identity.by += ("SunSpec",)
        common = (await ask(read(3, place + 2, _COMMON_LENGTH))).data
        if common and parse_sunspec(common[1:], identity):
            await _models(ask, place + 4 + int.from_bytes(common[3:5], "big"), identity)
        return


async def _models(ask: Ask, address: int, identity: Identity) -> None:
    """Walk along the chain of models: each begins with its number and its length."""
    for _ in range(_MOST_MODELS):
        head = (await ask(read(3, address, 2))).data if address < 0xFFFE else None
        if head is None or (number := int.from_bytes(head[1:3], "big")) == _END_OF_MODELS:
            return
        identity.models += (number,)
        address += 2 + int.from_bytes(head[3:5], "big")


def parse_sunspec(data: bytes, identity: Identity) -> bool:
    """Take manufacturer, model, version and serial number from a common block, which begins with its number and length.

    Returns whether it is one; its length is 65 or 66 registers, the last one only fills up.
    """
    if len(data) < 2 * _COMMON_LENGTH or int.from_bytes(data[:2], "big") != _COMMON_MODEL:
        return False

    def said(register: int, count: int) -> str:
        return text(data[2 * register : 2 * (register + count)])

    identity.vendor = identity.vendor or said(2, 16)
    identity.product = identity.product or said(18, 16)
    identity.revision = identity.revision or said(42, 8)
    identity.serial = said(50, 16)
    return True


def text(raw: bytes) -> str:
    """Return the printable text in what a device sent: up to the first zero byte, spaces joined."""
    decoded = raw.split(b"\0", 1)[0].decode("utf-8", errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in decoded).replace("\ufffd", " ").split())
