"""`gateway try --repeat`: the same machine again and again on a fixed grid, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import time
from typing import TextIO

from gateway.cli import _try_show as show
from gateway.cli._try_read import Attempt, Row, Session
from gateway.cli._try_show import Tally
from gateway.cli.status import wrapped
from gateway.config.spec import Machine

_HOME_AND_CLEAR = "\x1b[H\x1b[J"


class Screen:
    """Where the rounds go: redrawn in place on a terminal, one after the other elsewhere, a JSON object a line with `json`."""

    def __init__(self, out: TextIO, *, json: bool = False, frames: bool = False) -> None:
        self._out = out
        self._json = json
        self._frames = frames
        self._live = out.isatty() and not json and not frames
        self._tallies: dict[str, Tally] = {}
        self._rounds = 0
        self._failed = 0
        self._begun = time.monotonic()

    def take(self, machine: Machine, attempt: Attempt) -> None:
        """Show one round."""
        self._rounds += 1
        self._failed += bool(attempt.error)
        for row in attempt.rows:
            self._tallies.setdefault(row.point, Tally()).take(row)
        if self._json:
            lines = [json.dumps({"machine": machine.name} | show.as_json(attempt), ensure_ascii=False)]
        else:
            lines = self._lines(machine, attempt)
        with contextlib.suppress(BlockingIOError):
            self._out.write((_HOME_AND_CLEAR if self._live else "") + "\n".join(lines) + "\n")
            self._out.flush()

    def end(self) -> None:
        """Say what it was in all."""
        if not self._json:
            changed = sum(tally.changes > 0 for tally in self._tallies.values())
            lost = f", {self._failed} of them without an answer" if self._failed else ""
            points = f"; {changed} of {len(self._tallies)} points changed" if self._tallies else ""
            print(f"{self._rounds} reads{lost}{points}", file=self._out, flush=True)

    def _lines(self, machine: Machine, attempt: Attempt) -> list[str]:
        size = shutil.get_terminal_size()
        head = f"{machine.name}  {machine.link.url}   read {self._rounds}, {time.monotonic() - self._begun:.0f} s; Ctrl-C ends it"
        lines = [wrapped(head, size.columns)]
        if self._frames:
            lines += show.dump(attempt.frames, self._begun, size.columns)
        if attempt.error or attempt.wave:
            lines += show.report(attempt, size.columns)
        else:
            rows: list[Row] = attempt.rows
            lines += [*show.live_table(rows, self._tallies, size.columns), show.summary(attempt)]
            lines += [wrapped(f"! {sentence}", size.columns) for sentence in attempt.line]
        lines = "\n".join(lines).split("\n")
        if self._live and len(lines) >= size.lines:
            hidden = len(lines) - size.lines + 2
            lines = [*lines[: size.lines - 2], f"… {hidden} more lines; make the window taller, or use --json"]
        return lines


async def repeat(machine: Machine, screen: Screen, every_s: float) -> int:
    """Read on a fixed grid until Ctrl-C, which lets a request under way end; return the exit code of the last round."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    session = Session(machine)
    due = loop.time()
    code = 0
    try:
        while not stop.is_set():
            attempt = await session.round()
            code = attempt.code
            screen.take(machine, attempt)
            due += every_s
            while due < loop.time():
                due += every_s  # stays on the grid, however long a round took
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), due - loop.time())
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        await session.close()
    screen.end()
    return code
