"""What it takes to get to a broker and be let in, gathered from the spec, its files and the secrets; anew for every connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.config.spec import BrokerUrl, Uplink
from gateway.uplink import reasons, tls
from gateway.uplink.errors import SessionLost
from gateway.uplink.proxy import Proxy


class Access(Struct, frozen=True):
    """Who we are, what we trust, and the way there."""

    user: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None
    proxy: Proxy | None = None
    secret: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """The options of `MqttSession.connect`."""
        return {"user": self.user, "password": self.password, "tls": self.context, "proxy": self.proxy}

    def explained(self, lost: SessionLost) -> SessionLost:
        """Return the error of a connection in the words of the configuration: whose password was refused."""
        if self.user is None or lost.code not in reasons.USER_REFUSED:
            return lost
        return SessionLost(*reasons.at_connect(lost.code or 0, self.user, self.secret), code=lost.code)


def gather(spec: Uplink, url: BrokerUrl, site: str, base: Path, read_secret: Callable[[str], str]) -> Access:
    """Read secrets and certificates; reads files, so call it in a thread.

    Args:
        spec: the uplink.
        url: which of its brokers.
        site: user name where none is given.
        base: folder that paths of certificates start from.
        read_secret: returns the text of a secret by name.

    Raises:
        SessionLost: something is missing or wrong; says what, and what to do.
    """
    who, there = spec.credentials, spec.proxy_credentials
    proxy = None
    try:
        if spec.proxy is not None:
            proxy = Proxy(spec.proxy, *((there.user, read_secret(there.secret)) if there is not None else ()))
        context = tls.make_context(spec.tls, base, read_secret) if url.tls else None
        if who is None:
            return Access(context=context, proxy=proxy)
        return Access(who.user or site, read_secret(who.secret), context, proxy, who.secret)
    except SessionLost:
        raise
    except Exception as exc:  # the secret store's own kinds of trouble; they carry their sentence
        raise SessionLost(getattr(exc, "message", str(exc)), getattr(exc, "hint", "")) from exc
