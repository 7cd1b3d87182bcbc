"""An MQTT broker in one process: `python -m drivers.sim.broker --port 11883`; MQTT 3.1.1, anonymous, loopback, writes no files.

It is amqtt, from the extra `demo`; for anything but the demo take a real broker, e.g. mosquitto.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drivers.sim.process import EXIT_NOT_REACHABLE, HOST, parser, run

DEFAULT_PORT = 11883
MISSING = "the embedded broker is not installed; run: pip install 'retrofit-gateway[demo]' (in a clone: pip install -e '.[demo]')"


@asynccontextmanager
async def serve(port: int) -> AsyncIterator[None]:
    """Run the broker while the context is open."""
    from amqtt.broker import Broker

    # It complains about every client that speaks MQTT 5 first; the refusal is the answer.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield
    finally:
        await broker.shutdown()


def main() -> int:
    """Run the broker as a process."""
    arguments = parser("broker", "an MQTT 3.1.1 broker for the demo", DEFAULT_PORT).parse_args()
    try:
        import amqtt.broker  # noqa: F401
    except ImportError:
        print(MISSING, file=sys.stderr)
        return EXIT_NOT_REACHABLE
    return run("broker", arguments.port, serve)


if __name__ == "__main__":
    sys.exit(main())
