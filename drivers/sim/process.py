"""The life of a simulated machine as a process: one ready line, a clean end, and never longer than its parent lives."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

HOST = "127.0.0.1"
"""The simulated shop is on loopback only."""

EXIT_NOT_REACHABLE = 3

_PR_SET_PDEATHSIG = 1
_ENDINGS = (signal.SIGTERM, signal.SIGINT)


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel send SIGTERM to this process when its parent dies, however it dies; prctl(2). It survives exec.

    `parent` is the process that should be watched: when it is gone already this process ends at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(0)


def free_port(port: int) -> int:
    """Return `port` when it can be bound on loopback, or a free one when it is 0.

    Raises:
        OSError: somebody else has it (EADDRINUSE), or it needs root (EACCES).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return int(probe.getsockname()[1])


def port_trouble(name: str, port: int, error: OSError) -> str:
    """Return why `name` cannot listen on `port`, as a sentence that says what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"{name}: port {port} is in use; `ss -ltnp 'sport = :{port}'` shows by which program; stop it or take another port"
    if error.errno == errno.EACCES:
        return f"{name}: port {port} needs root; take one above 1023"
    return f"{name}: cannot listen on {HOST}:{port}: {error.strerror}"


def port_argument(text: str) -> int:
    """Read a TCP port for argparse; 0 means any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a TCP port (0 to 65535)")
    return int(text)


def parser(name: str, what: str, default_port: int) -> argparse.ArgumentParser:
    """Return the argument parser every simulated machine starts from: `--port`."""
    result = argparse.ArgumentParser(prog=f"python -m drivers.sim.{name}", description=what)
    result.add_argument(
        "--port", type=port_argument, default=default_port, help="TCP port on loopback, 0 for any free one (default: %(default)s)"
    )
    return result


def run(name: str, port: int, serve: Callable[[int], AbstractAsyncContextManager[None]]) -> int:
    """Serve until SIGTERM, SIGINT or the death of the parent; return the exit code.

    Prints `<name> ready on 127.0.0.1:<port>` to stdout once clients can connect, and nothing else there; trouble goes to
    stderr. `serve(port)` is entered with a free port.
    """
    die_with_parent()
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        port = free_port(port)
        asyncio.run(_live(name, port, serve))
    except OSError as error:
        print(port_trouble(name, port, error), file=sys.stderr)
        return EXIT_NOT_REACHABLE
    return 0


async def _live(name: str, port: int, serve: Callable[[int], AbstractAsyncContextManager[None]]) -> None:
    """Serve from the ready line until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    # Not loop.add_signal_handler: it takes the handlers away with the loop, and a second Ctrl-C would then end in a traceback.
    for number in _ENDINGS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    async with serve(port):
        print(f"{name} ready on {HOST}:{port}", flush=True)
        await stop.wait()
        for number in _ENDINGS:
            signal.signal(number, signal.SIG_IGN)
