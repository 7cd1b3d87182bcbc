"""Connections: what stands under `connections:` and what `connect:` of a machine means."""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from gateway.config.build import build, fields_of
from gateway.config.found import BAD, Found
from gateway.config.node import Entry, Mapping, Node, Scalar
from gateway.config.options import accept, hopeless, options, together
from gateway.config.spec import Connection, Link, Name
from gateway.config.url import Url, is_url, read_url
from gateway.config.words import meant, nearest, quoted

_KEYS = fields_of(Connection)


class Line(Struct):
    """A connection under `connections:`; `url` and `link` are None when something is wrong with them."""

    name: str
    key: Scalar
    url: Url | None = None
    link: Link | None = None
    used: bool = False


class Lines:
    """The connections of one site file; `base` is the folder that relative paths in them start from."""

    def __init__(self, node: Node | None, base: str, found: Found) -> None:
        self._found = found
        self._base = base
        self._lines: dict[str, Line] = {}
        for entry in node.entries.values() if isinstance(node, Mapping) else ():
            line = Line(entry.key.text, entry.key)
            self._read(line, entry)
            if build(Name, entry.key, Found()) is not BAD:
                self._lines[line.name] = line

    def named(self, node: Scalar) -> tuple[Url | None, Line | None]:
        """Return the URL that `connect:` stands for, and the connection when it names one; problems are reported."""
        text = node.value
        if not isinstance(text, str) or not text:
            return None, None
        if text in self._lines:
            return self._use(text)
        if is_url(text):
            return read_url(node, self._found), None
        name, mark, _ = text.partition("?")
        if mark and name in self._lines:
            cure = f"write connect: {name} and the options as keys beside it"
            self._found.error(node, f"options do not stand behind the name of a connection; {cure}")
            return self._use(name)
        if self._lines:
            guess = nearest(text, self._lines)
            self._found.error(node, f"there is no connection {quoted(text)}{meant(text, self._lines)}")
            return self._use(guess) if guess else (None, None)
        cure = "write a URL such as modbus-tcp://10.0.0.21:502?unit=1, or define the connection under 'connections:'"
        self._found.error(node, f"{quoted(text)} is neither a URL nor a connection; {cure}")
        return None, None

    def key(self, link: Link) -> Scalar | None:
        """Return where the connection of this link is defined; None when it is not one of those here."""
        return next((line.key for line in self._lines.values() if line.link == link), None)

    def unused(self) -> None:
        """Warn of connections that no machine uses."""
        for line in self._lines.values():
            if not line.used:
                self._found.warning(line.key, f"no machine uses the connection '{line.name}'")

    def _use(self, name: str) -> tuple[Url | None, Line]:
        line = self._lines[name]
        line.used = True
        return line.url, line

    def _read(self, line: Line, entry: Entry) -> None:
        node, found = entry.value, self._found
        if not isinstance(node, Mapping):
            build(Connection, node, found)
            return
        beside = {key: value for key, value in node.entries.items() if key not in _KEYS}
        spec = build(Connection, node.part({key: value for key, value in node.entries.items() if key in _KEYS}), found)
        line.url = None if spec is BAD else read_url(cast("Scalar", node.entries["url"].value), found)
        if line.url is None or line.url.plugin is None:
            hopeless(beside, _KEYS, found)
            return
        plugin, url = line.url.plugin, line.url
        links = fields_of(plugin.link)
        elsewhere = {
            key: f"belongs to the machines on this connection; write '{key}:' there"
            for key in fields_of(plugin.unit)
            if key not in links
        }
        params, first = accept(url.params, links, found, elsewhere=elsewhere, driver=url.scheme)
        keys, second = accept(beside, links, found, elsewhere=elsewhere, beside=_KEYS)
        both, third = together(Url(url.node, url.scheme, url.address, params, plugin, url.good), keys, found)
        link: Any = options(plugin.link, links, both, url.node, "; add it to the URL or as a key beside 'url:'", found)
        if link is not BAD and url.good and first and second and third:
            line.link = Link(url.scheme, url.address, link, self._base)
