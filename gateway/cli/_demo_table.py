"""The demo's screen: machines, points and features side by side, and below what was published; fits 80x24."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli._demo_board import Board
from gateway.config.spec import Config

COLUMN = 39
_GROUPS = {
    "velocity": ("velocity_rms",),
    "acceleration": ("rms", "peak", "peak_to_peak"),
    "shape": ("crest", "kurtosis", "skewness"),
    "verdict": ("iso_zone", "bearing", "bearing.score"),
}
_WORSE = 1.15
"""Kurtosis over that of the first windows; less could be chance."""


class Signs(Struct, frozen=True):
    """Characters of the screen; the second set is for terminals without UTF-8."""

    good: str = "●"
    uncertain: str = "◐"
    bad: str = "✗"
    waiting: str = "○"
    left: str = "↑"
    kept: str = "·"
    bars: str = "▁▂▃▄▅▆▇█"
    to: str = "→"
    rule: str = "─"

    @classmethod
    def for_console(cls, console: Console) -> Signs:
        """Return the set that the terminal can show."""
        return cls() if "utf" in console.encoding.lower() else cls("*", "~", "x", "o", "^", ".", "_.-=+*#@", "->", "-")


class Usage:
    """Memory and CPU of a process, read from /proc."""

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._cpu = 0.0

    def words(self, pid: int | None) -> str:
        """Return e.g. `61 MB, 4.2 % CPU`; empty when there is no such process."""
        if pid is None:
            return ""
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            rss_kb = int(status.partition("VmRSS:")[2].split()[0])
        except (OSError, IndexError, ValueError):
            return ""
        used_s, now_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), time.monotonic()
        if self._before is None:
            self._before = (used_s, now_s)
        elif now_s - self._before[1] >= 2.0:
            self._cpu = 100 * (used_s - self._before[0]) / (now_s - self._before[1])
            self._before = (used_s, now_s)
        return f"{rss_kb / 1024:.0f} MB, {self._cpu:.1f} % CPU"


class Screen:
    """Draws one moment from the gateway's own status (what was measured) and the board (what arrived at the broker)."""

    def __init__(self, config: Config, board: Board, folder: Path, console: Console) -> None:
        self._config = config
        self._board = board
        self._folder = folder
        self._signs = Signs.for_console(console)
        self._started_s = time.monotonic()
        self.usage = Usage()

    def draw(self, status: dict[str, Any] | None, pid: int | None) -> RenderableType:
        """Return the whole screen; `status` is None until the gateway answers."""
        machines = (status or {}).get("machines", {})
        streams = [name for name, machine in self._config.machines.items() if machine.vibration]
        left, right = Text(), Text()
        for name in self._config.machines:
            column = right if name in streams else left
            if column:
                column.append("\n")
            self._machine(column, name, machines.get(name))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=COLUMN, no_wrap=True, overflow="crop")
        grid.add_column(width=COLUMN, no_wrap=True, overflow="crop")
        grid.add_row(left, right)
        return Group(self._title(), grid, Text(self._signs.rule * (2 * COLUMN + 2), style="dim"), *self._foot(pid))

    def _title(self) -> RenderableType:
        title = Table.grid(expand=False)
        legend = f"{self._signs.left} has left  {self._signs.kept} stays here   Ctrl-C ends it"
        title.add_column(width=2 * COLUMN + 2 - len(legend), no_wrap=True, overflow="crop")
        title.add_column(no_wrap=True)
        since = clock(time.monotonic() - self._started_s)
        name = Text.assemble((f"{self._config.site} / {self._config.gateway}", "bold"), f"   {since}")
        title.add_row(name, Text(legend, style="dim"))
        return title

    def _machine(self, column: Text, name: str, status: dict[str, Any] | None) -> None:
        machine = self._config.machines[name]
        state = status["state"] if status else "waiting"
        sign, style = {
            "good": (self._signs.good, "green"),
            "bad": (self._signs.bad, "red"),
        }.get(state, (self._signs.waiting, "dim"))
        column.append(f"{sign} ", style)
        column.append(name, "bold")
        column.append(f"  {machine.link.url.removeprefix('replay:')}"[: COLUMN - 2 - len(name)] + "\n", "dim")
        if status and state == "bad":
            column.append(f"  {status['error']}"[:COLUMN] + "\n", "red")
        latest: dict[str, Any] = (status or {}).get("latest", {})
        points = list(machine.points) + [point for point in latest if point not in machine.points]
        if machine.vibration:
            self._features(column, name, latest)
            points = [point for point in points if not point.startswith("vibration.")]
        for point in points:
            self._row(column, name, point, point, latest.get(point))

    def _features(self, column: Text, name: str, latest: dict[str, Any]) -> None:
        rest = {point.removeprefix("vibration.") for point in latest if point.startswith("vibration.")}
        others = {name for name in rest.difference(*_GROUPS.values()) if not name.startswith("bearing.")}
        for group, known in (*_GROUPS.items(), ("other", sorted(others))):
            shown = [feature for feature in known if feature in rest]
            if not shown:
                continue
            column.append(f"  vibration: {group}\n", "italic dim")
            for feature in shown:
                point = f"vibration.{feature}"
                self._row(column, name, point, feature, latest[point])
        if name in self._board.kurtosis:
            column.append("  kurtosis over time\n", "italic dim")
            bars = sparkline(list(self._board.kurtosis[name][1])[-(COLUMN - 4) :], self._signs.bars)
            column.append(f"  {bars}\n", "yellow" if self._worse(name) else "green")

    def _row(self, column: Text, machine: str, point: str, label: str, latest: dict[str, Any] | None) -> None:
        arrived = (machine, point) in self._board.latest
        column.append(f"  {label:<14.14} ")
        if latest is None:
            column.append(f"{self._signs.waiting:>9}\n", "dim")
            return
        if latest["quality"] == "bad":
            column.append(f"{latest['reason'] or 'bad':<16.16}", "red" if latest["reason"] != "no data yet" else "dim")
        else:
            value, unit = shown(latest["value"]), latest["unit"] if latest["unit"] != "1" else ""
            style = "" if latest["quality"] == "good" else "yellow"
            if len(value) > 9 and not unit:
                column.append(f"{value:<16.16}", style)
            else:
                column.append(f"{value:>9.9} ", style)
                column.append(f"{unit:<6.6}", "dim")
        column.append(f"{age(latest['age_s']):>4}", "dim")
        column.append(f" {self._signs.left if arrived else self._signs.kept}\n", "cyan" if arrived else "dim")

    def _foot(self, pid: int | None) -> list[RenderableType]:
        board = self._board
        counts = f"{board.messages} messages, {board.records} records, {size(board.bytes)}"
        faults = f"lost {board.lost}, doubled {board.doubled}"
        published = Text.assemble(("  published ", "cyan"), (counts, "bold"), "  ")
        published.append(faults, "red bold" if board.lost or board.doubled else "dim")
        usage = self.usage.words(pid) or "starting"
        gateway = Text(f"  gateway   {usage}; data and logs in {self._folder}/", style="dim", no_wrap=True, overflow="crop")
        return [published, gateway, self._look()]

    def _look(self) -> Text:
        """Return the line that says what to look at."""
        for name in self._board.kurtosis:
            sentence = bearing(self._board, name, self._signs.to)
            if sentence:
                return Text(f"  look      {sentence}", style="yellow" if self._worse(name) else "", no_wrap=True)
        return Text("  look      the first readings arrive in a moment", style="dim")

    def _worse(self, name: str) -> bool:
        first, now = kurtosis(self._board, name)
        return now > first * _WORSE


def kurtosis(board: Board, machine: str) -> tuple[float, float]:
    """Return the kurtosis of the first windows and of the last ones, as medians of three."""
    first, recent = board.kurtosis[machine]
    return median(first), median(list(recent)[-3:])


def bearing(board: Board, machine: str, to: str = "→") -> str:
    """Return a sentence about the bearing of a machine; empty while nothing is known."""
    if machine not in board.kurtosis:
        return ""
    first, now = kurtosis(board, machine)
    if now > first * _WORSE:
        return f"the bearing of {machine} is getting worse: kurtosis {first:.1f} {to} {now:.1f}"
    return f"{machine}: kurtosis still calm ({now:.1f}); the envelope tells its fault first"


def plain(config: Config, board: Board, status: dict[str, Any] | None, seconds: float) -> str:
    """Return one line for a log file or pipe: how the machines are, what was published, what to look at."""
    machines = (status or {}).get("machines", {})
    states = [f"{name} {machines[name]['state'] if name in machines else 'starting'}" for name in config.machines]
    published = f"published {board.messages} messages, {board.records} records, {size(board.bytes)}"
    look = [sentence for name in board.kurtosis if (sentence := bearing(board, name))]
    return "; ".join([f"{clock(seconds)} {', '.join(states)}", published, *look])


def clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def shown(value: Any) -> str:
    """Return a value in at most nine characters."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def age(seconds: float) -> str:
    """Return an age in at most four characters."""
    if seconds < 100:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} m" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def size(count: int) -> str:
    """Return bytes for people."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1_000_000 else f"{count / 1e6:.2f} MB"


def sparkline(values: list[float], bars: str) -> str:
    """Return the values as bars, from a kurtosis of 2.8 up to the largest one seen (at least 4)."""
    low, high = 2.8, max(4.0, *values) if values else 4.0
    top = len(bars) - 1
    return "".join(bars[min(top, max(0, round(top * (value - low) / (high - low))))] for value in values)
