"""The batch lane's message: columnar, explains itself, in JSON or CBOR; `docs/formats.md` is its documentation.

A message carries a run of records of one log in the order of their seq, so that with site, gateway, log and epoch each
record's key can be rebuilt. Encoding never fails: a record that could not be sent would hold up all that follow.
JSON is version 1, as it was from the beginning; CBOR is version 2, which writes once what the points of a machine share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from gateway.model import Log, Quality, Reading, Reason, Sequenced
from gateway.uplink import layout, packing, rows, series, tables, wire
from gateway.uplink.encoding import Encoding
from gateway.uplink.errors import FormatError
from gateway.uplink.words import Row

MAX_PAYLOAD = 128 * 1024
"""Bytes; larger runs are split. No message has more, before it is compressed, than this."""

PLAIN = Encoding()


class Message(Struct, frozen=True):
    """A payload and where it goes; it holds `count` records of one log and epoch, the last with seq `last`.

    `cut` names the points whose value alone was larger than a message and was left out; `trouble` says in words why the
    payload is not as it was asked for.
    """

    topic: str
    payload: bytes
    log: Log
    epoch: str
    last: int
    count: int
    cut: tuple[str, ...] = ()
    trouble: str = ""


class Batch(Struct, frozen=True):
    """A decoded message: whose records they are, and the records with their keys, in the order of seq."""

    site: str
    gateway: str
    records: tuple[Sequenced, ...]
    version: int = wire.VERSION


def topic(site: str, gateway: str) -> str:
    """Return the topic of the batch lane."""
    return f"coop/{site}/{gateway}/up/batch"


def question(site: str, gateway: str, encoding: Encoding = PLAIN) -> Message:
    """Return a message that holds no record: it only asks whether the topic may be published to, and receivers read it as any."""
    shape, version = (wire.Wire, wire.VERSION) if encoding.format == "json" else (layout.Layout, layout.VERSION)
    empty = shape(wire.FORMAT, version, site, gateway, Log.READING.value, "", wire.Base(0, 0))
    payload, _ = packing.pack(empty, encoding.format)
    return Message(topic(site, gateway), payload, Log.READING, "", -1, 0)


def encode(
    site: str,
    gateway: str,
    records: Iterable[Sequenced],
    *,
    encoding: Encoding = PLAIN,
    max_payload: int = MAX_PAYLOAD,
    largest_value: int = MAX_PAYLOAD,
) -> list[Message]:
    """Return messages with all the records, in order within each log; never fails. May be called in any thread.

    Times are kept to the µs. A float that is not finite, or a value a message cannot hold, becomes null with quality bad.
    A number with a resolution is sent within that of itself; the message says so.

    Args:
        site: the member.
        gateway: the gateway.
        records: records with their keys, in order of seq within each log and epoch.
        encoding: format, compression, resolutions; without its library a message is sent uncompressed and has `trouble`.
        max_payload: bytes a payload may have; a larger one is split, down to one record.
        largest_value: bytes the payload of one record may have; above, its value is replaced by null, quality bad.
    """
    runs: dict[tuple[Log, str], list[Sequenced]] = {}
    for item in records:
        runs.setdefault((item.log, item.epoch), []).append(item)
    writer = _Writer(site, gateway, encoding, max_payload, largest_value)
    return [message for run in runs.values() for message in writer.messages(run)]


class _Writer(Struct, frozen=True):
    site: str
    gateway: str
    encoding: Encoding
    max_payload: int
    largest_value: int

    def messages(self, run: list[Sequenced]) -> Iterator[Message]:
        """Yield the messages of one run."""
        size, payload, trouble = self._payload(run)
        cut: tuple[str, ...] = ()
        head = run[0]
        if (len(payload) > self.max_payload or size > MAX_PAYLOAD) and len(run) > 1:
            middle = len(run) // 2
            yield from self.messages(run[:middle])
            yield from self.messages(run[middle:])
            return
        if (len(payload) > self.largest_value or size > MAX_PAYLOAD) and isinstance(head.record, Reading):
            cut = (f"{head.record.machine}/{head.record.point}",)
            lesser = msgspec.structs.replace(head.record, value=None, quality=Quality.BAD, reason=Reason.NOT_SUPPORTED)
            size, payload, trouble = self._payload([msgspec.structs.replace(head, record=lesser)])
        yield Message(topic(self.site, self.gateway), payload, head.log, head.epoch, run[-1].seq, len(run), cut, trouble)

    def _payload(self, run: list[Sequenced]) -> tuple[int, bytes, str]:
        """Return the size before compression, the payload, and trouble."""
        form, compression = self.encoding.format, self.encoding.compress
        make: Any = series.make if form == "json" else tables.make
        raw, cut = packing.pack(make(self.site, self.gateway, run, self.encoding.resolutions), form)
        if compression is None:
            return len(raw), raw, ""
        try:
            return len(raw), packing.compress(raw, compression, cut), ""
        except packing.Uncompressed as exc:
            return len(raw), raw, str(exc)


def decode(payload: bytes | bytearray | memoryview | str) -> Batch:
    """Return the records of a message of any version; stamps carry the wall time in µs and no monotonic time or boot.

    Raises:
        FormatError: the payload is no such message, or holds a word this program does not know.
    """
    message, found = read(payload)
    log = Log(message.log)
    records = sorted(found, key=lambda row: row.seq)
    return Batch(
        message.site, message.gateway, tuple(Sequenced(log, message.epoch, row.seq, row.record) for row in records), message.version
    )


def read(payload: bytes | bytearray | memoryview | str) -> tuple[wire.Wire | layout.Layout, Sequence[Row]]:
    """Return a message of any version as it stands on the wire, and its records, column by column.

    Raises:
        FormatError: see `decode`.
    """
    mark, _ = packing.unpack(payload)
    if not isinstance(mark, dict) or mark.get("format") != wire.FORMAT:
        found = f"format is {mark['format']!r}" if isinstance(mark, dict) and "format" in mark else "it has no format"
        raise FormatError(f"not a {wire.FORMAT} message: {found}")
    version = mark.get("version")
    if type(version) is not int or version not in _VERSIONS:
        raise FormatError(f"version is {version!r}, this program reads {' and '.join(map(str, _VERSIONS))}; update it")
    shape, rows_of = _VERSIONS[version]
    try:
        message = msgspec.convert(mark, shape)
    except msgspec.ValidationError as exc:
        raise FormatError(str(exc)) from None
    try:
        Log(message.log)
        return message, list(rows_of(message))
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError) as exc:
        raise FormatError(f"unknown word: {exc}") from None


_VERSIONS: dict[int, tuple[Any, Any]] = {wire.VERSION: (wire.Wire, series.rows_of), layout.VERSION: (layout.Layout, rows.rows_of)}
