"""Reading the buffer of a device: packed scans become pieces of waveform; where samples are missing a piece ends."""

from __future__ import annotations

import os
from array import array
from collections.abc import AsyncGenerator
from functools import partial

from cython_ext.scans import Decoder
from drivers.iio import sysfs
from drivers.iio.pace import Stamps
from drivers.iio.setup import Device, Wanted
from drivers.iio.spec import IioLink
from gateway.clock import Clock
from gateway.driver import LinkError
from gateway.model import Reason, Stamp
from gateway.waveform import Counters, Piece, SampleClock, in_thread, readable

_RATE_S = 60.0
_RATE_OFF = 0.005
_PAUSE = 0.8


class Capture:
    """One run of a device, from switching it on to switching it off; `warnings` say what stays wrong."""

    def __init__(self, device: Device, options: IioLink, clock: Clock, counters: Counters) -> None:
        self.warnings: tuple[str, ...] = ()
        self._device = device
        self._options = options
        self._clock = clock
        self._counters = counters
        self._rate_hz = float(options.clock or options.rate)
        self._times = SampleClock(self._rate_hz)
        self._stamps: Stamps | None = None
        self._gap = True
        self._begun_ns = 0
        self._since = 0

    async def pieces(self, wanted: dict[str, Wanted]) -> AsyncGenerator[Piece, None]:
        """Yield pieces of the channels as they come, for ever; the device is left as it was found.

        Raises:
            LinkError: it refuses, has gone, or is silent.
        """
        device, names = self._device, list(wanted)
        try:
            decoder = await in_thread(partial(device.begin, list(wanted.values())))
            self._stamps = Stamps(self._rate_hz) if decoder.count > len(names) else None
            full, data = device.length * decoder.size, b""
            while True:
                await self._wait()
                came = await self._read(2 * full)
                now = self._clock.stamp()
                pieces, data = self._cut(decoder, names, data + came, now)
                for piece in pieces:
                    yield piece
                if self._stamps is None and len(came) >= full:
                    self._lose(0)
                self._compare(now.mono_ns)
                if not device.watched:
                    await self._clock.sleep_until(now.mono_ns / 1e9 + _PAUSE * self._options.block)
        finally:
            await in_thread(device.end)

    async def _wait(self) -> None:
        """Wait until there is something to read."""
        timeout_s = float(self._options.timeout)
        try:
            await readable(self._device.fd, timeout_s)
        except TimeoutError:
            hint = "does its trigger run, is its interrupt connected? dmesg and /proc/interrupts tell"
            words = f"no samples from {self._device.name} for {timeout_s:g} s"
            raise LinkError(words, hint=hint, reason=Reason.TIMEOUT) from None

    async def _read(self, most: int) -> bytes:
        """Read what is there, in a thread: a driver may fetch it over a slow bus only now."""
        device = self._device
        try:
            came = await in_thread(partial(os.read, device.fd, most))
        except BlockingIOError:
            return b""
        except OSError as error:
            raise sysfs.refused(device.node, error, "read") from None
        if not came:
            raise LinkError(f"{device.name} has stopped", hint="another program may have switched its buffer off")
        return came

    def _cut(self, decoder: Decoder, names: list[str], data: bytes, now: Stamp) -> tuple[list[Piece], bytes]:
        """Return the contiguous pieces, and the bytes that are not decided yet or not a whole scan."""
        total = len(data) // decoder.size
        samples = {name: array("f", bytes(4 * total)) for name in names}
        decoder.decode(data, list(samples.values()))
        pieces: list[Piece] = []
        begin = 0
        while begin < total:
            good, lost = self._judge(decoder, data, begin)
            if good:
                end = begin + good
                part = {name: column[begin:end] for name, column in samples.items()}
                start = self._times.stamp(good, now, total - end)
                self._counters.overruns += self._times.jumped
                pieces.append(Piece(start, self._rate_hz, self._gap or self._times.jumped, part))
                self._counters.samples += good
                self._since += good
                self._gap, begin = False, end
            if lost:
                self._lose(lost)
            elif begin < total:
                break
        return pieces, data[begin * decoder.size :]

    def _judge(self, decoder: Decoder, data: bytes, begin: int) -> tuple[int, int]:
        """Return how many scans from `begin` on have no loss between them, and how many are missing after those."""
        count = len(data) // decoder.size - begin
        if self._stamps is None:
            return count, 0
        stamps = array("q", bytes(8 * count))
        decoder.whole(memoryview(data)[begin * decoder.size :], decoder.count - 1, stamps)
        good, lost = self._stamps.judge(stamps)
        if self._stamps.useless:
            self._stamps = None
            words = (
                f"{self._device.name}: the timestamps do not fit the samples, so losses are found only where the buffer was full"
            )
            self.warnings += (words,)
            return count, 0
        return good, lost

    def _lose(self, lost: int) -> None:
        """Note that samples are missing after those that came; `lost` is how many, 0 or less where that is not known."""
        self._gap = True
        self._times.restart()
        self._begun_ns = self._since = 0
        self._counters.overruns += 1
        self._counters.lost += max(0, lost)

    def _compare(self, now_ns: int) -> None:
        """Compare the rate at which samples come with what they are taken for."""
        if not self._begun_ns:
            self._begun_ns, self._since = now_ns, 0
            return
        if (elapsed_s := (now_ns - self._begun_ns) / 1e9) < _RATE_S:
            return
        found = self._since / elapsed_s
        self._begun_ns = 0
        self.warnings = tuple(words for words in self.warnings if "clock=" not in words)
        if abs(off := self._rate_hz / found - 1) > _RATE_OFF:
            words = f"{self._device.name} samples at {found:.5g} Hz, not at {self._rate_hz:g} Hz"
            way = "high" if off > 0 else "low"
            self.warnings += (f"{words}: every frequency reads {abs(off):.1%} too {way}; write clock={found:.5g}Hz",)
