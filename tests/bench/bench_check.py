"""`gateway check` of 2,000 points, beside reading the same file with PyYAML's C parser alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from gateway.config import load_config
from tests.bench import Row

MACHINES, POINTS = 40, 50
ROUNDS = 5
BUDGET_S = 1.0


def site() -> str:
    """Return a site file with 2,000 points."""
    points = "".join(f"      p{n}: {{at: holding {40010 + 2 * n}, type: float32, scale: 0.1, unit: °C}}\n" for n in range(POINTS))
    machines = "".join(f"  - name: m{n}\n    connect: modbus-tcp://10.0.0.{n}\n    points:\n{points}" for n in range(MACHINES))
    return f"site: bench\ngateway: g\nmachines:\n{machines}"


def best_s(call: Callable[[], object]) -> float:
    """Return the shortest of a few runs, in seconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def rows() -> list[Row]:
    """Measure both and return the rows of the table."""
    text = site()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(text, encoding="utf-8")
        began = time.perf_counter()
        load_config(path)
        first_s = time.perf_counter() - began
        ours_s = best_s(lambda: load_config(path))
    parse_s = best_s(lambda: yaml.compose(text, yaml.CSafeLoader))
    return [
        Row("check_2000_points_s", first_s / BUDGET_S, 1.0, f"{first_s:.2f} s the first time; budget {BUDGET_S:g} s"),
        Row("check_2000_points", ours_s / parse_s, None, f"{1000 * ours_s:.0f} ms; parsing alone {1000 * parse_s:.0f} ms"),
    ]
