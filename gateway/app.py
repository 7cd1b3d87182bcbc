"""The composition root: here, and only here, the rooms are wired to each other."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Container
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from gateway import __version__, control
from gateway import log as logs
from gateway.clock import Clock
from gateway.config import ConfigError, load_config
from gateway.config.secrets import read_secret
from gateway.config.spec import Config
from gateway.exporter import Exporter
from gateway.history import History
from gateway.metrics import render
from gateway.model import Record
from gateway.notify import Notifier
from gateway.state import RunBook, State
from gateway.supervise import Machines, Pulse, Recipients, Watchdog, loop_name, process, spawn
from gateway.timeline import Timeline

log = logs.get("app")


class App:
    """A running gateway: one configuration, one data folder."""

    def __init__(self, config: Config, folder: control.DataFolder, clock: Clock | None = None) -> None:
        self.config = config
        self._folder = folder
        self._clock = clock or Clock()
        self._started = self._clock.stamp()
        self._pulse = Pulse(self._clock)
        self._notifier = Notifier()
        self._state = State(folder.path / "state")
        self._timeline = Timeline(self._clock, self._state)
        self._history = History(folder.path / "history.db", clock=self._clock)
        rooms = (read_secret, self._timeline.repair, self._state, self._history, self._emit)
        self._recipients = Recipients(folder.path, self._clock, self._pulse, *rooms)
        self._machines = Machines(self._clock, self._pulse, self._emit, self._recipients.turned, self._state, folder.path)
        self._exporter = Exporter(self.metrics)
        self._applying = asyncio.Lock()
        self._stop = asyncio.Event()
        self._stopping = False
        self._last_stop = "clean"

    def _emit(self, records: list[Record]) -> None:
        self._history.add(records)
        self._recipients.offer(records)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: spawn(self.apply(None), "reload"))
        runs = RunBook(self._state)
        self._last_stop = runs.begin()
        background = [
            spawn(self._history.run(self._pulse.register("history")), "history"),
            spawn(self._timeline.run(self._pulse.register("clock")), "clock"),
            spawn(Watchdog(self._pulse, self._notifier).run(), "watchdog"),
        ]
        await self._recipients.apply(self.config)
        await self._machines.apply(self.config.machines)
        server = control.ControlServer(self._folder.path, self, self._machines.desk)
        await server.start()
        await self._exporter.listen(self.config.metrics)
        names = {"site": self.config.site, "gateway": self.config.gateway}
        log.info("gateway_started", **names, machines=len(self.config.machines), loop=loop_name())
        self._notifier.ready(f"{len(self.config.machines)} machines")
        await self._stop.wait()
        self._notifier.stopping()
        await server.stop()
        await self._exporter.close()
        async with self._applying:  # a change that is under way is finished first, and none begins after it
            self._stopping = True
            await self._machines.stop()
            await self._recipients.stop()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._history.close()
        runs.end()
        log.info("gateway_stopped")

    async def apply(self, path: str | None) -> dict[str, Any]:
        """Change to the configuration in `path`, or read the present file again; with a problem in it nothing changes."""
        async with self._applying:
            if self._stopping:
                return {"error": "the gateway is being stopped"}
            self._notifier.reloading()
            try:
                return await self._change(path or self.config.path)
            finally:
                self._notifier.ready()

    async def _change(self, path: str) -> dict[str, Any]:
        try:
            config = await asyncio.to_thread(load_config, path)
        except ConfigError as error:
            log.error("configuration_rejected", path=path, problems=[problem.head for problem in error.problems[:10]])
            return {"problems": str(error)}
        recipients = await self._recipients.apply(config)
        change = await self._machines.apply(config.machines)
        for machine in change.stopped + change.restarted:
            self._history.forget(machine)
        self.config = config
        await self._exporter.listen(config.metrics)
        log.info(
            "configuration_applied", path=config.path, restarted=change.restarted, kept=len(change.kept), recipients=recipients
        )
        return {"path": config.path, "recipients": recipients, **to_builtins(change)}

    def status(self, points: Container[str] = ()) -> dict[str, Any]:
        """Return the state of everything as plain JSON values, of the machines named in `points` the latest values, too."""
        now, machines = self._clock.stamp(), self._machines.status()
        machines |= {name: machines[name] | {"latest": self._history.shown(name)} for name in machines if name in points}
        return {
            "version": __version__,
            "pid": os.getpid(),
            "loop": loop_name(),
            "site": self.config.site,
            "gateway": self.config.gateway,
            "configuration": self.config.path,
            "data": str(Path(self._folder.path).absolute()),
            "data_trouble": self._folder.trouble,
            "uptime_s": round((now.mono_ns - self._started.mono_ns) / 1e9, 1),
            "last_stop": self._last_stop,
            "clock": {"quality": now.quality.value, "boot": now.boot, **self._timeline.status()},
            "process": process(),
            "stuck": self._pulse.stuck(),
            "history": self._history.status(),
            "state": {"troubles": list(self._state.troubles)},
            "machines": machines,
            "alarms": [to_builtins(event) for event in self._history.alarms()],
            "recipients": self._recipients.status(),
            "plain": self._recipients.plain(),
        }

    def metrics(self) -> str:
        """Return what an operator alarms on, as OpenMetrics text."""
        return render(self.status())
