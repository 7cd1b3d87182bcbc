"""From DataValues to the columns of a Scan: numbers, objects, quality, reason and source time."""

from __future__ import annotations

import math
import uuid
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from drivers.opcua.spec import OpcuaPoint
from gateway.model import Kind, PointTable, Quality, Reason, Scan, Stamp

EXACT = 2**53
"""Whole numbers up to this are exact in a float64."""
_OVERFLOW = 0x480
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_REASONS = {
    Reason.NOT_CONNECTED: "BadNotConnected BadServerNotConnected BadConnectionClosed",
    Reason.TIMEOUT: "BadTimeout BadRequestTimeout",
    Reason.REFUSED: "BadUserAccessDenied BadNotReadable BadSecurityModeInsufficient",
    Reason.NO_SUCH_ADDRESS: "BadNodeIdUnknown BadNodeIdInvalid BadNoMatch BadBrowseNameInvalid",
    Reason.DEVICE_FAILURE: "BadDeviceFailure BadInternalError BadOutOfService BadConfigurationError",
    Reason.DEVICE_BUSY: "BadResourceUnavailable BadTooManyOperations BadServerTooBusy BadTooManyMonitoredItems",
    Reason.NO_PATH: "BadNoCommunication BadCommunicationError",
    Reason.NO_SENSOR: "BadSensorFailure",
    Reason.OUT_OF_RANGE: "BadOutOfRange UncertainEngineeringUnitsExceeded",
    Reason.NOT_SUPPORTED: "BadNotSupported BadAttributeIdInvalid BadServiceUnsupported",
    Reason.STALE: "UncertainLastUsableValue UncertainNoCommunicationLastUsableValue",
    Reason.NO_DATA: "BadWaitingForInitialData BadNoData BadDataUnavailable",
}
_REASON = {getattr(StatusCodes, name) >> 16: reason for reason, names in _REASONS.items() for name in names.split()}


def quality_of(code: int) -> tuple[Quality, Reason]:
    """Return quality and reason for an OPC UA status code; its two highest bits are the severity."""
    severity = code >> 30
    if severity == 0:
        return Quality.GOOD, Reason.NONE
    if severity == 1:
        return Quality.UNCERTAIN, _REASON.get(code >> 16, Reason.DEVICE_UNCERTAIN)
    return Quality.BAD, _REASON.get(code >> 16, Reason.DEVICE_FAILURE)


class Columns:
    """Makes the Scans of one table; counts the values the server had to drop because its queue was full."""

    def __init__(self, table: PointTable) -> None:
        points: tuple[OpcuaPoint, ...] = table.specs
        self.dropped = 0
        self._table = table
        self._scaled = {
            row: (point.scale, point.offset) for row, point in enumerate(points) if (point.scale, point.offset) != (1.0, 0.0)
        }

    def scan(self, values: Sequence[ua.DataValue], rows: Sequence[int], stamp: Stamp, *, whole: bool = False) -> Scan:
        """Return a Scan with one column per value; `whole`: a full one, in which rows without a value are unknown addresses."""
        if whole:
            scan = Scan.bad(self._table, stamp, Reason.NO_SUCH_ADDRESS)
            columns: Sequence[int] = rows
        else:
            n = len(rows)
            scan = Scan(self._table, array("d", [math.nan]) * n, bytearray(n), bytearray(n), stamp, rows=array("i", rows))
            columns = range(n)
        self._fill(scan, values, rows, columns)
        return scan

    def _fill(self, scan: Scan, values: Sequence[ua.DataValue], rows: Sequence[int], columns: Sequence[int]) -> None:
        numbers, quality, reason, scaled = scan.values, scan.quality, scan.reason, self._scaled
        stamps = array("q", bytes(8 * len(numbers)))
        kinds = scan.kinds = bytearray(len(numbers))
        stamped = False
        for value, row, column in zip(values, rows, columns, strict=True):
            code = value.StatusCode.value if value.StatusCode is not None else 0
            if code:
                quality[column], reason[column] = quality_of(code)
                if code & _OVERFLOW == _OVERFLOW and code >> 30 != 2:
                    self.dropped += 1
            else:
                quality[column], reason[column] = Quality.GOOD, Reason.NONE
            if (moment := value.SourceTimestamp) is not None:
                stamps[column] = _wall_ns(moment)
                stamped = True
            if not quality[column]:
                continue
            held: Any = value.Value.Value if value.Value is not None else None
            kind: Any = type(held)
            if kind is bool:
                numbers[column] = held
                kinds[column] = Kind.TRUTH
            elif kind is float or kind is int:
                if row in scaled:
                    scale, offset = scaled[row]
                    held = held * scale + offset
                elif kind is int:
                    kinds[column] = Kind.WHOLE
                if kind is int and not -EXACT <= held <= EXACT and row not in scaled:
                    scan.objects[column] = held
                elif math.isfinite(held):
                    numbers[column] = held
                else:
                    quality[column], reason[column] = Quality.BAD, Reason.OUT_OF_RANGE
            elif held is None:
                quality[column], reason[column] = Quality.BAD, Reason.NO_DATA
            else:
                try:
                    scan.objects[column] = plain(held, *scaled.get(row, (1.0, 0.0)))
                except TypeError:
                    quality[column], reason[column] = Quality.BAD, Reason.NOT_SUPPORTED
        if stamped:
            scan.stamps = stamps


def plain(value: Any, scale: float = 1.0, offset: float = 0.0) -> Any:
    """Return a value as text, bytes, number or (nested) list of those; numbers in a list are scaled.

    Raises:
        TypeError: it is a structure.
    """
    if isinstance(value, str | bytes | bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if (scale, offset) == (1.0, 0.0) else value * scale + offset
    if isinstance(value, list | tuple):
        if set(map(type, value)) <= {int, float}:  # a waveform has thousands
            return list(value) if (scale, offset) == (1.0, 0.0) else [item * scale + offset for item in value]
        return [plain(item, scale, offset) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.QualifiedName | ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return str(value.name)
    if isinstance(value, ua.Variant):
        return plain(value.Value, scale, offset)
    raise TypeError(f"a {type(value).__name__} is a structure")


def _wall_ns(moment: datetime) -> int:
    """Return ns since 1970 UTC, 0 for a time before: OPC UA's null is the year 1601."""
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return max(0, ((since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds) * 1000)
