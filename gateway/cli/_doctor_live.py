"""The check of `gateway doctor` on a live lane: whether it may listen where hosts speak, and whether its primary host is there."""

from __future__ import annotations

import asyncio

from gateway.cli._doctor_checks import Finding
from gateway.clock import Clock
from gateway.config.spec import Config, Uplink
from gateway.uplink.session import MqttSession
from gateway.uplink.sparkplug.host import PrimaryHost, Turn

_RETAINED_S = 2.0


class Ear:
    """Hears the STATE of the primary host, which a broker keeps and gives to whoever subscribes."""

    def __init__(self, uplink: Uplink) -> None:
        name = uplink.sparkplug.primary_host if uplink.sparkplug else None
        self.host = PrimaryHost(name) if name else None
        self.heard = asyncio.Event()

    def message(self, topic: str, payload: bytes | None, retain: bool) -> None:
        """Take a message."""
        if (
            self.host is not None
            and topic == self.host.topic
            and self.host.take(payload or b"", Clock().stamp()) is not Turn.NOTHING
        ):
            self.heard.set()


async def live(session: MqttSession, ear: Ear, name: str, config: Config) -> Finding:
    """Subscribe as the lane does, and wait a moment for the STATE of the primary host; nothing is published."""
    what = f"live lane ({name}) at {session.broker}"
    topics = [(f"spBv1.0/{config.site}/NCMD/{config.gateway}", 1)]
    if ear.host is not None:
        topics.append((ear.host.topic, 1))
    for refused in await session.subscribe(topics):
        cure = "ask the operator of the broker to let this gateway subscribe to it"
        return Finding("sparkplug", "warn", f"{what}: {refused.words}, so it does not hear what hosts say", cure)
    if ear.host is None:
        return Finding("sparkplug", "ok", f"{what} may listen to hosts")
    try:
        async with asyncio.timeout(_RETAINED_S):
            await ear.heard.wait()
    except TimeoutError:
        sentence = f"{what}: nothing is known there of the primary host '{ear.host.name}', so nothing live is sent"
        return Finding("sparkplug", "warn", sentence, "start the host, or check 'primary_host'")
    if not ear.host.online:
        return Finding("sparkplug", "warn", f"{what}: the primary host '{ear.host.name}' is offline, so nothing live is sent")
    return Finding("sparkplug", "ok", f"{what}: the primary host '{ear.host.name}' is online")
