"""A Sparkplug host and a decoder of payloads that are not ours: npm `mqtt` and `sparkplug-payload`, in a process of their own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from tests.peers.node import HAS_NODE, ROOT, node_modules
from tests.waiting import until

START_S = 20.0


def _env() -> dict[str, str]:
    assert HAS_NODE, "node or npm is missing: run 'apt-get install nodejs npm' (make test does)"
    return os.environ | {"NODE_PATH": str(node_modules("sparkplug_node"))}


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    command = ["node", str(ROOT / "tests/peers/sparkplug_node/peer.js"), *arguments]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=await asyncio.to_thread(_env), limit=1 << 24)


async def decoded(payloads: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return what sparkplug-payload reads in each payload; {"error": …} where it reads nothing."""
    process = await _start("decode")
    lines = "".join(base64.b64encode(payload).decode() + "\n" for payload in payloads)
    out, _ = await process.communicate(lines.encode())
    return [json.loads(line) for line in out.decode().splitlines()]


def unfolded(value: Any) -> Any:
    """Return a value of sparkplug-payload as Python has it."""
    if not isinstance(value, dict):
        return value
    if "long" in value:
        return int(value["long"])
    if "bytes" in value:
        return base64.b64decode(value["bytes"])
    return float(value["number"]) if "number" in value else value


class Host:
    """A host application; `messages` are (topic, decoded payload) of the node in the order of arrival."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said: list[str] = []
        self.errors: list[str] = []
        self.messages: list[tuple[str, dict[str, Any]]] = []

    async def listen(self) -> None:
        """Read what the process says, until its end."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            item = json.loads(line)
            if "topic" in item:
                self.messages.append((item["topic"], item["payload"]))
            elif "said" in item:
                self._said.append(item["said"])
            else:
                self.errors.append(item["error"])

    async def do(self, command: str) -> None:
        """Give a command, `online`, `offline` or `rebirth [how often]`, and wait until it is done."""
        assert self._process.stdin is not None
        before = len(self._said)
        self._process.stdin.write(f"{command}\n".encode())
        await until(lambda: len(self._said) > before or self.errors, START_S, f"the host does {command}")
        assert not self.errors, self.errors

    def count(self, kind: str) -> int:
        """Return how many messages of a kind have come, e.g. NBIRTH."""
        return sum(topic.split("/")[2] == kind for topic, _ in self.messages)

    async def end(self) -> None:
        """End the process, without a word to the broker."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def host(port: int, *, group: str, node: str, host: str = "scada", version: int = 5) -> AsyncIterator[Host]:
    """Run a host for one broker; it does nothing before it is told to."""
    settings = {"port": port, "host": host, "group": group, "node": node, "version": version}
    running = Host(await _start("host", json.dumps(settings)))
    listening = asyncio.ensure_future(running.listen())
    try:
        yield running
    finally:
        await running.end()
        await listening
