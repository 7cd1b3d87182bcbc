"""Records as they are stored: MessagePack of the struct; nothing for one that has no stored form."""

from __future__ import annotations

import msgspec

from gateway.log import get
from gateway.model import Record

from .segment import LOGS

Stored = tuple[int, bytes]
"""Rank of the log, and the payload."""

_RANK = {log: rank for rank, log in enumerate(LOGS)}
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)

log = get("outbox")


def encode(record: Record) -> Stored:
    """Return rank of the log and payload; nothing for a value that has none (an integer beyond 64 bit, a foreign object)."""
    rank = _RANK[record.log]
    try:
        return rank, _encoder.encode(record)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        log.warning("record_refused", machine=getattr(record, "machine", ""), point=getattr(record, "point", ""), reason=str(error))
        return rank, b""


def decode(payload: bytes | None) -> Record | None:
    """Return the record, None when there is none or it cannot be understood."""
    try:
        return _decoder.decode(payload) if payload else None
    except (msgspec.DecodeError, TypeError, ValueError):
        return None
