"""The workbench: one thread on which the features of windows are computed, so that the event loop never waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway import log as logs
from gateway.condition import Job

MOST_WAITING = 4
MOST_SAMPLES = 1 << 21
"""Windows of one machine that may wait, and more of them only while they hold no more samples than this (8 MB); when the processor
cannot keep up, the oldest is passed over and counted."""

log = logs.get("condition")


class Bench:
    """Runs the jobs of all machines one after the other, a machine's in order; kernels release the GIL meanwhile."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._at_work: set[asyncio.Task[None]] = set()

    def place(self, machine: str, done: Callable[[Job], None]) -> Place:
        """Return a place for the jobs of one machine; `done` is called on the event loop with each that has run."""
        return Place(self, machine, done)

    async def run(self, job: Job) -> None:
        """Run a job on the thread and return when it has run."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "condition")
        await asyncio.get_running_loop().run_in_executor(self._executor, job.run)

    def watch(self, task: asyncio.Task[None]) -> None:
        """Hold on to a task until it has ended."""
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def close(self) -> None:
        """Return when what was under way has ended, and end the thread."""
        await asyncio.gather(*self._at_work, return_exceptions=True)
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None


class Place:
    """The jobs of one machine.

    Attributes:
        passed_over: windows of which nothing was computed, because the processor could not keep up.
        failed: windows of which nothing was computed, because that went wrong.
    """

    def __init__(self, bench: Bench, machine: str, done: Callable[[Job], None]) -> None:
        self._bench = bench
        self._machine = machine
        self._done = done
        self._waiting: list[Job] = []
        self._task: asyncio.Task[None] | None = None
        self.passed_over = 0
        self.failed = 0

    def put(self, job: Job) -> None:
        """Let a job run when its turn comes."""
        self._waiting.append(job)
        if len(self._waiting) > MOST_WAITING and sum(job.samples for job in self._waiting) > MOST_SAMPLES:
            del self._waiting[0]
            if not self.passed_over:
                log.warning("window_passed_over", machine=self._machine)
            self.passed_over += 1
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"condition {self._machine}")
            self._bench.watch(self._task)

    def clear(self) -> None:
        """Forget what waits; what has begun ends, and nobody hears of it."""
        self._waiting.clear()
        self._done = _forget

    async def _work(self) -> None:
        while self._waiting:
            job = self._waiting.pop(0)
            try:
                await self._bench.run(job)
                self._done(job)
            except Exception:
                self.failed += 1
                log.exception("record_fault", machine=self._machine)
        self._task = None


def _forget(job: Job) -> None:
    pass
