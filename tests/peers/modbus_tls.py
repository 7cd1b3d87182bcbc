"""TLS in front of a libmodbus server, by Debian's socat (OpenSSL): a peer that sends the alerts that OpenSSL sends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from tests.peers import modbus
from tests.peers.certificates import Pair

START_S = 10.0


@contextlib.asynccontextmanager
async def tls(pair: Pair, clients: Path | None = None, highest: str = "TLS1.3", *, more: str = "") -> AsyncIterator[str]:
    """Serve libmodbus inside TLS with this certificate; `clients` is the authority of the clients that are let in.

    `more` are further options of socat, each with a comma before it.
    """
    socat = shutil.which("socat")
    assert socat, "socat is missing: apt-get install socat"
    verify = f"verify=1,cafile={clients}" if clients else "verify=0"
    async with modbus.tcp() as server:
        listen = f"OPENSSL-LISTEN:0,bind=127.0.0.1,reuseaddr,fork,cert={pair.certificate},key={pair.key},{verify}"
        process = await asyncio.create_subprocess_exec(
            socat,
            "-d",
            "-d",
            f"{listen},openssl-max-proto-version={highest}{more}",
            f"TCP:127.0.0.1:{server.port}",
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr
        drain = None
        try:
            async with asyncio.timeout(START_S):
                while not (found := re.search(rb"listening on .*:(\d+)", line := await process.stderr.readline())):
                    assert line, "socat has ended"
            drain = asyncio.create_task(process.stderr.read())
            yield f"127.0.0.1:{int(found[1])}"
        finally:
            process.terminate()
            await process.wait()
            if drain is not None:
                await drain
