"""The workbench: jobs run beside the event loop, a machine's in order; what cannot be kept up with is passed over and counted."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from gateway.supervise.bench import MOST_SAMPLES, MOST_WAITING, Bench
from tests.waiting import until


class Work:
    """A job that waits for its gate."""

    def __init__(self, number: int, gate: threading.Event, samples: int = 1) -> None:
        self.number, self.gate, self.samples = number, gate, samples
        self.thread = 0

    def run(self) -> None:
        assert self.gate.wait(30)
        self.thread = threading.get_ident()
        if self.number < 0:
            raise ZeroDivisionError


def place(bench: Bench, done: list[Any]) -> Any:
    return bench.place("m", done.append)


def open_gate() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


async def test_jobs_of_a_machine_are_done_in_order_and_beside_the_loop() -> None:
    bench, done = Bench(), []  # type: ignore[var-annotated]
    line = place(bench, done)
    for number in range(20):
        line.put(Work(number, open_gate()))
    await until(lambda: len(done) == 20)
    assert [job.number for job in done] == list(range(20))
    assert threading.get_ident() not in {job.thread for job in done}
    assert line.passed_over == 0
    await bench.close()


async def test_the_oldest_of_too_many_windows_is_passed_over_and_counted() -> None:
    bench, done, gate = Bench(), [], threading.Event()  # type: ignore[var-annotated]
    line = place(bench, done)
    line.put(Work(0, gate, MOST_SAMPLES))
    await asyncio.sleep(0)  # the first one is at work now
    for number in range(1, MOST_WAITING + 3):
        line.put(Work(number, gate, MOST_SAMPLES))
    gate.set()
    await until(lambda: len(done) == MOST_WAITING + 1)
    assert [job.number for job in done] == [0, 3, 4, 5, 6]
    assert line.passed_over == 2
    await bench.close()


async def test_a_job_that_fails_does_not_stop_those_behind_it() -> None:
    bench, done = Bench(), []  # type: ignore[var-annotated]
    line = place(bench, done)
    line.put(Work(-1, open_gate()))
    line.put(Work(1, open_gate()))
    await until(lambda: len(done) == 1)
    assert done[0].number == 1
    assert line.failed == 1
    await bench.close()


async def test_a_machine_that_was_removed_hears_of_nothing_any_more() -> None:
    bench, done, gate = Bench(), [], threading.Event()  # type: ignore[var-annotated]
    line = place(bench, done)
    line.put(Work(0, gate))
    line.put(Work(1, gate))
    await asyncio.sleep(0)
    line.clear()
    gate.set()
    await bench.close()
    assert done == []
