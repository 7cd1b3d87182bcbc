"""Starts one machine of the simulated shop as its own process and ends it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START_S = 30.0


@asynccontextmanager
async def machine(name: str, *arguments: str) -> AsyncIterator[tuple[int, Process]]:
    """Run `python -m drivers.sim.<name>` on a free port; yield the port once it is ready, and the process; it must end with 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"drivers.sim.{name}", "--port", "0", *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        if not ready.startswith(f"{name} ready on 127.0.0.1:"):
            raise AssertionError(f"{name} did not start: {ready!r} {(await process.stderr.read()).decode()}")
        yield int(ready.rsplit(":", 1)[1]), process
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), START_S)
        assert process.returncode == 0, errors.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
