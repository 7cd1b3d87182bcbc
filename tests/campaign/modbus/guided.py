"""Inputs searched by coverage: atheris (libFuzzer) keeps those that reach new branches of the driver, and goes on from them.

Usage: python -m tests.campaign.modbus.guided MODULE TARGET FOLDER HANG_S [options of libFuzzer]
MODULE has `TARGETS`, a function and first inputs by name, and `LONGEST`, the bytes of the longest input.

It needs the extra `campaign`, which has no wheel for every platform. The compiled kernels are run, but their branches not seen.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
INPUTS = "tests.campaign.modbus.guided_inputs"
HANG_S = 20
"""One input that computes for longer than this hangs."""

STALLED_S = 900
"""libFuzzer's own watch goes by the clock, also while other processes have the computer; it is left for what no signal can end."""


class _HangError(Exception):
    pass


class Result(NamedTuple):
    """What one search found; `branches` are those of the driver it has reached."""

    target: str
    inputs: int
    uncaught: int
    hangs: int
    cpu_s: float
    first: str
    branches: int


def is_installed() -> bool:
    """Say whether atheris is there."""
    return importlib.util.find_spec("atheris") is not None


def search(target: str, inputs: int, module: str = INPUTS, hang_s: int = HANG_S) -> Result:
    """Search in a process of its own; it ends with the first finding, so fewer inputs than asked for are one, too."""
    with tempfile.TemporaryDirectory() as folder:
        options = [
            f"-runs={inputs}",
            "-seed=1",
            f"-timeout={STALLED_S}",
            f"-report_slow_units={STALLED_S}",
            f"-artifact_prefix={folder}/found-",
            "-print_final_stats=1",
        ]
        before = _children_s()
        command = [sys.executable, "-m", "tests.campaign.modbus.guided", module, target, folder, str(hang_s), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        words = done.stdout + done.stderr
        found = sorted(Path(folder).glob("found-*"))
        first = _words(words, found[0].read_bytes() if found else b"", done.returncode) if done.returncode else ""
    hangs = int("_HangError" in first or "libFuzzer: timeout" in words)
    uncaught = 1 - hangs if first else 0
    reached = re.findall(r"cov: (\d+)", words)
    runs = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\s", words, re.MULTILINE)
    count = int(runs[-1][0] or runs[-1][1]) if runs else 0
    return Result(target, count, uncaught, hangs, _children_s() - before, first, int(reached[-1]) if reached else 0)


def _words(output: str, data: bytes, code: int) -> str:
    error = re.search(r"Uncaught Python exception: ===\n(.+)", output)
    said = error[1] if error else (output.strip().splitlines() or [f"exit code {code}"])[-1]
    return f"{said[:200]}; input {data[:100].hex()}"


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str]) -> None:
    """In the child: load the driver so that its branches are seen, and search."""
    import atheris

    with atheris.instrument_imports(include=["drivers.modbus"]):
        inputs = importlib.import_module(arguments[0])
    target, folder, hang_s, *options = arguments[1:]
    check, seeds = inputs.TARGETS[target]
    corpus = Path(folder, "corpus")
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def bark(*_: object) -> None:
        raise _HangError(f"computing for more than {hang_s} s")

    def watched(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, float(hang_s))
        check(data)

    signal.signal(signal.SIGVTALRM, bark)
    atheris.Setup([sys.argv[0], str(corpus), f"-max_len={inputs.LONGEST}", *options], watched)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
