"""`gateway demo`: a simulated shop, a broker and the gateway on this computer, and a live table of what happens.

With `--json` it prints one object per reading or feature that arrived at the broker, with `t` (ISO 8601 in UTC), `machine`,
`point`, `value` (null when bad), `unit`, `quality` (good, uncertain, bad; then also `reason`), and at the end one
`{"total": {…}}`. `--duration` counts from the moment at which the machines answer and the gateway is started.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiomqtt

from drivers.sim.broker import MISSING as NO_BROKER
from gateway.cli._demo_board import Arrived, Board, listening
from gateway.cli._demo_shop import DemoError, Shop, check_ports, parts
from gateway.cli._site import MISSING, is_missing
from gateway.config.quantity import Duration
from gateway.config.spec import Config
from gateway.control import NotRunning, request

SUMMARY = "run a simulated shop with a live table; needs no machine, broker or configuration"

SITE = Path(__file__).resolve().parents[2] / "configs" / "demo" / "site.yaml"
MARK = ".gateway-demo"
"""File that makes a folder the demo's own; only such a folder, or an empty one, is wiped."""

REFRESH_S = 0.5
PLAIN_S = 5.0


def _duration(text: str) -> float:
    try:
        seconds = float(Duration.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds <= 0:
        raise argparse.ArgumentTypeError("a duration must be longer than 0")
    return seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--duration", type=_duration, metavar="20s", help="end by itself after this time (default: run until Ctrl-C)"
    )
    parser.add_argument("--json", action="store_true", help="print what arrives at the broker, an object a line, then the totals")
    parser.add_argument(
        "--data", metavar="DIR", type=Path, default=Path("var/demo"), help="data and logs, wiped at the start (default: ./var/demo)"
    )
    parser.add_argument(
        "--site", metavar="FILE", type=Path, default=SITE, help="another configuration of the shop, e.g. other ports"
    )


def run(args: argparse.Namespace) -> int:
    """Run until Ctrl-C or the end of `--duration`; 1: a process of the demo ended, 2: usage, 3: a port is taken, no broker."""
    from gateway.config import ConfigError, load_config

    if is_missing("demo", str(args.site)):
        return MISSING
    try:
        if importlib.util.find_spec("amqtt") is None:
            raise DemoError(NO_BROKER, 3)
        config = load_config(args.site)
        check_ports(parts(config))
        with prepared(args.data):
            return asyncio.run(Demo(args, config).run())
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except DemoError as error:
        print(f"gateway demo: {error}", file=sys.stderr)
        return error.code


@contextlib.contextmanager
def prepared(folder: Path) -> Iterator[None]:
    """Make the folder, empty it, and keep it for this demo alone; a demo or gateway that runs on it loses nothing.

    Raises:
        DemoError: somebody runs on it, it holds something that is not the demo's, or it cannot be written.
    """
    with contextlib.ExitStack() as kept:
        try:
            _prepare(folder, kept)
        except OSError as error:
            raise DemoError(f"the folder {folder} cannot be used: {error.strerror}; name another with --data DIR", 2) from error
        yield


def _prepare(folder: Path, kept: contextlib.ExitStack) -> None:
    mark = folder / MARK
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise DemoError(f"{folder} is not empty and not of a demo, so it is not wiped; name another with --data DIR", 2)
    folder.mkdir(parents=True, exist_ok=True)
    mine = _lock(mark, folder)
    kept.callback(os.close, mine)
    # the lock of the gateway itself: one that was started by hand on this folder, or outlived its demo
    if (lock := folder / "gateway.lock").exists():
        os.close(_lock(lock, folder))
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item != mark:
            item.unlink()


def _lock(path: Path, folder: Path) -> int:
    """Lock a file and return its descriptor; the lock goes with it, and with this process however it ends."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DemoError(f"a demo already runs on {folder}; name another folder with --data DIR", 3) from None
    return descriptor


class Demo:
    """One run of the demo."""

    def __init__(self, args: argparse.Namespace, config: Config) -> None:
        self._args = args
        self._config = config
        self._folder: Path = args.data
        self._shop = Shop(self._folder)
        self._stop = asyncio.Event()
        self._status: dict[str, Any] | None = None
        self.board = Board(_print_object if args.json else None)

    async def run(self) -> int:
        """Run it; when it returns no process is left, whatever happened.

        Raises:
            DemoError: a process ended by itself or did not start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            await self._live()
        finally:
            await self._shop.stop()
        if self._args.json:
            print(json.dumps({"total": self.board.total()}), flush=True)
        else:
            print(self._farewell())
        return 0

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():  # the second Ctrl-C: no patience
            self._shop.kill()
        self._stop.set()

    async def _live(self) -> None:
        """Start everything, show it, end the gateway and count what it still sent."""
        if not self._args.json:
            print("starting three machines, a broker and the gateway …", flush=True)
        await self._race(self._shop.start(parts(self._config)))
        if self._stop.is_set():
            return
        broker = self._config.uplinks["cooperative"].broker[0]
        try:
            async with listening(broker, self._config.site, self._config.gateway, self.board) as listener:
                await self._shop.start_gateway(self._args.site)
                await self._race(self._shop.watch(), listener.watch(), self._show())
                await self._shop.stop_gateway()
                await listener.drain()
        except aiomqtt.MqttError as error:
            with contextlib.suppress(TimeoutError):  # if the broker has died, that is the better reason
                await asyncio.wait_for(self._shop.watch(), 2.0)
            raise DemoError(f"the connection to the demo's broker was lost: {error}") from error

    async def _race(self, *work: Coroutine[Any, Any, None]) -> None:
        """Work until the first of it ends or the user has had enough; raise what it raised."""
        tasks = [asyncio.ensure_future(each) for each in (*work, self._stop.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            if task in done:
                task.result()

    async def _show(self) -> None:
        """Show what happens until the duration is over."""
        on_screen = sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
        show = asyncio.create_task(self._nothing() if self._args.json else self._table() if on_screen else self._lines())
        try:
            await asyncio.wait({show}, timeout=self._args.duration)
        finally:
            show.cancel()
            await asyncio.gather(show, return_exceptions=True)
        if not show.cancelled():
            show.result()

    async def _nothing(self) -> None:
        await asyncio.Event().wait()

    async def _lines(self) -> None:
        """Print a line now and then, for a pipe or a log file."""
        from gateway.cli._demo_table import plain

        started_s = time.monotonic()
        while True:
            await asyncio.sleep(PLAIN_S)
            await self._ask()
            print(plain(self._config, self.board, self._status, time.monotonic() - started_s), flush=True)

    async def _table(self) -> None:
        """Draw the table on a screen of its own; the terminal is as before afterwards."""
        from rich.console import Console
        from rich.live import Live

        from gateway.cli._demo_table import Screen

        console = Console(highlight=False)
        screen = Screen(self._config, self.board, self._folder, console)
        with Live(screen.draw(None, None), console=console, screen=True, auto_refresh=False) as live:
            while True:
                await self._ask()
                live.update(screen.draw(self._status, self._shop.gateway_pid), refresh=True)
                await asyncio.sleep(REFRESH_S)

    async def _ask(self) -> None:
        """Ask the gateway how it is, as `gateway status` does; until it answers, the last answer stands."""
        with contextlib.suppress(NotRunning):
            self._status = await asyncio.to_thread(request, self._folder, "status", points=True, timeout_s=2.0)

    def _farewell(self) -> str:
        board = self.board
        return (
            f"{board.objects} readings and features of {len(board.machines())} machines arrived in {board.messages} messages;"
            f" lost {board.lost}, doubled {board.doubled}.\nAll processes have ended; data and logs are in {self._folder}/"
        )


def _print_object(arrived: Arrived) -> None:
    print(arrived.line(), flush=True)
