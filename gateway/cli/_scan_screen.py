"""What a scan shows while it runs: a bar with the time left on a terminal, plain lines otherwise; always on stderr."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from drivers.modbus.scan import Found
from gateway.cli._scan_profiles import profile_for

_LINE_EVERY_S = 10.0
_SETTLED = 5
"""Requests after which the time left is more than a guess."""


def duration_words(seconds: float) -> str:
    """Return e.g. `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Screen:
    """The observer of a scan; a context manager, so that the bar goes away however the scan ends."""

    def __init__(self, *, yes: bool, quiet: bool = False, err: TextIO | None = None) -> None:
        """`yes`: everything is allowed; `quiet`: nothing is shown (`--json` without a terminal)."""
        self._console = Console(file=err or sys.stderr, highlight=False, soft_wrap=True)
        self._yes = yes
        self._quiet = quiet
        self._live: Live | None = None
        self._started = time.monotonic()
        self._done = 0
        self._left = 0
        self._where = ""
        self._told_at = self._started

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal and not self._quiet:
            self._live = Live(get_renderable=self._bar, console=self._console, transient=True, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._live:
            self._live.stop()
            self._live = None

    def planned(self, requests: int) -> None:
        """So many requests are left now."""
        self._left = requests

    def asking(self, where: str) -> None:
        """A request goes out."""
        self._done += 1
        self._where = where
        now = time.monotonic()
        if self._live is None and now - self._told_at >= _LINE_EVERY_S:
            self._told_at = now
            self.say(f"{where}: {self._done} asked, {self._left} to go{self._time_left()}")

    def found(self, found: Found) -> None:
        """A unit was found."""
        at = f" at {found.settings}" if found.settings else ""
        profile = profile_for(found.identity)
        fits = f" → {profile}" if profile else ""
        self.say(f"● unit {found.unit}{at}: {found.identity.words or f'no name; {found.proof}'}{fits}")

    def stage(self, words: str, left: int = 0) -> None:
        """Something else than asking units goes on, with so many steps left."""
        self._where, self._left = words, left
        if self._live is None and left == 0:
            self.say(words)

    def step(self) -> None:
        """One of these steps is done."""
        self._done += 1
        self._left = max(0, self._left - 1)

    def say(self, words: str) -> None:
        """Show a line that stays."""
        if not self._quiet:
            self._console.print(escape(_spelled(words, self._console.encoding)))

    async def confirm(self, requests: int, seconds: float) -> bool:
        """Ask whether so many more requests are all right; where nobody can be asked, they are not."""
        if self._yes:
            return True
        if self._quiet or not (sys.stdin.isatty() and self._console.is_terminal):
            return False
        self.__exit__()
        words = f"{requests} more requests would take up to {duration_words(seconds)}; they only read. Go on? [y/N] "
        self._console.print(escape(words), end="")
        try:
            answer = await _line_of(sys.stdin)
        finally:
            self.__enter__()
        return answer.strip().lower() in {"y", "yes", "j", "ja"}

    def _bar(self) -> Table:
        total = max(1, self._done + self._left)
        grid = Table.grid(padding=(0, 1), expand=False)
        grid.add_row(
            escape(self._where[:34]),
            ProgressBar(total=total, completed=self._done, width=18),
            f"{self._done}/{total}",
            self._time_left().removeprefix(", "),
        )
        return grid

    def _time_left(self) -> str:
        if self._done < _SETTLED or not self._left:
            return ""
        return f", {duration_words(self._left * (time.monotonic() - self._started) / self._done)} left"


async def _line_of(stream: TextIO) -> str:
    """Return the next line of a terminal without holding up Ctrl-C, as a blocking read would."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def typed() -> None:
        if not line.done():
            line.set_result(stream.readline())

    loop.add_reader(stream.fileno(), typed)
    try:
        return await line
    finally:
        loop.remove_reader(stream.fileno())


def _spelled(words: str, encoding: str) -> str:
    return words if "utf" in encoding.lower() else words.replace("●", "*").replace("→", "->")
