"""Pages that several programs write, each its own section: what was not run now keeps its text."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def sections(text: str) -> dict[str, str]:
    """Return the sections of a Markdown page by their heading (`## …`), heading included, without empty lines behind."""
    heads = [*HEADING.finditer(text)]
    bounds = [*(head.start() for head in heads), len(text)]
    return {head[1]: text[head.start() : end].rstrip() for head, end in zip(heads, bounds[1:], strict=True)}


def renewed(before: str, head: str, new: Mapping[str, str], order: Iterable[str]) -> str:
    """Return a page of `head` and the sections in `order`: those of `new`, else as they stand in `before`; others are dropped."""
    kept = {**sections(before), **new}
    return "\n\n".join([head.rstrip(), *(kept[heading] for heading in order if heading in kept)]) + "\n"


def table(head: list[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def commit_of_tree() -> str:
    """Return the commit in short, with a + when the tree differs from it; what stands in docs does not count."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!docs")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def computer() -> str:
    """Return what a run was made on."""
    return f"{_processor()}, {os.cpu_count()} cores, CPython {platform.python_version()}, Linux {platform.machine()}"


class Company:
    """What other programs have of the computer from now on; a figure of a rate means little where that is much."""

    def __init__(self) -> None:
        self._began = time.monotonic(), _busy_s(), _own_s()

    def cores(self) -> float:
        """Return how many processors they have kept busy on average; what a hypervisor gave to others counts, too."""
        began, busy_s, own_s = self._began
        return max(0.0, (_busy_s() - busy_s - (_own_s() - own_s)) / max(1e-3, time.monotonic() - began))


def _busy_s() -> float:
    """Time of all processors that was neither idle nor waiting for a disk (proc_stat(5): fields 4 and 5), in seconds."""
    ticks = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _processor() -> str:
    """Return the name of the processor as the kernel or the device tree tells it."""
    model = Path("/proc/device-tree/model")
    if model.exists():
        return model.read_text(encoding="utf-8").strip("\0\n ")
    match = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else platform.machine()
