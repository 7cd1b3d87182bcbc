import asyncio
import socket
from pathlib import Path

import aiomqtt

from tests.peers import shop


async def test_carries_a_message_at_qos_1():
    async with (
        shop.machine("broker") as (port, _),
        aiomqtt.Client("127.0.0.1", port) as listener,
        aiomqtt.Client("127.0.0.1", port) as sender,
    ):
        await listener.subscribe("coop/#", qos=1)
        await sender.publish("coop/a/b/up/batch", b"\x00payload", qos=1)
        async with asyncio.timeout(10):
            message = await anext(aiter(listener.messages))
        assert (str(message.topic), message.payload, message.qos) == ("coop/a/b/up/batch", b"\x00payload", 1)


async def test_is_on_loopback_only_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    async with shop.machine("broker") as (port, process):
        assert listening(process.pid, port) == {"127.0.0.1"}
    assert list(tmp_path.iterdir()) == []


def listening(pid: int, port: int) -> set[str]:
    """IPv4 and IPv6 addresses on which `port` is listened to, from the kernel's tables of sockets."""
    rows = [line.split() for kind in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    found = [row[1].split(":") for row in rows if row[3] == "0A"]
    addresses = {address for address, number in found if int(number, 16) == port}
    return {socket.inet_ntoa(bytes.fromhex(a)[::-1]) if len(a) == 8 else a for a in addresses}
