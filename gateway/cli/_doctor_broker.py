"""The checks of `gateway doctor` on brokers: each is really logged in to, as the gateway would, and left at once."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path

from gateway.cli._doctor_checks import Finding
from gateway.cli._doctor_live import Ear, live
from gateway.cli._doctor_reach import CONNECT_S, secret_value, unreachable
from gateway.config.spec import BrokerUrl, Config, Uplink
from gateway.uplink import reasons
from gateway.uplink.access import Access, gather
from gateway.uplink.certificate import Certificate, read
from gateway.uplink.errors import SessionLost
from gateway.uplink.report import TELL_DAYS
from gateway.uplink.session import Dialer
from gateway.uplink.stream import open_stream
from gateway.uplink.tls import describe, expiries

_EXPIRES_SOON_D = 14
_LOGIN_S = 5.0


async def brokers(config: Config) -> list[Finding]:
    """Connect to every broker of every uplink and log in with its credentials; nothing is published."""
    if not config.uplinks:
        return [Finding("broker", "ok", "none is configured: everything stays here")]
    jobs = [_broker(name, uplink, url, config) for name, uplink in config.uplinks.items() for url in uplink.broker]
    return [finding for findings in await asyncio.gather(*jobs) for finding in findings]


async def _broker(name: str, uplink: Uplink, url: BrokerUrl, config: Config) -> list[Finding]:
    lane: list[Finding] = []
    return [await _uplink(name, uplink, url, config, lane), *lane]


async def _uplink(name: str, uplink: Uplink, url: BrokerUrl, config: Config, lane: list[Finding]) -> Finding:
    what = f"{url} ({name})"
    base = Path(config.path).parent
    try:
        entry = await asyncio.to_thread(gather, uplink, url, config.site, base, lambda secret: secret_value(secret, base))
        shown = await asyncio.to_thread(_reach, url, entry)
        lane += await _login(name, url, entry, uplink, config)
    except SessionLost as problem:
        if problem.code == reasons.CLIENT_ID_REFUSED:  # it admits known ids only, and the gateway's own would end its session
            sentence = f"{what} takes connections, but not with the client id of a doctor, so user and password were not tried"
            return Finding("broker", "warn", sentence, "gateway status says whether the gateway is connected")
        return Finding("broker", "fail", f"{what}: {problem.words}", problem.hint)
    except ssl.SSLError as error:
        said = describe(error)
        words, hint = (said.words, said.hint) if said else (str(error), "ask the operator of the broker")
        return Finding("broker", "fail", f"{what}: {words}", hint)
    except OSError as error:
        return Finding("broker", "fail", *unreachable(what, url.host, url.port, error))
    lets_in = f"{what} lets the gateway in"
    if shown is None:
        return Finding("broker", "ok", lets_in)
    days = (shown.not_after_s - time.time()) / 86400
    if days < _EXPIRES_SOON_D:
        sentence = f"{lets_in}, but its certificate expires in {days:.0f} days"
        return Finding("broker", "warn", sentence, "tell the operator of the broker")
    key = "is one of those in tls: pin" if uplink.tls.pin else f"is {shown.pin}"
    return Finding("broker", "ok", f"{lets_in}, its certificate holds for {days:.0f} days, its key {key}")


def _reach(url: BrokerUrl, entry: Access) -> Certificate | None:
    """Open a connection, through TLS where there is some, and return the certificate that the broker shows."""
    bare = BrokerUrl(f"{'mqtts' if url.tls else 'mqtt'}://{f'[{url.host}]' if ':' in url.host else url.host}:{url.port}")
    stream = open_stream(bare, context=entry.context, proxy=entry.proxy, timeout_s=CONNECT_S)
    shown = stream.getpeercert(True) if isinstance(stream, ssl.SSLSocket) else None
    stream.close()
    return read(shown) if shown else None


async def _login(name: str, url: BrokerUrl, entry: Access, uplink: Uplink, config: Config) -> list[Finding]:
    """Log in as the gateway does, under a client id of its own: the gateway's would end the session of a running one.

    Returns:
        What there is to say of the live lane, if it has one.

    Raises:
        SessionLost: the broker refuses.
    """
    client_id = f"{config.site}:{config.gateway}:doctor:{os.getpid()}"
    ear = Ear(uplink)
    options = entry.options | {"connect_timeout_s": _LOGIN_S, "on_message": ear.message}
    try:
        session = await Dialer().connect(url, client_id=client_id, **options)
    except SessionLost as lost:
        raise entry.explained(lost) from None
    try:
        return [await live(session, ear, name, config)] if uplink.sparkplug is not None else []
    finally:
        await session.close()


def certificates(config: Config) -> list[Finding]:
    """Look how long our own certificates still hold."""
    base = Path(config.path).parent
    ends = {what: end for uplink in config.uplinks.values() for what, end in expiries(uplink.tls, base).items()}
    found = []
    for what, end in ends.items():
        days = (end - time.time()) / 86400
        if days < 0:
            found.append(Finding("certificate", "fail", f"{what} has expired", "get a new one from the operator of the broker"))
        elif days < TELL_DAYS[0]:
            cure = "get a new one from the operator of the broker in time"
            found.append(Finding("certificate", "warn", f"{what} expires in {days:.0f} days", cure))
        else:
            found.append(Finding("certificate", "ok", f"{what} holds for {days:.0f} days"))
    return found
