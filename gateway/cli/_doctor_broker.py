"""The checks of `gateway doctor` on brokers: each is really logged in to, as the gateway would, and left at once."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import Any

from gateway.cli._doctor_checks import Finding
from gateway.cli._doctor_reach import CONNECT_S, secret_value, unreachable
from gateway.config.secrets import SecretMissing
from gateway.config.spec import BrokerUrl, Config, Uplink
from gateway.uplink import reasons
from gateway.uplink.errors import SessionLost, TlsProblem
from gateway.uplink.session import Dialer
from gateway.uplink.tls import describe, make_context

_EXPIRES_SOON_D = 14
_LOGIN_S = 5.0


async def brokers(config: Config) -> list[Finding]:
    """Connect to every broker of every uplink and log in with its credentials; nothing is published."""
    if not config.uplinks:
        return [Finding("broker", "ok", "none is configured: everything stays here")]
    jobs = [_broker(name, uplink, url, config) for name, uplink in config.uplinks.items() for url in uplink.broker]
    return list(await asyncio.gather(*jobs))


async def _broker(name: str, uplink: Uplink, url: BrokerUrl, config: Config) -> Finding:
    what = f"{url} ({name})"
    base = Path(config.path).parent
    context: ssl.SSLContext | None = None
    try:
        if url.tls:
            context = await asyncio.to_thread(make_context, uplink.tls, base, lambda secret: secret_value(secret, base))
        days = await _reach(url, context)
        await _login(url, context, uplink, config)
    except SecretMissing as missing:
        return Finding("broker", "fail", f"{what}: {missing.message}", missing.hint)
    except (TlsProblem, SessionLost) as problem:
        if problem.code == reasons.CLIENT_ID_REFUSED:  # it admits known ids only, and the gateway's own would end its session
            sentence = f"{what} takes connections, but not with the client id of a doctor, so user and password were not tried"
            return Finding("broker", "warn", sentence, "gateway status says whether the gateway is connected")
        return Finding("broker", "fail", f"{what}: {problem.words}", problem.hint)
    except ssl.SSLError as error:
        said = describe(error)
        words, hint = (said.words, said.hint) if said else (str(error), "ask the operator of the broker")
        return Finding("broker", "fail", f"{what}: {words}", hint)
    except (OSError, TimeoutError) as error:
        return Finding("broker", "fail", *unreachable(what, url.host, url.port, error))
    lets_in = f"{what} lets the gateway in"
    if days is None:
        return Finding("broker", "ok", lets_in)
    if days < _EXPIRES_SOON_D:
        sentence = f"{lets_in}, but its certificate expires in {days:.0f} days"
        return Finding("broker", "warn", sentence, "tell the operator of the broker")
    return Finding("broker", "ok", f"{lets_in}, its certificate holds for {days:.0f} days")


async def _reach(url: BrokerUrl, context: ssl.SSLContext | None) -> float | None:
    """Open a connection, and return for how many days the broker's certificate holds; None without TLS."""
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    certificate = writer.get_extra_info("peercert")
    writer.close()
    return None if context is None else (ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86400


async def _login(url: BrokerUrl, context: ssl.SSLContext | None, uplink: Uplink, config: Config) -> None:
    """Log in as the gateway does, under a client id of its own: the gateway's would end the session of a running one.

    Raises:
        SessionLost: the broker refuses.
        SecretMissing: there is no password to log in with.
    """
    who = uplink.credentials
    user, password = None, None
    if who is not None:
        user, password = who.user or config.site, secret_value(who.secret, Path(config.path).parent)
    client_id = f"{config.site}:{config.gateway}:doctor:{os.getpid()}"
    options: dict[str, Any] = {
        "user": user,
        "password": password,
        "tls": context,
        "connect_timeout_s": _LOGIN_S,
    }
    try:
        session = await Dialer().connect(url, client_id=client_id, **options)
    except SessionLost as lost:
        if who is not None and lost.code in reasons.USER_REFUSED:
            raise SessionLost(*reasons.at_connect(lost.code, user, who.secret), code=lost.code) from None
        raise
    await session.close()
