"""Benchmarks: each `bench_*.py` has `rows()`, which measures ours beside something known in one run."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line of docs/benchmarks.md: what was measured, ours / theirs (smaller is better), the most it may be, the figures."""

    name: str
    ratio: float
    budget: float | None
    note: str

    @property
    def verdict(self) -> str:
        """`ok`, `OVER` its budget, or nothing where it has none (None: only told)."""
        return "" if self.budget is None else "ok" if self.ratio <= self.budget else "OVER"
