"""Where a server and where a value on it is: endpoint, node id, browse path; read from text without asyncua."""

from __future__ import annotations

import base64
import binascii
import difflib
import re
import uuid
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from gateway.config.host import check_host

PORT = 4840
ROOTS = ("Objects", "Types", "Views")
_NODE = re.compile(r"(?:nsu=(?P<uri>[^;]*);|ns=(?P<index>[^;]*);)?(?P<kind>[isgb])=(?P<id>.+)", re.DOTALL)
_NODE_EXAMPLE = "write it like 'nsu=urn:vendor:plc;s=Press.Temp'"


def check_address(scheme: str, address: str) -> str:
    """Return `host:port/path` with the port written out; 4840 is the default.

    Raises:
        ValueError: it is none.
    """
    place, slash, path = address.partition("/")
    if "@" in place:
        raise ValueError("user and password do not stand in the URL")
    head, bracket, tail = place.rpartition("]")
    host, colon, port = (head + bracket, tail[:1], tail[1:]) if bracket else place.partition(":")
    if bracket and (not head.startswith("[") or (tail and not colon == ":")):
        raise ValueError(f"'{place}' is not a host; write an IPv6 address as [fe80::1]:{PORT}")
    if not bracket and ":" in port:
        raise ValueError(f"'{place}' is not host:port; write an IPv6 address in brackets: [{place}]")
    if not host or set(host) & set(" \t\0\\") or not host.strip("[]"):
        raise ValueError(f"the host is missing; write e.g. {scheme}://10.0.0.30:{PORT}")
    check_host(host)
    if colon and (not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536):
        raise ValueError(f"'{port}' is not a port; write a number from 1 to 65535, {PORT} is usual")
    return f"{host}:{int(port) if colon else PORT}{slash + path if path else ''}"


class NodeParts(Struct, frozen=True):
    """A node id cut apart: its namespace by URI or by index (both empty: the standard's own, 0), kind `i`, `s`, `g` or `b`."""

    uri: str | None
    index: int | None
    kind: str
    identifier: int | str | bytes | uuid.UUID


class NodeAddress(str):
    """A node id in the standard's text form, checked."""

    __slots__ = ()

    @property
    def parts(self) -> NodeParts:
        """The node id cut apart."""
        return _cut(self)

    @classmethod
    def parse(cls, value: object) -> NodeAddress:
        """Read `nsu=<uri>;s=…`, `ns=2;i=…` or `i=…`.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a node id; {_NODE_EXAMPLE}")
        text = value.strip()
        _cut(text)
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": "^(nsu=[^;]+;|ns=[0-9]+;)?[isgb]=.+$",
            "examples": ["nsu=urn:vendor:plc;s=Press.Temp", "ns=3;s=Press.Temp", "i=2258"],
            "description": "node id; the namespace by its URI (nsu=…) stays right when the server renumbers its indices (ns=…)",
        }


def _cut(text: str) -> NodeParts:
    match = _NODE.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a node id; {_NODE_EXAMPLE}{_node_guess(text)}")
    uri, index, kind, written = match["uri"], match["index"], match["kind"], match["id"]
    if uri is not None and not uri.strip():
        raise ValueError(f"the namespace URI in '{text}' is empty; {_NODE_EXAMPLE}")
    if index is not None and (not index.isascii() or not index.isdigit() or int(index[:6]) > 65535):
        raise ValueError(f"'{index}' is not a namespace index; write a number from 0 to 65535, or better nsu=<uri>")
    identifier: int | str | bytes | uuid.UUID = written
    try:
        if kind == "i":
            if not written.isascii() or not written.isdigit() or int(written[:11]) > 0xFFFFFFFF:
                raise ValueError
            identifier = int(written)
        elif kind == "g":
            identifier = uuid.UUID(written)
        elif kind == "b":
            identifier = base64.b64decode(written, validate=True)
    except (ValueError, binascii.Error):
        what = {"i": "a number from 0 to 4294967295", "g": "a GUID", "b": "base64"}[kind]
        cure = f"; did you mean 's={written}'?" if kind == "i" else ""
        raise ValueError(f"'{written}' after {kind}= is not {what}{cure}") from None
    return NodeParts(unquote(uri) if uri is not None else None, int(index) if index is not None else None, kind, identifier)


def _node_guess(text: str) -> str:
    if text.startswith(ROOTS) and "/" in text:
        return f"; did you mean 'path: {text}'?"
    if re.fullmatch(r"\d+", text):
        return f"; did you mean 'i={text}'?"
    if "," in text and "=" in text:
        return f"; did you mean '{text.replace(',', ';')}'?"
    return ""


class Segment(Struct, frozen=True):
    """One step of a path: a browse name, in any namespace or in the one with that index."""

    name: str
    index: int | None = None

    def __str__(self) -> str:
        """Return the step as it is written."""
        return self.name if self.index is None else f"{self.index}:{self.name}"


class BrowsePath(str):
    """A way through the server's tree by browse names, checked; `&` takes the meaning from the character after it."""

    __slots__ = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The steps, the first of them below the root."""
        return _steps(self)

    @classmethod
    def parse(cls, value: object) -> BrowsePath:
        """Read `Objects/Press/Temp`; a step may name its namespace by index: `2:Temp`.

        Raises:
            ValueError: a step is empty, or it does not begin where a path begins.
        """
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"'{value}' is not a path; write it like 'Objects/Press/Temp'")
        text = value.strip().removeprefix("/").removeprefix("Root/")
        if _NODE.fullmatch(text) and "=" in text.split("/")[0]:
            raise ValueError(f"'{text}' is not a path; did you mean 'node: {text}'?")
        steps = _steps(text)
        if not steps or any(not step.name for step in steps):
            raise ValueError(f"a step in '{text}' is empty; write it like 'Objects/Press/Temp', and a slash inside a name as '&/'")
        first = steps[0]
        if first.name not in ROOTS or first.index not in {None, 0}:
            near = difflib.get_close_matches(first.name, ROOTS, 1)
            guess = "/".join((near[0], *text.split("/")[1:])) if near else f"Objects/{text}"
            raise ValueError(f"a path begins with {', '.join(ROOTS[:-1])} or {ROOTS[-1]}; did you mean '{guess}'?")
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {
            "type": "string",
            "pattern": "^/?(Root/)?(0:)?(Objects|Types|Views)(/.+)?$",
            "examples": ["Objects/Press/Temp", "Objects/2:Press/2:Temp"],
            "description": "browse names from the root of the server; found anew at every connection",
        }


def _steps(text: str) -> tuple[Segment, ...]:
    """Cut a path at its slashes; a namespace index is only what stands before an unescaped colon."""
    steps, name, index, escaped = [], "", None, False
    for mark in text + "/":
        if escaped:
            name += mark
            escaped = False
        elif mark == "&":
            escaped = True
        elif mark == "/":
            steps.append(Segment(name, index))
            name, index = "", None
        elif mark == ":" and index is None and name.isascii() and name.isdigit() and len(name) <= 5:
            name, index = "", int(name)
        else:
            name += mark
    return tuple(steps)
