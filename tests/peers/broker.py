"""Real brokers for tests: mosquitto from Debian, with passwords, ACL and TLS, and amqtt; a subscriber; a relay that cuts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config.spec import BrokerUrl
from tests.waiting import until

START_S = 15.0


def free_port() -> int:
    """Return a TCP port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _program(name: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert path, f"{name} is missing: run 'apt-get install mosquitto' (make test does)"
    return path


class Mosquitto:
    """One mosquitto in its own process and folder; stays on its port when it is started again.

    Args:
        users: passwords by user name; None lets everybody in.
        acl: text of an ACL file.
        server: files (certificate, key) for TLS.
        ca: authority of client certificates; given, a client certificate is required.
        settings: further lines of the configuration.
        keep: keep sessions and their messages over a stop.
        host: address it listens at.
        port: its port; 0 for a free one.
        enter: command in front of its own, for one inside a network namespace.
    """

    def __init__(
        self,
        *,
        users: dict[str, str] | None = None,
        acl: str | None = None,
        server: tuple[Path, Path] | None = None,
        ca: Path | None = None,
        settings: str = "",
        keep: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        enter: Sequence[str] = (),
    ) -> None:
        self.port = port or free_port()
        self._host, self._enter = host, enter
        self.process: asyncio.subprocess.Process | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="broker-"))
        self._tls = server is not None
        lines = [f"listener {self.port} {host}", f"allow_anonymous {str(users is None).lower()}", "user root", "log_dest none"]
        lines += [f"persistence {str(keep).lower()}", f"persistence_location {self._folder}/", "set_tcp_nodelay true"]
        if users is not None:
            passwords = self._folder / "passwords"
            passwords.touch(mode=0o600)
            for user, password in users.items():
                subprocess.run([_program("mosquitto_passwd"), "-b", passwords, user, password], check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if acl is not None:
            (self._folder / "acl").write_text(acl)
            (self._folder / "acl").chmod(0o600)
            lines.append(f"acl_file {self._folder}/acl")
        if server is not None:
            lines += [f"certfile {server[0]}", f"keyfile {server[1]}"]
        if ca is not None:
            lines += [f"cafile {ca}", "require_certificate true"]
        (self._folder / "broker.conf").write_text("\n".join([*lines, settings, ""]))

    @property
    def url(self) -> BrokerUrl:
        """Its URL, by address."""
        return BrokerUrl(f"{'mqtts' if self._tls else 'mqtt'}://{self._host}:{self.port}")

    async def start(self) -> None:
        """Start it and return once it accepts connections."""
        self.process = await asyncio.create_subprocess_exec(
            *self._enter,
            _program("mosquitto"),
            "-c",
            str(self._folder / "broker.conf"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        await until(lambda: self._accepts() or self.process.returncode is not None, START_S, "mosquitto accepts connections")
        if self.process.returncode is not None:
            raise AssertionError(f"mosquitto did not start: {(await self.process.stderr.read()).decode()}")

    def _accepts(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex((self._host, self.port)) == 0

    def send(self, number: int) -> None:
        """Send it a signal: SIGHUP reads ACL and passwords anew, SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self.process is not None
        self.process.send_signal(number)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End it; with SIGTERM it keeps its sessions if made so, with SIGKILL it keeps nothing."""
        if self.process is not None and self.process.returncode is None:
            self.send(number)
            await self.process.wait()

    async def set_acl(self, text: str) -> None:
        """Replace the ACL while it runs."""
        (self._folder / "acl").write_text(text)
        self.send(signal.SIGHUP)

    async def close(self) -> None:
        """End it for good and remove its folder."""
        if self.process is not None and self.process.returncode is None:
            self.send(signal.SIGCONT)
            await self.stop(signal.SIGKILL)
        shutil.rmtree(self._folder)


@asynccontextmanager
async def mosquitto(**options: Any) -> AsyncIterator[Mosquitto]:
    """Run a mosquitto; options as in `Mosquitto`."""
    broker = Mosquitto(**options)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.close()


@asynccontextmanager
async def amqtt() -> AsyncIterator[BrokerUrl]:
    """Run an amqtt broker in this loop; it speaks MQTT 3.1.1 only."""
    from amqtt.broker import Broker

    port = free_port()
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": plugins})
    await broker.start()
    try:
        yield BrokerUrl(f"mqtt://127.0.0.1:{port}")
    finally:
        await broker.shutdown()


class Inbox:
    """What a subscriber has got so far: `messages` are (topic, payload) in the order of arrival."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    @property
    def payloads(self) -> list[bytes]:
        """The payloads alone."""
        return [payload for _, payload in self.messages]

    async def until(self, condition: Callable[[list[bytes]], object], timeout: float = 20.0, what: str = "") -> None:
        """Wait until the payloads so far fulfil the condition."""
        await until(lambda: condition(self.payloads), timeout, what or "the messages arrive")


@asynccontextmanager
async def subscriber(
    url: BrokerUrl, topic: str = "#", *, user: str | None = None, password: str | None = None, ca: Path | None = None
) -> AsyncIterator[Inbox]:
    """Subscribe at QoS 1 with a session that outlives connections; comes back by itself when the broker does."""
    inbox = Inbox()
    subscribed = asyncio.Event()
    loop = asyncio.get_running_loop()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"inbox-{os.urandom(4).hex()}", clean_session=False)
    client.reconnect_delay_set(1, 1)
    if user is not None:
        client.username_pw_set(user, password)
    if ca is not None:
        client.tls_set(ca_certs=str(ca))

    def arrived(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        inbox.messages.append((message.topic, bytes(message.payload)))

    client.on_message = arrived
    client.on_connect = lambda *_: client.subscribe(topic, qos=1)
    client.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
    client.connect_async(url.host, url.port)
    client.loop_start()
    try:
        await asyncio.wait_for(subscribed.wait(), START_S)
        yield inbox
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)


class Cutter:
    """A TCP relay in front of a broker that can cut all connections at once, or go silent without closing (half-open)."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.bytes_in = 0
        self.url = BrokerUrl("mqtt://127.0.0.1")
        self.connections = 0

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self, frozen: bool) -> None:
        """Stop or resume passing bytes on."""
        self._flowing.clear() if frozen else self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, back))
                group.create_task(self._pass(there, writer))
        finally:
            self._writers -= pair
            for end in pair:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                self.bytes_in += len(data)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def cutter(target: int) -> AsyncIterator[Cutter]:
    """Relay a free port to the local port `target`."""
    relay = Cutter(target)
    server = await asyncio.start_server(relay._serve, "127.0.0.1", 0)
    relay.url = BrokerUrl(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield relay
    finally:
        relay.freeze(frozen=False)
        server.close()
        relay.cut()
        await asyncio.sleep(0)
