"""The Modbus driver: no wrong value in a million reads from slaves that misbehave, quiet under noise, and no input that escapes."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.campaign import Job, Results
from tests.campaign.modbus import fuzz, guided, guided_inputs, noise, wrong_values
from tests.page import table

READS = 1_040_000
"""In memory, all moods together."""

INPUTS = 1_000_000
"""For each decoder and planner."""

GUIDED_INPUTS = 1_000_000
SLOW = {"byte-order guess": 4, "read plan": 4, "TCP answers, exchange": 4}
"""Searching by coverage, so many times fewer inputs of these: each takes that much longer under the search."""

PTY_MOODS = ("late once in a while", "twice", "another unit", "bit flips 1e-3", "everything")
PTY_S = 60.0
NOISE_S = 30.0


def jobs(scale: float) -> list[Job]:
    """Return everything there is to do; what waits rather than computes comes first."""
    counts = [(mood, wrong_values.MIXED) for mood in wrong_values.MOODS]
    counts += [("bit flips 1e-2", wrong_values.LONG), ("bit flips 1e-2", wrong_values.SMALL)]
    each = max(wrong_values.SETTLED, int(scale * READS / len(counts)) + 1)
    inputs, searched = max(100, round(scale * INPUTS)), max(400, round(scale * GUIDED_INPUTS))
    return [
        Job("noise", "continuous noise", on_noise, (max(3.0, scale * NOISE_S),), alone=True),
        *(Job("reads", f"{mood} pty", on_pty, (mood, scale * PTY_S)) for mood in PTY_MOODS),
        *(Job("fuzz", target, fuzz.fuzz, (target, inputs)) for target in fuzz.TARGETS),
        *(
            Job("reads", f"{mood} {sizes[-1]}", wrong_values.in_memory, (mood, each, sizes, 11 + i))
            for i, (mood, sizes) in enumerate(counts)
        ),
        *(
            Job("guided", f"{target} by coverage", guided.search, (target, searched // SLOW.get(target, 1)))
            for target in guided_inputs.TARGETS
            if guided.is_installed()
        ),
    ]


def on_noise(seconds: float) -> noise.Result:
    """Read under noise; see `noise`."""
    return asyncio.run(noise.noise(seconds))


def on_pty(mood: str, seconds: float) -> wrong_values.Result:
    """Read on a pseudo terminal for so long."""
    return asyncio.run(wrong_values.on_pty(mood, seconds, 10**6))


def broken(results: Results) -> list[str]:
    """Return which promises were not kept."""
    found = []
    for one in _reads(results):
        if one.wrong or one.resync_s > (3.0 if "seconds" in one.mood else 1.0):
            found.append(f"{one.mood} ({one.where}): {one.wrong} wrong values, well again after {one.resync_s:.2f} s")
    for quiet in (noise.Result(*row) for row in results["noise"].values()):
        if quiet.wrong or quiet.cpu_share > 0.1 or quiet.resync_s > 1.0:
            found.append(f"continuous noise: {quiet}")
    for target in [*_inputs(results), *_searched(results)]:
        if target.uncaught or target.hangs:
            found.append(f"{target.target}: {target.uncaught} uncaught, {target.hangs} hangs; first: {target.first}")
    return found


def lines(results: Results) -> list[str]:
    """Return the section of the page."""
    return [*_about_reads(_reads(results)), "", *_about_noise(results), "", *_about_inputs(results)]


def _reads(results: Results) -> list[wrong_values.Result]:
    return [wrong_values.Result(*row) for row in results["reads"].values()]


def _inputs(results: Results) -> list[fuzz.Result]:
    return [fuzz.Result(*row) for row in results["fuzz"].values()]


def _searched(results: Results) -> list[guided.Result]:
    return [guided.Result(*row) for row in results.get("guided", {}).values()]


def _about_reads(reads: list[wrong_values.Result]) -> list[str]:
    total = [_n(sum(one[i] for one in reads)) for i in (2, 3, 4, 5)]
    resync_s = max((one.resync_s for one in reads), default=0.0)
    return [
        "### Wrong values",
        "Slaves of our own that misbehave (`tests/peers/modbus_evil.py`); every register holds its own address, so a wrong value",
        "shows. `memory`: the real exchange at 115200 baud in virtual time, frames of up to 253 bytes, each read asked for once;",
        "`pty`: the whole driver in real time, which asks once more for what was damaged; reads are requests, errors are",
        "scans in which a point was bad.",
        "A read that fails is bad with a reason. `resync` is the longest time until the last failure, measured every",
        f"{wrong_values.SETTLE_EVERY} reads after the slave has become honest.",
        "",
        *table(
            ["mood", "line", "reads", "good", "wrong", "errors", "resync s"],
            [
                *([r.mood, r.where, _n(r.reads), _n(r.good), _n(r.wrong), _n(r.errors), f"{r.resync_s:.2f}"] for r in reads),
                ["all", "", *total, f"{resync_s:.2f}"],
            ],
        ),
    ]


def _about_noise(results: Results) -> list[str]:
    found = [noise.Result(*row) for row in results["noise"].values()]
    return [
        "### Continuous noise",
        "Random bytes at 115200 baud without a pause on a pseudo terminal while a machine is read; promise: CPU of the reading",
        "process below 10 %, and all well within 1 s after the noise ends.",
        "",
        *table(
            ["seconds", "bytes sent", "bytes thrown away", "scans", "wrong", "CPU", "resync s"],
            [
                [f"{q.seconds:.1f}", _n(q.noise_bytes), _n(q.seen_bytes), _n(q.reads), _n(q.wrong), f"{q.cpu_share:.1%}", _s(q)]
                for q in found
            ],
        ),
    ]


def _about_inputs(results: Results) -> list[str]:
    return [
        "### Mutated and random inputs",
        "Sound inputs of every decoder and planner with a few bytes flipped, put in, taken out or repeated, and random ones.",
        f"A hang is a batch of {fuzz.BATCH} inputs that computes for more than {fuzz.BATCH_CPU_S:g} s.",
        "",
        *table(
            ["target", "inputs", "uncaught", "hangs", "µs per input"],
            [[f.target, _n(f.inputs), _n(f.uncaught), _n(f.hangs), _us(f)] for f in _inputs(results)],
        ),
        "",
        "### Inputs searched by coverage",
        "The same checks under atheris (libFuzzer), which goes on from the inputs that reach new branches of the driver. Compiled",
        f"kernels are run, but their branches not seen. A hang is one input that computes for more than {guided.HANG_S} s.",
        "",
        *_about_search(results),
    ]


def _about_search(results: Results) -> list[str]:
    if not _searched(results):
        return ["Not run: atheris is not installed here (extra `campaign`; it has no wheel for every platform)."]
    return table(
        ["target", "inputs", "uncaught", "hangs", "branches reached", "µs per input"],
        [[f.target, _n(f.inputs), _n(f.uncaught), _n(f.hangs), _n(f.branches), _us(f)] for f in _searched(results)],
    )


def _us(one: fuzz.Result | guided.Result) -> str:
    return f"{1e6 * one.cpu_s / max(1, one.inputs):.0f}"


def _s(one: Any) -> str:
    return f"{one.resync_s:.2f}"


def _n(number: int) -> str:
    return f"{number:,}"
