"""The URL of a device or a line: `scheme://address?option=value&option=value`, each option with its place in the file."""

from __future__ import annotations

import functools
import re
from collections.abc import Hashable
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from gateway.config.found import HOW_TO_KEEP_SECRETS, Found
from gateway.config.node import Entry, Scalar
from gateway.config.problem import looks_secret
from gateway.config.words import listing, nearest, quoted
from gateway.driver import Plugin, find, schemes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.+-]*):(.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):(\d+)")
_SCHEME_OF_PORT = {"4840": "opc.tcp", "502": "modbus-tcp"}
_SERIAL = re.compile(r"/dev/|COM\d", re.IGNORECASE)


@functools.cache
def known_schemes() -> tuple[str, ...]:
    """Return the URL schemes of all drivers; asked once, because it reads the metadata of every installed package."""
    return schemes()


class Url(Struct):
    """A URL that was read. `plugin` is None when no driver, not even a near one, serves the scheme.

    Attributes:
        node: where it stands.
        scheme: which driver.
        address: what stands between `scheme:` or `scheme://` and `?`, in the driver's normal form.
        params: the options, by name, as if they were keys.
        plugin: the driver, or the one that was probably meant.
        good: whether all of it can be used.
    """

    node: Scalar
    scheme: str
    address: str
    params: dict[Hashable, Entry]
    plugin: Plugin | None
    good: bool


def is_url(text: str) -> bool:
    """Say whether a text is meant as a URL rather than as the name of a connection."""
    match = _SCHEME.match(text)
    return "://" in text or bool(match and match[1] in known_schemes()) or bool(_HOST_PORT.fullmatch(text)) or text.startswith("/")


def read_url(node: Scalar, found: Found) -> Url:
    """Read a URL and find its driver; everything that is wrong with it is reported to `found`."""
    text = str(node.value)
    match = _SCHEME.fullmatch(text)
    if not match or (_HOST_PORT.fullmatch(text) and match[1] not in known_schemes()):
        found.error(node, f"{quoted(text)} is not a URL of a device{_guess(text)}")
        return Url(node, "", "", {}, None, False)
    scheme, rest = match.groups()
    address, mark, query = rest.partition("?")
    offset = len(scheme) + 1 + len(address) + 1
    address = address.removeprefix("//")
    url = Url(node, scheme, address, {}, None, True)
    url.plugin = _driver(url, found)
    if mark:
        _params(url, query, offset, found)
    if "@" in address.split("/")[0] and ":" in address.split("@")[0]:
        found.sources[node.file].literals.add(address.split("@")[0].split(":", 1)[1])
        found.error(node, f"user and password do not stand in a URL; {HOW_TO_KEEP_SECRETS}")
        url.good = False
    elif url.plugin and scheme in url.plugin.schemes:
        try:
            url.address = url.plugin.check_address(scheme, address)
        except ValueError as error:
            found.error(node, str(error))
            url.good = False
    return url


def _guess(text: str) -> str:
    if match := _HOST_PORT.fullmatch(text):
        return f"; did you mean '{_SCHEME_OF_PORT.get(match[2], 'modbus-tcp')}://{text}'?"
    if _SERIAL.match(text):
        return f"; did you mean 'modbus-rtu://{text}'?"
    return "; write it like 'modbus-tcp://10.0.0.21:502?unit=1'"


def _driver(url: Url, found: Found) -> Plugin | None:
    known = known_schemes()
    if url.scheme in known:
        try:
            return find(url.scheme)
        except Exception as error:  # a driver of others may fail in any way when it is imported
            words = f"the driver '{url.scheme}' cannot be loaded ({type(error).__name__}: {error}); install its package again"
            found.error(url.node, words)
            url.good = False
            return None
    url.good = False
    guess = nearest(url.scheme, known)
    cure = f", did you mean '{guess}'?" if guess else ";"
    found.error(url.node, f"unknown driver {quoted(url.scheme)}{cure} known: {listing(sorted(known))}")
    return find(guess) if guess else None


def _params(url: Url, query: str, offset: int, found: Found) -> None:
    """Cut the options apart; a value is percent-decoded, `+` is a plus."""
    column = _column(url.node, found)
    for part in query.split("&"):
        at = Scalar(
            url.node.file, url.node.line, url.node.column + column + offset if column is not None else url.node.column, None, ""
        )
        offset += len(part) + 1
        name, equals, raw = part.partition("=")
        if not part:
            found.error(at, "an option is missing here, between '?' or '&' and the next '&' or the end")
            url.good = False
            continue
        try:
            value = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            found.error(
                at, f"{quoted(part)} is not text after decoding its %xx; leave the % signs out, or write %25 for a percent sign"
            )
            url.good = False
            continue
        if looks_secret(name):
            found.sources[at.file].literals.update({raw, value} - {""})
            found.error(at, f"'{name}': {HOW_TO_KEEP_SECRETS}")
            url.good = False
        elif not equals or not value:
            found.error(at, f"option '{name}' has no value; write {name}=…")
            url.good = False
        elif name in url.params:
            found.error(at, f"option '{name}' stands twice in this URL; keep one")
            url.good = False
        else:
            key = Scalar(at.file, at.line, at.column, name, name)
            node = Scalar(at.file, at.line, at.column + (len(name) + 1 if column is not None else 0), value, value)
            node.loose = True
            url.params[name] = Entry(key, node)


def _column(node: Scalar, found: Found) -> int | None:
    """Return how far behind the node's column its text begins (a quote), None when the text stands there in another form."""
    line = found.sources[node.file].lines[node.line - 1] if node.file in found.sources else ""
    for skip in (0, 1):
        if line[node.column - 1 + skip :].startswith(node.text):
            return skip
    return None
