"""The processes of the demo: machines, broker and gateway, started together, watched, and ended without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import partial
from pathlib import Path

from msgspec import Struct

from drivers.sim.process import HOST, die_with_parent, free_port, port_trouble
from gateway.config.spec import Config

READY_S = 60.0
END_S = 15.0

_SIMULATOR = {"modbus-tcp": "press", "opc.tcp": "lathe", "replay": "spindle"}


class DemoError(Exception):
    """The demo cannot go on; the message is for the user, `code` the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Part(Struct, frozen=True):
    """A simulated machine or the broker: the module in `drivers.sim` and its port."""

    module: str
    port: int


def parts(config: Config) -> list[Part]:
    """Return what a configuration of the demo needs: a simulator for each machine, and the broker.

    Raises:
        DemoError: the configuration names something the demo does not simulate.
    """
    found = []
    for machine in config.machines.values():
        module = _SIMULATOR.get(machine.link.scheme)
        host, _, port = machine.link.address.removeprefix("tcp://").split("/")[0].rpartition(":")
        if module is None or host not in {HOST, "localhost"} or not port.isdecimal():
            known = ", ".join(_SIMULATOR)
            raise DemoError(f"the demo cannot simulate {machine.name} at {machine.link.url}; it knows {known} on {HOST}", 2)
        found.append(Part(module, int(port)))
    if "cooperative" not in config.uplinks:
        raise DemoError(f"{config.path} has no uplink; the demo shows what arrives at its broker", 2)
    found.append(Part("broker", config.uplinks["cooperative"].broker[0].port))
    return found


def check_ports(wanted: list[Part]) -> None:
    """Make sure that nobody else listens on the ports.

    Raises:
        DemoError: somebody does; the message names the port and what to do.
    """
    for part in wanted:
        try:
            free_port(part.port)
        except OSError as error:
            raise DemoError(
                port_trouble(part.module, part.port, error)
                + " (copy configs/demo, change the port in site.yaml, and run gateway demo --site COPY/site.yaml --data OTHER)",
                3,
            ) from error


class Shop:
    """The running processes; each writes `<name>.log` into the folder and dies with this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, Process] = {}

    @property
    def gateway_pid(self) -> int | None:
        """The process id of the gateway, once it is started."""
        process = self._processes.get("gateway")
        return process.pid if process else None

    async def start(self, wanted: list[Part]) -> None:
        """Start machines and broker side by side; return when all of them can be connected to.

        Raises:
            DemoError: one of them ended or did not become ready.
        """
        await asyncio.gather(*(self._start_part(part) for part in wanted))

    async def _start_part(self, part: Part) -> None:
        process = await self._spawn(part.module, "-m", f"drivers.sim.{part.module}", "--port", str(part.port))
        assert process.stdout is not None
        try:
            ready = await asyncio.wait_for(process.stdout.readline(), READY_S)
        except TimeoutError:
            raise DemoError(f"the {part.module} was not ready after {READY_S:g} s; see {self._log(part.module)}") from None
        if not ready:
            await process.wait()
            raise self._ended(part.module)

    async def start_gateway(self, site: Path) -> None:
        """Start the gateway on the configuration, exactly as `gateway run` does."""
        await self._spawn("gateway", "-m", "gateway", "run", str(site), "--data", str(self._folder))

    async def _spawn(self, name: str, *arguments: str) -> Process:
        with self._log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=DEVNULL,
                stdout=log if name == "gateway" else PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo alone; it ends its processes in order
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        self._processes[name] = process
        return process

    async def watch(self) -> None:
        """Wait until one of the processes ends by itself.

        Raises:
            DemoError: that is which, and why.
        """
        waits = {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        raise self._ended(waits[done.pop()])

    async def stop_gateway(self) -> None:
        """End the gateway and let it send what it has."""
        await self._end("gateway")

    async def stop(self) -> None:
        """End everything, the gateway first; when it returns no process is left."""
        await self._end("gateway")
        await asyncio.gather(*(self._end(name) for name in tuple(self._processes)))

    def kill(self) -> None:
        """End everything at once; `stop` still has to be awaited."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _end(self, name: str) -> None:
        process = self._processes.get(name)
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _ended(self, name: str) -> DemoError:
        """Return the error for a process that ended: which, how, and the last words of its log."""
        code = self._processes[name].returncode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return DemoError(f"the {name} {how}: {last_words(self._log(name))} (all of it: {self._log(name)})")


def last_words(log: Path) -> str:
    """Return the last line of a log in words; a JSON line becomes `event: key value, …`."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if not lines:
        return "it said nothing"
    try:
        entry = json.loads(lines[-1])
        event = entry.pop("event")
    except (ValueError, KeyError, AttributeError, TypeError):
        return lines[-1].strip()
    details = ", ".join(f"{key} {value}" for key, value in entry.items() if key not in {"time", "level", "room"})
    return f"{event}: {details}" if details else str(event)
