"""One machine read with its real driver, and all that a technician wants to know of it: bytes, addresses, times, reasons."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from drivers.modbus.address import Address
from drivers.modbus.errors import OF_A_GATEWAY
from drivers.modbus.spec import BUS_SCHEMES
from drivers.modbus.verdict import evidence_of, verdicts
from drivers.modbus.watch import Seen, Watch, framing_of
from gateway import driver as drivers
from gateway.clock import Clock
from gateway.config.spec import Machine
from gateway.driver import DeviceError, Driver, LinkError, Streams
from gateway.model import Block, PointTable, Quality, Reading, Reason, Scan
from gateway.shape import Shape

WAVEFORM_S: Final = 1.0
"""How much of a waveform is taken."""

WAVEFORM_LIMIT_S: Final = 15.0
"""How long it may take to come."""

HINTS: Final = {
    Reason.NO_SUCH_ADDRESS: "compare with the manual: off by one? another table (input, holding)?",
    Reason.NOT_SUPPORTED: "the unit does not have this table; try 'input' instead of 'holding'",
    Reason.NO_SENSOR: "the device is there, but nothing is connected to this input, or its cable is cut",
    Reason.OUT_OF_RANGE: "type or order may be wrong: gateway try MACHINE --at … --shows …",
    Reason.BAD_ANSWER: "see the bytes with --frames",
    Reason.TIMEOUT: "the unit was silent: unit number, wiring, power",
    Reason.NO_PATH: "the Modbus gateway is there, the unit behind it is silent: unit number, wiring, power",
    Reason.DEVICE_BUSY: "read again; if it stays, a longer 'every' or a 'pause'",
    Reason.DEVICE_FAILURE: "look at the display of the device",
    Reason.REFUSED: "the device does not let this be read: rights, or a protected area",
}
"""What to do about a bad point."""


class Row(Struct, frozen=True):
    """One point as it was read. `manual` and `wire` are empty where a driver has no such addresses; `raw` is hexadecimal."""

    point: str
    manual: str
    wire: str
    raw: str
    value: Any
    unit: str
    ms: float | None
    quality: str
    reason: str = ""
    hint: str = ""


class Wave(Struct, frozen=True):
    """What came of a waveform in a second, or one whole waveform out of registers."""

    rate_hz: float
    samples: int
    low: float
    high: float
    rms: float
    unit: str


class Attempt(Struct):
    """What one round brought; `error` and `hint` tell why it brought nothing, `reached` whether the machine answered at all.

    `line` says what is wrong with the bus itself, from all rounds so far.
    """

    rows: list[Row] = field(default_factory=list)
    wave: Wave | None = None
    error: str = ""
    hint: str = ""
    reached: bool = True
    took_ms: float = 0.0
    requests: int = 0
    frames: list[Seen] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """Exit code: 0 good, 1 bad points, 3 not reachable."""
        if not self.reached:
            return 3
        return 1 if self.error or any(row.quality != "good" for row in self.rows) else 0


def table_of(machine: Machine, points: dict[str, Any] | None = None) -> PointTable:
    """Return the points of a machine, or others in their place, as one table."""
    points = machine.points if points is None else points
    specs = tuple(points.values())
    return PointTable(machine.name, tuple(points), tuple(s.unit for s in specs), specs, machine.options, machine.every_s)


class Session:
    """One machine; the connection is opened with the first round and again after it was lost."""

    def __init__(self, machine: Machine, table: PointTable | None = None, tell: Any = None) -> None:
        """Prepare; `tell` gets every frame at once."""
        self.machine = machine
        self.table = table or table_of(machine)
        self.watch = Watch(framing_of(machine.link.scheme), tell)
        self.scan: Scan | None = None
        self._clock = Clock()
        self._driver: Driver | None = None
        self._echoes = 0

    async def round(self) -> Attempt:
        """Read everything once; never raises DeviceError."""
        attempt = Attempt()
        self.watch.clear()
        begun = time.monotonic()
        try:
            driver = await self._opened()
            begun = time.monotonic()  # connecting is not reading
            if self.table.names:
                self.scan = await driver.read(self.table)
                attempt.rows = self._rows(self.scan, attempt, (time.monotonic() - begun) * 1e3)
            elif isinstance(driver, Streams):
                attempt.wave = await _wave(driver, self.table, whole=self.machine.link.scheme.startswith(("modbus", "opc")))
            else:
                attempt.error, attempt.hint = "this machine has no points", "write some under 'points:'"
        except DeviceError as error:
            attempt.error, attempt.hint = error.message, error.hint
            attempt.reached = _answered(self.watch)
            if isinstance(error, LinkError):
                await self.close()
        attempt.took_ms = (time.monotonic() - begun) * 1e3
        self.watch.flush()
        attempt.frames = list(self.watch.seen)
        attempt.requests = sum(frame.direction == "tx" for frame in attempt.frames)
        attempt.warnings = list(getattr(self._driver, "warnings", ()))
        attempt.line = self._line(attempt.frames)
        return attempt

    def _line(self, frames: list[Seen]) -> list[str]:
        """Return what the counters say about a bus; silence is left to the error, which knows more."""
        self._echoes += sum(frame.echo for frame in frames)
        counters = getattr(self._driver, "counters", None)
        if counters is None or self.machine.link.scheme not in BUS_SCHEMES:
            return []
        evidence = replace(evidence_of(counters), echoes=self._echoes)
        return [str(verdict) for verdict in verdicts(evidence) if verdict.code not in {"good", "silent"}]

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._driver is not None

    async def close(self) -> None:
        """Let go of the machine."""
        if self._driver is not None:
            driver, self._driver = self._driver, None
            await driver.close()

    async def _opened(self) -> Driver:
        if self._driver is None:
            driver = drivers.find(self.machine.link.scheme).create(self.machine.link, self._clock)
            if hasattr(driver, "on_frame"):
                driver.on_frame = self.watch
            try:
                await driver.open()
            except BaseException:
                await driver.close()
                raise
            self._driver = driver
        return self._driver

    def _rows(self, scan: Scan, attempt: Attempt, took_ms: float) -> list[Row]:
        records = Shape(self.table).apply(scan)
        readings = {record.point: record for record in records if isinstance(record, Reading)}
        rows = []
        for i, (name, spec) in enumerate(zip(self.table.names, self.table.specs, strict=True)):
            manual, wire = _address(spec, self._at(spec))
            raw, ms = self._raw(spec)
            reading = readings.get(name)
            quality = reading.quality if reading else Quality(scan.quality[i])
            reason = reading.reason if reading else Reason(scan.reason[i])
            words, hint = reason.words, HINTS.get(reason, "") if quality is not Quality.GOOD else ""
            if quality is Quality.BAD and (refused := self._refusal(spec)):
                words, hint = f"{words} (exception {refused.code})", refused.hint or hint
            rows.append(
                Row(
                    name,
                    manual,
                    wire,
                    raw,
                    reading.value if reading else None,
                    spec.unit,
                    round(took_ms if ms is None and not hasattr(spec, "at") else ms or 0.0, 2) or None,
                    quality.word,
                    words,
                    hint,
                )
            )
        return rows

    def _raw(self, spec: Any) -> tuple[str, float | None]:
        """Return the bytes a Modbus point was made of, as registers in hexadecimal, and the ms its answer took."""
        at, unit = self._at(spec), getattr(self.table.options, "unit", None)
        if at is None or unit is None:
            return "", None
        found = self.watch.registers(unit, at.function, at.wire, spec.width)
        if found is None:
            return "", None
        data, took_s = found
        if at.bits:
            return " ".join(str(bit) for bit in data), took_s * 1e3
        return data.hex(" ", 2).upper(), took_s * 1e3

    def _refusal(self, spec: Any) -> Seen | None:
        """Return the exception with which the unit refused a Modbus point in this round, the narrowest request last."""
        at, unit = self._at(spec), getattr(self.table.options, "unit", None)
        for frame in reversed(self.watch.seen):
            ask = frame.request
            if at is None or frame.code is None or ask is None or (ask.unit, ask.function) != (unit, at.function):
                continue
            if ask.address <= at.wire and at.wire + spec.width <= ask.address + ask.count:
                return frame
        return None

    def _at(self, spec: Any) -> Address | None:
        """Return where a Modbus point really stands, None for other drivers."""
        at, place = getattr(spec, "at", None), getattr(self.table.options, "place", None)
        if not isinstance(at, Address):
            return None
        placed: Address = place(at) if place else at
        return placed


def _answered(watch: Watch) -> bool:
    """Say whether the machine itself answered anything; an exception counts, but not that of a Modbus gateway in its place."""
    return any(frame.direction == "rx" and frame.request is not None and frame.code not in OF_A_GATEWAY for frame in watch.seen)


def _address(spec: Any, at: Address | None) -> tuple[str, str]:
    if at is not None:
        bit = getattr(spec, "bit_number", None)
        return f"{at.table} {at.manual}" + ("" if bit is None else f".{bit}"), str(at.wire)
    return str(getattr(spec, "node", None) or getattr(spec, "path", None) or ""), ""


async def _wave(driver: Streams, table: PointTable, *, whole: bool) -> Wave:
    """Take a second of a waveform, or, where each Block is a `whole` one by itself (out of registers), one Block.

    Raises:
        DeviceError: it did not come.
    """
    samples: array[float] = array("f")
    last: Block | None = None
    try:
        async with asyncio.timeout(WAVEFORM_LIMIT_S):
            stream = driver.stream(table)
            try:
                async for block in stream:
                    if last is not None and block.point != last.point:
                        continue  # another axis; one is enough to see that the sensor lives
                    last = block
                    samples.extend(block.samples)
                    if whole or len(samples) >= WAVEFORM_S * block.rate_hz:
                        break
            finally:
                if close := getattr(stream, "aclose", None):
                    await close()
    except TimeoutError:
        raise DeviceError(f"no waveform came within {WAVEFORM_LIMIT_S:g} s", hint="is the sensor measuring?") from None
    if last is None:
        raise DeviceError("not a single sample came", hint="is the recording empty, the sensor switched on?")
    if not whole:
        samples = samples[: max(1, math.ceil(WAVEFORM_S * last.rate_hz))]
    rms = math.sqrt(math.fsum(x * x for x in samples) / len(samples))
    return Wave(last.rate_hz, len(samples), min(samples), max(samples), rms, last.unit)
