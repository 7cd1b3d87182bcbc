"""Kills a writing process, or cuts the power of its disk, again and again on one store, and judges each time what is left."""

from __future__ import annotations

import multiprocessing
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from tests.campaign.power.disk import loop_disk
from tests.campaign.power.writer import LOGS, Said, look, write

AFTER_S = (0.02, 0.4)
"""How long a writer writes before it is ended."""


class Result(NamedTuple):
    """What a series of ends did; records are counted over all logs.

    `lost`: promised, and neither left nor accepted; `corrupt`: another number than its seq stands for; `gaps`: numbers that are
    missing and not told; `told`: tombstones; `beyond`: the most records of a log that were found without having been promised.
    """

    how: str
    ends: int
    promised: int
    lost: int
    corrupt: int
    gaps: int
    told: int
    beyond: int
    longest_look_s: float


class Judge:
    """Knows what was promised so far, and compares it with what a store holds."""

    def __init__(self, how: str) -> None:
        self.first = {log.value: 0 for log in LOGS}
        self._how = how
        self._accepted = dict(self.first)
        self._counts: Counter[str] = Counter()
        self._beyond = 0
        self._longest_look_s = 0.0

    def judge(self, said: Iterable[Said], rows: Iterable[tuple[str, int, float | None]], took_s: float) -> None:
        """Take what a writer said before its end and what was found afterwards; the next writer goes on behind that."""
        self._counts["ends"] += 1
        self._longest_look_s = max(self._longest_look_s, took_s)
        promised, tried = dict(self.first), dict(self.first)
        for word, log, upto in said:
            if word == "stored":
                promised[log] = max(promised[log], upto)
            elif word == "try":
                tried[log] = max(tried[log], upto)
            elif word == "accept":
                self._accepted[log] = max(self._accepted[log], upto)
            else:
                assert (word, log) == ("open", ""), f"the store opened with trouble: {log}"
        found: dict[str, dict[int, float | None]] = {log.value: {} for log in LOGS}
        for log, seq, number in rows:
            self._counts["corrupt"] += seq in found[log]  # one number twice
            found[log][seq] = number
        for log, held in found.items():
            self._counts["promised"] += promised[log] - self.first[log]
            self._counts["told"] += sum(number is None for number in held.values())
            self._counts["corrupt"] += sum(number is not None and number != seq - 1 for seq, number in held.items())
            wanted = range(self._accepted[log] + 1, promised[log] + 1)
            self._counts["lost"] += sum(seq not in held for seq in wanted)
            if held:
                self._counts["gaps"] += max(held) - min(held) + 1 - len(held)
                self._beyond = max(self._beyond, max(held) - promised[log])
                self._counts["corrupt"] += max(held) > tried[log]  # nobody ever wrote that
            self.first[log] = max([promised[log], *held])

    def restart(self) -> None:
        """A new store is begun; the counts go on."""
        self.first = {log.value: 0 for log in LOGS}
        self._accepted = dict(self.first)

    @property
    def result(self) -> Result:
        """Everything so far."""
        count = self._counts
        return Result(
            self._how,
            count["ends"],
            count["promised"],
            count["lost"],
            count["corrupt"],
            count["gaps"],
            count["told"],
            self._beyond,
            round(self._longest_look_s, 3),
        )


def kills(count: int, seed: int, folder: Path | None = None) -> Result:
    """kill -9 a writer `count` times on one store."""
    chance, judge = random.Random(seed), Judge("kill -9")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for _ in range(count):
            said = _written(name, judge.first, chance, synced=True)
            judge.judge(said, *_looked(name))
    return judge.result


def power_cuts(count: int, seed: int, synced: bool = True, folder: Path | None = None) -> Result:
    """Cut the power of the disk under a writer `count` times; the control, which waits for no disk, begins anew each time."""
    chance, judge = random.Random(seed), Judge("power cut" if synced else "power cut, control without fsync")
    with tempfile.TemporaryDirectory(dir=folder) as name, loop_disk(Path(name)) as disk:
        for n in range(count):
            if not synced:
                judge.restart()
            store = str(disk.folder / ("store" if synced else f"control-{n}"))
            said = _written(store, judge.first, chance, synced=synced, cut=disk.cut)
            disk.unmount()
            disk.mount()
            judge.judge(said, *_looked(store))
    return judge.result


def _written(
    store: str, first: dict[str, int], chance: random.Random, *, synced: bool, cut: Callable[[], None] | None = None
) -> list[Said]:
    """Let a writer write for a while, cut the power, kill it; return what it said, but for promises of a disk without power."""
    with _process(write, store, first, chance.randrange(1 << 30), synced) as (listen, process):
        said: list[Said] = [listen.recv()]
        deadline = time.monotonic() + chance.uniform(*AFTER_S)
        while listen.poll(max(0.0, deadline - time.monotonic())):
            said.append(listen.recv())
        if cut:
            while listen.poll(0):
                said.append(listen.recv())
            cut()
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, f"the writer ended by itself: {process.exitcode}"
        with suppress(EOFError):
            while True:
                one = listen.recv()
                if cut is None or one[0] != "stored":
                    said.append(one)
    return said


def _looked(store: str) -> tuple[list[tuple[str, int, float | None]], float]:
    """Return what a store holds, seen by a process that ends (an open file would keep the disk mounted), and how long that took."""
    with _process(look, store) as (listen, process):
        rows, took_s = listen.recv()
        process.join()
    return rows, took_s


@contextmanager
def _process(target: Callable[..., None], *arguments: Any) -> Iterator[tuple[Connection, BaseProcess]]:
    """Run a function in a process of its own, forked from one that has imported everything; yield what it talks through."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([write.__module__])
    listen, talk = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(talk, *arguments), daemon=True)
    process.start()
    talk.close()
    try:
        yield listen, process
    finally:
        process.kill()
        process.join()
        process.close()
        listen.close()
