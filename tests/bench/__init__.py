"""Benchmarks: each `bench_*.py` has `rows()`, which measures ours beside something known in one run."""

from __future__ import annotations

import re
from typing import NamedTuple


class Row(NamedTuple):
    """One line of docs/benchmarks.md: what was measured, ours / theirs, the most it may be (or the least), the figures."""

    name: str
    ratio: float
    budget: float | None
    note: str
    at_least: bool = False
    """A ratio that shall be large: how many times faster, which share of what the computer can do."""

    @property
    def verdict(self) -> str:
        """`ok`, `OVER` its budget, `UNDER` it, or nothing where it has none (None: only told)."""
        if self.budget is None:
            return ""
        if self.at_least:
            return "ok" if self.ratio >= self.budget else "UNDER"
        return "ok" if self.ratio <= self.budget else "OVER"

    @property
    def line(self) -> str:
        """For machines: `BENCH name ratio budget`, the name in small letters without blanks; `-` where there is no budget."""
        name = re.sub(r"[^a-z0-9.]+", "_", self.name.lower().replace(" / ", " vs ")).strip("_")
        return f"BENCH {name} {self.ratio:.4g} {'-' if self.budget is None else f'{self.budget:.4g}'}"
