"""A line that never is silent: noise at full speed on a pseudo terminal, what it costs, and how soon all is well when it ends."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import select
import subprocess
import sys
import time
import tty
from pathlib import Path
from typing import NamedTuple

from drivers.modbus import PLUGIN
from drivers.modbus.ledger import _LEDGERS
from gateway.clock import Clock
from gateway.driver import DeviceError
from tests.drivers.modbus.tables import good, link, registers
from tests.peers import modbus_evil as evil

BYTES_PER_S = 11520
"""115200 baud, ten bits each."""

EVERY_S = 0.016
"""USB adapters hand on what has come every 16 ms."""

TABLE = registers(*range(10), unit=7)


class Result(NamedTuple):
    seconds: float
    noise_bytes: int
    seen_bytes: int
    reads: int
    wrong: int
    cpu_share: float
    resync_s: float


async def noise(seconds: float, seed: int = 1) -> Result:
    """Read all the while; the noise is made by another process, so that the CPU counted is that of the reader alone."""
    _LEDGERS.clear()
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.campaign.modbus.noise", str(ours), str(seconds), str(seed),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(ours,), cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    loop = asyncio.get_running_loop()
    driver = PLUGIN.create(link("modbus-rtu", os.ttyname(theirs), 0.1, parity="N", baud=115200), Clock())
    try:
        await child.stdout.readline()  # it is there
        await driver.open()
        reads = wrong = 0
        before, began = _cpu_s(), loop.time()
        child.stdin.write(b"start\n")
        ended = asyncio.ensure_future(child.stdout.readline())

        async def read() -> bool:
            nonlocal reads, wrong
            reads += 1
            try:
                values = good(await driver.read(TABLE))
            except DeviceError:
                return False
            wrong += sum(value != int(name[1:]) for name, value in values.items())
            return len(values) == len(TABLE)

        while not ended.done():
            await read()
            await asyncio.sleep(0.1)
        lasted = loop.time() - began
        share, seen = (_cpu_s() - before) / lasted, driver.counters.garbage
        sent, ended_at = (await ended).split()
        while not await read() and time.monotonic() < float(ended_at) + 10:
            pass
        return Result(lasted, int(sent), seen, reads, wrong, share, time.monotonic() - float(ended_at))
    finally:
        child.stdin.close()  # tells the child to end
        await driver.close()
        await child.wait()
        os.close(ours)
        os.close(theirs)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _make_noise(line: int, seconds: float, seed: int) -> None:
    """In the child: random bytes at full speed for a while, then an honest slave until nobody is interested any more."""
    chance, sent = random.Random(seed), 0
    print("there", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        due = int(now * BYTES_PER_S) - sent
        sent += os.write(line, chance.randbytes(due)) if due else 0
        while select.select([line], [], [], 0)[0]:
            os.read(line, 4096)  # requests that it does not answer
        time.sleep(EVERY_S)
    print(sent, time.monotonic(), flush=True)
    slave = evil.Slave(evil.honest)
    while select.select([line, sys.stdin], [], [])[0] == [line]:
        slave.take(os.read(line, 4096), lambda _: None)
        while not slave.queue.empty():
            os.write(line, slave.answer(slave.queue.get_nowait()[0]))


if __name__ == "__main__":
    _make_noise(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
