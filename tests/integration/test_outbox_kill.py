"""kill -9 in the middle of appending and acknowledging: nothing acknowledged is lost, nothing doubled, no number missing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from gateway.clock import ManualClock
from gateway.model import Reading, Tombstone
from gateway.outbox.disk import FolderDisk
from gateway.outbox.store import Store

# The child appends numbered readings for ever and, beside that, takes some out; it prints what it was promised.
CHILD = """
import asyncio, os, sys
from pathlib import Path
from gateway.clock import Clock
from gateway.model import Reading
from gateway.outbox import SegmentedOutbox

def say(text):
    os.write(1, text.encode())  # one write per line: a kill tears no line

async def main(path, number):
    clock = Clock()
    outbox = SegmentedOutbox(path, max_bytes=50_000_000, clock=clock, commit_every_s=0.002)
    await outbox.open()
    say(f"open {outbox.status().trouble}\\n")

    async def append(number):
        while True:
            batch = [Reading(machine="m", point="p", value=number + i, stamp=clock.stamp()) for i in range(7)]
            await outbox.append(batch)
            number += len(batch)
            say(f"stored {number}\\n")

    async def take():
        while True:
            if claim := await outbox.claim(3):
                values = [row.record.value for row in claim.records]
                say(f"accepted {values[-1]}\\n")
                await outbox.acknowledge(claim.token)
            await asyncio.sleep(0.003)

    await asyncio.gather(append(number), take())

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def test_ten_kills_lose_nothing_and_double_nothing(tmp_path):
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    path = tmp_path / "outbox"
    start = accepted = 0
    epochs = set()
    for _ in range(10):
        lines = run_and_kill(path, start, chance.uniform(0.05, 0.5), tmp_path)
        assert lines[0] == "open", f"seed {seed}: {lines[0]}"
        promised = max([start, *(int(line.split()[1]) for line in lines if line.startswith("stored"))])
        accepted = max([accepted, *(int(line.split()[1]) + 1 for line in lines if line.startswith("accepted"))])

        store = Store(FolderDisk(path), 50_000_000, None, ManualClock())
        claim = store.claim(1_000_000)
        assert claim is not None, f"seed {seed}"
        assert store.status().trouble == ""
        store.close()
        rows = claim.records
        values = [row.record.value for row in rows if isinstance(row.record, Reading)]
        assert values == list(range(values[0], values[0] + len(values))), f"seed {seed}: lost or doubled inside"
        at = rows[0].seq
        for row in rows:  # a commit that was cut in two may have cost numbers; then that is told, and nothing else is
            told = isinstance(row.record, Tombstone)
            assert (row.record.first if told else row.seq) == at, f"seed {seed}: a number was lost or used twice"
            at = row.seq + 1
        assert values[0] <= accepted, f"seed {seed}: record {accepted} was neither delivered nor kept"
        assert values[-1] + 1 >= promised, f"seed {seed}: {promised - values[-1] - 1} promised records are gone"
        epochs |= {row.epoch for row in rows}
        start = values[-1] + 1
    assert len(epochs) == 1
    assert start > 200, f"only {start} records were appended: the test proves nothing"


def run_and_kill(path: Path, start: int, after_s: float, folder: Path) -> list[str]:
    """Run the child, kill it some time after it has begun to store, and return what it said."""
    command = [sys.executable, "-c", CHILD, str(path), str(start)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with (
        (folder / "stderr").open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment, text=True) as child,
    ):
        assert child.stdout is not None
        lines = [child.stdout.readline(), child.stdout.readline()]
        with suppress(subprocess.TimeoutExpired):
            child.wait(after_s)
        child.kill()
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL, (folder / "stderr").read_text()
    return [line.strip() for line in lines]
