"""Damage to a log of 64 KB: every bit flipped, every length cut off; what of it may be lost, and that it is told.

A flipped bit may cost the record it hits and no other, in the head of the segment and in the cursor none; a piece that is cut off
what was in it. The store starts every time, and whatever is missing is told and counted; exactly, when it had been closed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from gateway.clock import ManualClock
from gateway.outbox.codec import encode
from gateway.outbox.cursor import NAME as CURSOR
from gateway.outbox.segment import START
from gateway.outbox.spans import Gap
from gateway.outbox.store import Store
from tests.gateway.outbox.simulated import SimulatedDisk, State
from tests.gateway.stores import reading

MAX_BYTES = 1 << 20
SIZE = MAX_BYTES // 16
_READINGS = 2


class Specimen:
    """A store with one full segment of readings, and what is in it.

    Args:
        clean: whether it was closed before.
    """

    def __init__(self, *, clean: bool) -> None:
        disk = SimulatedDisk()
        store = Store(disk, MAX_BYTES, None, ManualClock())
        store.open()
        log = store.logs[_READINGS]
        self.payloads: list[bytes] = []
        while not log.segments or log.segments[0].size - log.segments[0].end > 400:
            rows = [encode(reading(float(len(self.payloads) + i), point="p" * (1 + i % 9))) for i in range(2)]
            store.commit(rows)
            self.payloads += [payload for _, payload in rows]
        self.segment = log.segments[0].name
        self.offsets = [*log.segments[0].offsets, log.segments[0].end]
        if clean:
            store.close()
        self.clean = clean
        self.state: State = disk.state()

    def hit(self, offset: int) -> set[int]:
        """Return the seqs of the record that lies there."""
        return {bisect_right(self.offsets, offset)} if START <= offset < self.offsets[-1] else set()

    def flip(self, name: str, bit: int) -> str:
        """Flip a bit of a file; return in words what is wrong with what comes of it, nothing when all is well."""
        image = bytearray(self.state[name])
        image[bit // 8] ^= 1 << bit % 8
        allowed = self.hit(bit // 8) if name == self.segment else set()
        return self._judge(self.state | {name: bytes(image)}, allowed, f"bit {bit} of {name}")

    def cut(self, name: str, length: int) -> str:
        """Cut a file to a length; return what is wrong."""
        allowed = {seq for seq, end in enumerate(self.offsets[1:], 1) if end > length} if name == self.segment else set()
        return self._judge(self.state | {name: self.state[name][:length]}, allowed, f"{name} cut to {length}")

    def _judge(self, state: State, allowed: set[int], what: str) -> str:
        store = Store(SimulatedDisk(state), MAX_BYTES, None, ManualClock())
        try:
            store.open()
            rows = store.logs[_READINGS].read(1 << 20)
            lost = store.logs[_READINGS].tally().lost
        except Exception as error:
            return f"{what}: {error!r}"
        if store.trouble:
            return f"{what}: {store.trouble}"
        told: set[int] = set()
        count = 0
        there: set[int] = set()
        for seq, content, _ in rows:
            if isinstance(content, Gap):
                told |= set(range(content.first, content.last + 1))
                count += content.count
            elif content != self.payloads[seq - 1]:
                return f"{what}: record {seq} is another"
            else:
                there.add(seq)
        missing = set(range(1, len(self.payloads) + 1)) - there
        if not missing <= allowed:
            return f"{what}: lost {sorted(missing - allowed)[:5]}"
        if not missing <= told or there & told:
            return f"{what}: {sorted(missing - told)[:5]} not told, {sorted(there & told)[:5]} told and there"
        if lost != count or (lost != len(missing) if self.clean else lost < bool(missing)):
            return f"{what}: {len(missing)} are missing, {count} told, {lost} counted"
        store.commit([encode(reading(-1.0))])
        return "" if store.logs[_READINGS].last > max(there | missing) else f"{what}: a number was given again"

    def sweep(self, names: Iterable[str], step: int, start: int = 0) -> tuple[int, list[str]]:
        """Try every `step`-th bit and length of these files from `start` on; return how many, and what was wrong."""
        tried, wrong = 0, []
        for name in names:
            for bit in range(start, 8 * len(self.state[name]), step):
                tried += 1
                wrong += filter(None, [self.flip(name, bit)])
            for length in range(start, len(self.state[name]), step):
                tried += 1
                wrong += filter(None, [self.cut(name, length)])
        return tried, wrong

    @property
    def files(self) -> list[str]:
        """The files that are swept."""
        return [self.segment, CURSOR]
