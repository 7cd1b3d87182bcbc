"""The program whose instructions are counted under qemu, and what is made of the counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench import bench_aarch64 as bench


def test_the_program_measures_windows_with_nothing_but_the_kernels_and_says_where_they_lie():
    command = [sys.executable, "-S", bench.WINDOWS, bench.ROOT, "2", '{"bearing": [3.58, 5.42, 2.36, 0.398], "prewhiten": true}']
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (result.returncode, result.stderr) == (0, "")
    first, last = bench.bounds(result.stdout)
    assert last - first > 100_000


def test_the_difference_of_two_runs_is_what_windows_cost():
    name, millions, budget, note = bench.row(500_000_000, 500_000_000 + (bench.MANY - bench.FEW) * 5_000_000)[:4]
    assert "neon" in name
    assert millions == pytest.approx(15)
    assert budget is None
    assert note == "5.00 million per window of 25600"


def test_without_the_build_it_says_what_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "AARCH64", tmp_path)
    with pytest.raises(SystemExit, match="'make test-aarch64' makes it"):
        bench.rows()
