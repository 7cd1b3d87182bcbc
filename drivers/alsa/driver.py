"""The driver of sound cards: channels of an accelerometer that is one, as Blocks."""

from __future__ import annotations

import contextlib
import shutil
from array import array
from collections.abc import AsyncGenerator

from cython_ext.scans import Decoder
from drivers.alsa.recorder import Recorder
from drivers.alsa.spec import FORMATS, AlsaLink, AlsaUnit
from drivers.alsa.words import INSTALL
from gateway.clock import Clock
from gateway.config.spec import Link
from gateway.driver import LinkError
from gateway.model import Block, PointTable, Reason, Scan
from gateway.waveform import Counters, Piece, SampleClock, SharedSource

POINT = "vibration"


class AlsaDriver:
    """One recording device; several machines may take different channels of it.

    It records while somebody listens. After an overrun, what may be of both sides of it is thrown away, and the next Block has
    `gap`.
    """

    def __init__(self, link: Link, clock: Clock, program: str = "arecord") -> None:
        self.counters = Counters()
        self._options: AlsaLink = link.options
        self._device = link.address
        self._clock = clock
        self._program = program
        self._wanted: dict[str, tuple[int, float]] = {}
        self._source = SharedSource(self._pieces)

    async def open(self) -> None:
        """See that arecord is there; the device is opened by the first who listens.

        Raises:
            LinkError: it is not installed.
        """
        if shutil.which(self._program) is None:
            raise LinkError(f"the program {self._program} is missing", hint=INSTALL)

    async def read(self, table: PointTable) -> Scan:
        """Return a Scan in which every point is unknown: a sound card has a waveform and no points."""
        return Scan.bad(table, self._clock.stamp(), Reason.NO_SUCH_ADDRESS)

    async def stream(self, table: PointTable) -> AsyncGenerator[Block, None]:
        """Yield Blocks named `vibration` of the channel of one machine.

        Raises:
            LinkError: the card is not there, refuses, or is silent; the hint says what to do.
        """
        unit: AlsaUnit = table.options
        factor = unit.factor(FORMATS[self._options.format])
        name = f"{unit.channel}/{factor!r}"
        self._wanted[name] = (unit.channel - 1, factor)
        async with contextlib.aclosing(self._source.listen((name,))) as pieces:
            async for piece in pieces:
                samples = piece.samples[name]
                yield Block(table.machine, POINT, piece.start, piece.rate_hz, samples, str(unit.unit), piece.gap)

    async def close(self) -> None:
        """End the recording; never raises, may be called twice."""
        await self._source.close()

    async def _pieces(self, names: tuple[str, ...]) -> AsyncGenerator[Piece, None]:
        options, form = self._options, FORMATS[self._options.format]
        rate_hz, frame = float(options.rate), form.size * options.channels
        chosen = [self._wanted[name] for name in names]
        decoder = Decoder(frame, [(form.size * n, form.size, form.kind, form.bits, 0, False, by, 0.0) for n, by in chosen])
        times, gap = SampleClock(rate_hz), True
        at = clean = 0  # bytes: where `data` begins, and where it is known to be free of an overrun
        data = b""
        recorder = Recorder(self._program, self._device, options)
        try:
            await recorder.begin()
            while True:
                data += await recorder.read()
                now = self._clock.stamp()
                if recorder.overruns_ms:
                    clean = at + len(data) + recorder.waiting()
                    clean += -clean % frame
                    self.counters.overruns += len(recorder.overruns_ms)
                    self.counters.lost += (clean - at) // frame + round(sum(recorder.overruns_ms) * rate_hz / 1000)
                    recorder.overruns_ms.clear()
                    times.restart()
                    gap = True
                dirty = min(max(0, clean - at), len(data))
                count = (len(data) - dirty) // frame
                samples = {name: array("f", bytes(4 * count)) for name in names}
                decoder.decode(memoryview(data)[dirty:], list(samples.values()))
                data = data[dirty + count * frame :]
                at += dirty + count * frame
                if count:
                    self.counters.samples += count
                    start = times.stamp(count, now)
                    self.counters.overruns += times.jumped
                    yield Piece(start, rate_hz, gap or times.jumped, samples)
                    gap = False
        finally:
            await recorder.end()
