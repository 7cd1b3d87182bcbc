"""asyncua's own server with the values and commands of opcua_node/server.js: `python -m tests.peers.opcua_asyncua OPTIONS`."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua

from tests.peers.opcua import URI, make_certificate

V = ua.VariantType
VALUES: dict[str, tuple[Any, ua.VariantType]] = {
    "Temp": (21.5, V.Double),
    "Float": (0.25, V.Float),
    "SByte": (-5, V.SByte),
    "Int16": (-12345, V.Int16),
    "UInt32": (4294967295, V.UInt32),
    "Int64": (2**63 - 1, V.Int64),
    "UInt64": (77, V.UInt64),
    "Boolean": (True, V.Boolean),
    "String": ("grün & schön", V.String),
    "Bytes": (b"\x00\x01\xfe\xff", V.ByteString),
    "DateTime": (datetime(2024, 2, 29, 12, 30, 15, 250000, tzinfo=UTC), V.DateTime),
    "Guid": (uuid.UUID("72962B91-FA75-4AE6-8D28-B404DC7DAF63"), V.Guid),
    "Text": (ua.LocalizedText("Presse"), V.LocalizedText),
    "Name": (ua.QualifiedName("Presse", 0), V.QualifiedName),
    "Infinite": (math.inf, V.Double),
    "Mode": (2, V.Int32),
    "Curve": ([1.5, 2.5, 3.5], V.Double),
}


class Peer:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.server = Server()
        self.variables: dict[str, Any] = {}
        self.kinds: dict[str, tuple[Any, ua.VariantType]] = {}
        self.index = 0
        self.press: Any = None
        folder = Path(options["pki"])
        folder.mkdir(parents=True, exist_ok=True)
        self.files = folder / "server.pem", folder / "server.key"
        if not self.files[0].exists():
            make_certificate(folder, "server", "urn:peer:server")

    async def build(self) -> None:
        server, options = self.server, self.options
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{options['port']}")
        certificate, key = self.files
        await server.set_application_uri("urn:peer:server")
        await server.load_certificate(certificate)
        await server.load_private_key(key, format="pem")
        names = ["Basic256Sha256_SignAndEncrypt", "Basic256Sha256_Sign", "Aes128Sha256RsaOaep_SignAndEncrypt"]
        names += ["Aes256Sha256RsaPss_SignAndEncrypt", "Aes256Sha256RsaPss_Sign"] + ["NoSecurity"] * bool(options.get("none", True))
        server.set_security_policy([ua.SecurityPolicyType[name] for name in names])
        for number in range(options.get("before", 0)):
            await server.register_namespace(f"urn:peer:other:{number}")
        index = self.index = await server.register_namespace(URI)
        twin_index = await server.register_namespace("urn:peer:twin")
        self.press = await server.nodes.objects.add_object(f"ns={index};s=Press", f"{index}:Press")
        for name, (value, kind) in VALUES.items():
            await self.add(name, value, kind)
        await self.add("Numeric", 7.25, V.Double, f"ns={index};i=100001")
        await self.add("Nothing", None, V.Null)
        await self.add("Hidden", 1.0, V.Double, f"ns={index};s=Hidden")
        # asyncua does not look at the access level when a value is read
        await self.variables["Hidden"].write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNotReadable)))
        sensors = await self.press.add_object(f"ns={index};s=Press.Sensors", f"{index}:Sensors")
        await sensors.add_variable(f"ns={index};s=slash", f"{index}:a/b", 5.0)
        for number, value in ((index, 1.0), (twin_index, 2.0)):
            await sensors.add_variable(f"ns={number};s=Twin", f"{number}:Twin", value)

        if number := options.get("load", 0):
            folder = await server.nodes.objects.add_object(f"ns={index};s=Load", f"{index}:Load")
            for i in range(number):
                await self.add(f"V{i}", i / 10000, V.Double, f"ns={index};i={200000 + i}", folder)

    async def tick(self) -> None:
        """Change the load ten times a second."""
        for tick in range(1, sys.maxsize):
            await asyncio.sleep(0.1)
            for i in range(self.options["load"]):
                await self.variables[f"V{i}"].write_value(tick + i / 10000, V.Double)

    async def add(self, name: str, value: Any, kind: ua.VariantType, node: str | None = None, parent: Any = None) -> None:
        self.variables[name] = await (parent or self.press).add_variable(
            node or f"ns={self.index};s=Press.{name}", f"{self.index}:{name}", value, kind
        )
        self.kinds[name] = (value, kind)

    async def obey(self, command: dict[str, Any]) -> None:
        for name, value in command.get("set", {}).items():
            self.kinds[name] = (value, self.kinds[name][1])
            await self.write(name, ua.StatusCodes.Good, command.get("at"))
        for name, status in command.get("status", {}).items():
            await self.write(name, getattr(ua.StatusCodes, status))
        if "add" in command:
            await self.add(command["add"], 1.0, V.Double)

    async def write(self, name: str, status: int, at: float | None = None) -> None:
        value, kind = self.kinds[name]
        now = datetime.fromtimestamp(at, UTC) if at else datetime.now(UTC)
        await self.variables[name].write_value(ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), SourceTimestamp=now))


async def main() -> None:
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    peer = Peer(json.loads(sys.argv[1]))
    await peer.build()
    async with peer.server:
        ticking = asyncio.create_task(peer.tick()) if peer.options.get("load") else None
        print(json.dumps({"ready": True, "index": peer.index}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await peer.obey(json.loads(line))
            print(json.dumps({"done": True}), flush=True)
        if ticking:
            ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
