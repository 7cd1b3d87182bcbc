"""Power cuts at every step of a store's life: a workload, legal states of the disk after a cut, and the oracle that judges each.

What must hold after every cut: the store opens without trouble; every record whose commit had returned and that was not
acknowledged is there, equal, under its number, or, where the store was full, told as lost; what is there beyond belongs to the
one commit that was under way; no number is missing without being told; no number that was ever promised is given again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from random import Random

from msgspec import Struct

from gateway.clock import ManualClock
from gateway.model import Log, Record, Sequenced, Tombstone
from gateway.outbox.codec import encode
from gateway.outbox.segment import LOGS
from gateway.outbox.store import Store, StoreError
from tests.gateway.outbox.simulated import SimulatedDisk, State
from tests.gateway.stores import event, feature, reading

Key = tuple[Log, int]

_WEIGHT = {"create": 10.0, "rename": 10.0, "remove": 10.0, "sync folder": 10.0, "write": 0.5, "sync": 0.5}
"""How often a cut is looked at before an operation: all that is rare is looked at, each commit now and then."""

_CUTS = 6


class BrokenPromiseError(AssertionError):
    """A promise was not kept."""


class Life(Struct):
    """What the outside knows of a store: what it was promised, and what it was told."""

    promised: dict[Key, Record] = {}
    maybe: dict[Key, tuple[Record, ...]] = {}
    accepted: dict[Log, int] = {}
    told: set[Key] = set()

    def top(self, log: Log) -> int:
        return max((seq for of, seq in self.promised if of is log), default=0)

    def copy(self) -> Life:
        return Life(dict(self.promised), dict(self.maybe), dict(self.accepted), set(self.told))


def numbers_told(record: Record) -> set[Key]:
    """Return what a tombstone tells as lost."""
    if not isinstance(record, Tombstone) or not record.last:
        return set()
    return {(record.lost, seq) for seq in range(record.first, record.last + 1)}


class Campaign:
    """Many lives with many cuts each.

    Args:
        seed: chooses everything.
        max_bytes: size of the store; small ones get full.
        may_lose: whether the store is meant to get full, so that losses that are told are allowed.
        faults: how likely a write or a sync fails.
        syncs: False for the control: a disk whose syncs do nothing.

    Attributes:
        states: how many different states were judged.
        records: how many records were found in them.
        failures: how many commits the disk refused in part.
    """

    def __init__(self, seed: int, max_bytes: int, *, may_lose: bool, faults: float = 0.0, syncs: bool = True) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.max_bytes = max_bytes
        self.may_lose = may_lose
        self.faults = faults
        self.syncs = syncs
        self.states = self.records = self.failures = 0
        self._number = 0
        self._judged: set[int] = set()

    # ── a life ──

    def live(self, steps: int, states: int) -> None:
        """Let stores live through so many steps each, one on what a power cut left of the other, until so many different states
        have been judged.

        Raises:
            BrokenPromiseError: a promise was not kept.
        """
        end = self.states + states
        state: State = {}
        life = Life()
        while self.states < end:
            disk = SimulatedDisk(state)
            disk.syncs = self.syncs
            kept: list[tuple[State, Life]] = []
            clock = ManualClock()
            store = Store(disk, self.max_bytes, None, clock)
            store.open()  # on a disk that is well
            for _ in range(0 if state else self.random.randrange(4 * steps)):
                self._step(store, clock, life)  # a new store gets some content first
            disk.before = partial(self._before, disk, life, kept, 1.0 / steps)
            for _ in range(steps):
                self._step(store, clock, life)
            cuts = disk.cuts(self.random)
            kept += [(next(cuts), life.copy()) for _ in range(_CUTS)]
            self.random.shuffle(kept)
            for cut, known in kept:
                mark = hash(tuple(sorted(cut.items())))
                if mark not in self._judged and self.states < end:
                    self._judged.add(mark)
                    self.judge(cut, known)
            state, life = self.random.choice(kept)
            life = self._reborn(state, life)
            if self.random.random() < 0.1:
                state, life = {}, Life()

    def _before(self, disk: SimulatedDisk, life: Life, kept: list[tuple[State, Life]], chance: float, op: str, _: str) -> None:
        if self.random.random() < chance * _WEIGHT.get(op, 0):
            cuts = disk.cuts(self.random)
            kept.extend((next(cuts), life.copy()) for _ in range(_CUTS))
        if op in ("write", "sync", "rename", "create", "sync folder") and self.random.random() < self.faults:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _step(self, store: Store, clock: ManualClock, life: Life) -> None:
        kind = self.random.random()
        if kind < (0.88 if self.may_lose else 0.62):  # a store that is to get full must be filled faster than it is emptied
            self._append(store, life)
        elif kind < 0.92:
            claim = store.claim(self.random.choice((1, 5, 30, 100)))
            if claim is not None and self.random.random() < 0.8:
                for row in claim.records:
                    self._check(row, life)
                    life.accepted[row.log] = max(row.seq, life.accepted.get(row.log, 0))
                    life.told |= numbers_told(row.record)
                store.acknowledge(claim.token)
        elif kind < 0.97:
            clock.advance(self.random.choice((3.0, 11.0)))
            store.tick()
        else:
            store.close()
            with suppress(StoreError):
                store.open()

    def _append(self, store: Store, life: Life) -> None:
        store.claim(0)  # so that it has looked which numbers are next
        rows = [self._record() for _ in range(self.random.choice((1, 1, 2, 5, 12)))]
        keys: dict[Log, list[Key]] = {log: [] for log in LOGS}
        for record in rows:
            key = record.log, store.logs[LOGS.index(record.log)].last + 1 + len(keys[record.log])
            keys[record.log].append(key)
            life.maybe[key] = (*life.maybe.get(key, ()), record)
        refused = [0] * len(LOGS)
        try:
            store.commit([encode(record) for record in rows])
        except StoreError as error:
            self.failures += 1
            for rank, _ in error.rest:
                refused[rank] += 1
        for rank, log in enumerate(LOGS):
            # what the disk refused may be found after a cut all the same; until then its numbers are given again
            for key in keys[log][: len(keys[log]) - refused[rank]]:
                life.promised[key] = life.maybe.pop(key)[-1]

    def _record(self) -> Record:
        self._number += 1
        make = self.random.choice((reading, reading, reading, reading, feature, event))
        value = float(self._number)
        if make is reading and self.random.random() < 0.1:
            return reading("x" * self.random.choice((300, 900, 2500)) + str(value))
        return make(str(value)) if make is event else make(value)

    # ── the oracle ──

    def judge(self, state: State, life: Life) -> None:
        """Open a store on a state and compare it with what was known before the cut."""
        self.states += 1
        disk = SimulatedDisk(state)
        store = Store(disk, self.max_bytes, None, ManualClock())
        try:
            store.open()
        except Exception as error:
            raise self._broken(f"it did not open: {error!r}") from error
        if store.trouble:
            raise self._broken(f"trouble: {store.trouble}")
        there: dict[Key, Record] = {}
        told = set(life.told)
        before = {log: life.accepted.get(log, 0) for log in LOGS}
        while claim := store.claim(50):
            for row in claim.records:
                self._check(row, life)
                told |= numbers_told(row.record)
                if not isinstance(row.record, Tombstone):
                    there[row.log, row.seq] = row.record
            store.acknowledge(claim.token)
        self.records += len(there)
        for key, record in life.promised.items():
            log, seq = key
            if seq <= before[log] or key in there:
                continue
            if key in told and self.may_lose:
                continue
            raise self._broken(f"{key} was promised and is {'told as lost' if key in told else 'gone without a word'}: {record}")
        for log in LOGS:
            numbers = {seq for of, seq in there.keys() | told if of is log}
            begin = min([before[log] + 1, *numbers])
            if missing := set(range(begin, max(numbers, default=0))) - numbers - set(range(1, before[log] + 1)):
                raise self._broken(f"{log}: numbers {sorted(missing)[:5]} are missing and not told")
        self._go_on(store, life, there)

    def _check(self, row: Sequenced, life: Life) -> None:
        """Compare a record with what was appended under its number."""
        key = row.log, row.seq
        known = (life.promised[key],) if key in life.promised else life.maybe.get(key, ())
        if not isinstance(row.record, Tombstone) and row.record not in known:
            raise self._broken(f"{key} is {row.record}, not {known}")

    def _go_on(self, store: Store, life: Life, there: dict[Key, Record]) -> None:
        """Append something: it must get a number of its own."""
        store.commit([encode(reading(-1.0)), encode(event("last"))])
        claim = store.claim(100)
        if claim is None:
            raise self._broken("what was appended after the cut is not there")
        for row in claim.records:
            if isinstance(row.record, Tombstone):
                continue
            if row.seq <= life.top(row.log) or (row.log, row.seq) in there:
                raise self._broken(f"{row.log} {row.seq} was given again")
        if {row.log for row in claim.records} != {Log.READING, Log.URGENT}:
            raise self._broken("what was appended after the cut is not there")

    def _reborn(self, state: State, life: Life) -> Life:
        """Return what is known after a cut: what was under way counts where it is found."""
        store = Store(SimulatedDisk(state), self.max_bytes, None, ManualClock())
        store.open()
        while claim := store.claim(50):
            for row in claim.records:
                life.told |= numbers_told(row.record)
                if not isinstance(row.record, Tombstone):
                    life.promised[row.log, row.seq] = row.record
            store.acknowledge(claim.token)
        life.maybe.clear()
        return life

    def _broken(self, words: str) -> BrokenPromiseError:
        return BrokenPromiseError(f"seed {self.seed}, state {self.states}: {words}")
