"""What can be written about an OPC UA server and its points, and what of it does not fit together; checked offline."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from msgspec import Meta

from drivers.opcua.address import BrowsePath, NodeAddress
from drivers.opcua.waveform import WaveArray
from gateway.config.quantity import Duration
from gateway.config.spec import Link, PointSpec, Spec
from gateway.driver import Finding, LocalFile

POLICIES = ("Aes256Sha256RsaPss", "Aes128Sha256RsaOaep", "Basic256Sha256")
MODES = ("SignAndEncrypt", "Sign")
_BROKEN = {"Basic256", "Basic128Rsa15"}

HOW_TO_MAKE = (
    "make certificate and key: openssl req -x509 -newkey rsa:2048 -sha256 -days 3650 -nodes -keyout {key} -out {certificate}"
    ' -subj "/CN=retrofit-gateway" -addext "subjectAltName=URI:urn:retrofit-gateway,DNS:$(hostname)"'
    ' -addext "extendedKeyUsage=clientAuth"'
    ' -addext "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment" && chmod 600 {key}'
)
"""The command for the two files, with a URI in the certificate, which servers insist on."""


class Security(str):
    """A security policy of OPC UA, and after a slash the mode: `Aes256Sha256RsaPss`, `Basic256Sha256/Sign`."""

    __slots__ = ()

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return self.partition("/")[0]

    @property
    def mode(self) -> str:
        """`SignAndEncrypt`, the default, or `Sign`."""
        return self.partition("/")[2] or MODES[0]

    @classmethod
    def parse(cls, value: object) -> Security:
        """Read policy and mode.

        Raises:
            ValueError: they are unknown, or the policy is broken.
        """
        text = str(value).strip().replace("_", "")  # tools write it with or without
        policy, slash, mode = text.partition("/")
        if policy in _BROKEN:
            raise ValueError(f"{policy} is broken and no longer allowed; the server surely offers one of {', '.join(POLICIES)}")
        if policy.lower() == "none":
            raise ValueError("no security is written 'insecure: true', so that everybody sees it")
        if policy not in POLICIES:
            near = difflib.get_close_matches(policy, POLICIES, 1)
            raise ValueError(
                f"unknown security '{policy}'" + (f", did you mean '{near[0]}'?" if near else f"; known: {', '.join(POLICIES)}")
            )
        if slash and mode not in MODES:
            raise ValueError(f"unknown mode '{mode}'; write {policy} for signed and encrypted, {policy}/Sign for only signed")
        return cls(policy if mode in {"", MODES[0]} else text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"enum": [policy + tail for policy in POLICIES for tail in ("", "/Sign", "/SignAndEncrypt")]}


class OpcuaLink(Spec, frozen=True, kw_only=True):
    """A connection to an OPC UA server."""

    security: Annotated[Security | None, Meta(description="security policy, signed and encrypted unless '/Sign' follows")] = None
    certificate: Annotated[str, Meta(description="file with this gateway's certificate (.pem or .der), relative to this file")] = ""
    key_file: Annotated[str, Meta(description="file with the private key of the certificate (.pem), mode 0600")] = ""
    server_certificate: Annotated[str, Meta(description="file with the server's certificate; another server is then refused")] = ""
    insecure: Annotated[bool, Meta(description="true: no security; everyone on the network can read and forge values")] = False
    timeout: Annotated[Duration, Meta(description="longest wait for an answer")] = Duration(4)
    keepalive: Annotated[Duration, Meta(description="a server that is silent for twice this time counts as gone")] = Duration(4)
    session: Annotated[Duration, Meta(description="how long the server keeps a session after the connection was cut")] = Duration(
        60
    )

    @property
    def how_to_make(self) -> str:
        """The command that makes certificate and key."""
        return HOW_TO_MAKE.format(certificate=self.certificate or "gateway.pem", key=self.key_file or "gateway.key")

    def files(self) -> Iterable[LocalFile]:
        """Yield the certificates and the key that are named."""
        if self.certificate:
            yield LocalFile("certificate", self.certificate, "certificate", self.how_to_make)
        if self.key_file:
            yield LocalFile("private key", self.key_file, "key_file", self.how_to_make)
        if self.server_certificate:
            cure = "export it from the server, or leave 'server_certificate' out until it is there"
            yield LocalFile("server's certificate", self.server_certificate, "server_certificate", cure)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        for key, low, high in (("timeout", 0.1, 60), ("keepalive", 1, 60), ("session", 10, 3600)):
            if not low <= getattr(self, key) <= high:
                yield key, f"must be from {low:g}s to {high:g}s"
        files = {"certificate": self.certificate, "key_file": self.key_file}
        if self.security and self.insecure:
            yield "insecure", "'insecure: true' and 'security' exclude each other; leave one out"
        if self.security and not all(files.values()):
            lacking = " and ".join(f"'{key}'" for key, value in files.items() if not value)
            yield "security", f"security needs {lacking} too; {self.how_to_make}"
        if not self.security and (any(files.values()) or self.server_certificate):
            yield "certificate", f"a certificate is used only with 'security', e.g. security: {POLICIES[0]}"
        if not self.security and not self.insecure:
            secure = f"'security: {POLICIES[0]}' with 'certificate' and 'key_file'"
            yield "", f"an OPC UA server needs {secure}, or, on a network where everybody is trusted, 'insecure: true'"


class OpcuaUnit(Spec, frozen=True, kw_only=True):
    """How the points of one machine are taken from its server."""

    mode: Annotated[Literal["subscribe", "read"], Meta(description="the server sends what changed, or all is read every time")] = (
        "subscribe"
    )
    publish: Annotated[Duration | None, Meta(description="time between two messages of the server; default: 'every'")] = None
    sample: Annotated[Duration | None, Meta(description="how often the server looks at a value; default: as 'publish'")] = None
    queue: Annotated[
        int | None, Meta(ge=1, le=10000, description="values kept by the server between two messages; default: as 'sample' needs")
    ] = None
    waveform: Annotated[WaveArray | None, Meta(description="an array that is a waveform, for `vibration:`")] = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        for key in ("publish", "sample"):
            if (value := getattr(self, key)) is not None and not 0.01 <= value <= 3600:
                yield key, "must be from 10ms to 1h"
        if self.mode == "read":
            for key in ("publish", "sample", "queue"):
                if getattr(self, key) is not None:
                    yield key, f"'{key}' belongs to 'mode: subscribe'"


class OpcuaPoint(PointSpec, frozen=True, kw_only=True):
    """A value on the server: by node id or by the path to it."""

    node: NodeAddress | None = None
    path: BrowsePath | None = None

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        yield from super().problems()
        if self.node is None and self.path is None:
            yield "", "where is it? write 'node: \"nsu=<uri>;s=…\"' or 'path: Objects/…'"
        elif self.node is not None and self.path is not None:
            yield "path", "'node' and 'path' say the same twice; leave one out"


def check(link: Link, unit: Any, points: dict[str, Any]) -> Iterable[Finding]:
    """Find addresses that may mean another value after a change on the server."""
    for name, point in points.items():
        if point.node and point.node.parts.index:
            yield Finding(index_warning(point.node.parts.index), point=name, key="node", level="warning")
    if unit.waveform and unit.waveform.node and (index := unit.waveform.node.parts.index):
        yield Finding(index_warning(index), key="waveform", level="warning")


def index_warning(index: int) -> str:
    """Return the sentence about a namespace that is named by its index."""
    return f"the namespace index {index} can shift when the server changes; 'nsu=<uri>;…' names the namespace for good"


def files(link: Link) -> Iterable[LocalFile]:
    """Yield the certificates and the key that a link needs."""
    options: OpcuaLink = link.options
    return options.files()
