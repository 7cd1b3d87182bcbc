"""Builders for single values: texts, numbers, choices, and scalars that read themselves (`parse`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from msgspec import Meta

from gateway.config.found import BAD, Builder, Found
from gateway.config.limits import number_limits, text_limits
from gateway.config.node import Node, Scalar
from gateway.config.scalar import plain
from gateway.config.words import listing, nearest, number_meant, quoted


def loose(node: Scalar) -> Any:
    """Return a scalar's value; text from a URL is read as YAML would read it."""
    return plain(node.text) if node.loose else node.value


def choice(choices: dict[Any, Any]) -> Builder:
    """Return the builder for one of several values; `choices` maps what is written to what it means."""

    def build_choice(node: Node, found: Found) -> Any:
        if not isinstance(node, Scalar):
            return found.wrong(node, f"one of {listing(choices)}")
        for value in (node.text, loose(node)) if node.loose else (node.value,):
            for key in choices:
                if type(key) is type(value) and key == value:
                    return choices[key]
        if node.value is None or node.secret:
            return found.wrong(node, f"one of {listing(choices)}")
        if str(node.value) in map(str, choices):
            wanted = next(key for key in choices if str(key) == str(node.value))
            return found.wrong(
                node,
                "text" if isinstance(wanted, str) else "a number",
                f'; write "{wanted}"' if isinstance(wanted, str) else f"; write {wanted}",
            )
        guess = nearest(node.text, choices)
        found.error(node, f"{quoted(node.text)} is not one of {listing(choices)}" + (f"; did you mean '{guess}'?" if guess else ""))
        return BAD

    return build_choice


def parsed(parse: Callable[[object], Any]) -> Builder:
    """Return the builder for a scalar that reads itself."""

    def build_parsed(node: Node, found: Found) -> Any:
        if not isinstance(node, Scalar):
            return found.wrong(node, "a single value")
        if node.value is None and not node.text:
            return found.wrong(node, "a value")
        try:
            return parse(loose(node))
        except ValueError as error:
            found.error(node, "this value is not allowed here" if node.secret else str(error))
            return BAD

    return build_parsed


def flag(node: Node, found: Found) -> Any:
    """Return true or false, or BAD."""
    value = loose(node) if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return value
    word = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(str(value).lower())
    return found.wrong(node, "true or false", f"; did you mean {word}?" if word else "")


def text(meta: Meta | None) -> Builder:
    """Return the builder for a text within its limits."""
    limits = text_limits(meta)

    def build_text(node: Node, found: Found) -> Any:
        value = node.text if isinstance(node, Scalar) and node.loose else node.value if isinstance(node, Scalar) else None
        if not isinstance(value, str):
            written = isinstance(node, Scalar) and node.value is not None and not node.secret
            return found.wrong(node, "text", f'; put it in quotes: "{cast("Scalar", node).text}"' if written else "")
        if limits and (message := limits(value)):
            found.error(
                node,
                message
                if not cast("Scalar", node).secret
                else "this is not the name of a secret: use letters, digits, '-', '_' and '.'",
            )
            return BAD
        return value

    return build_text


def whole(meta: Meta | None) -> Builder:
    """Return the builder for a whole number within its limits."""
    limits = number_limits(meta)

    def build_whole(node: Node, found: Found) -> Any:
        value = loose(node) if isinstance(node, Scalar) else None
        if type(value) is not int:
            cure = number_meant(cast("Scalar", node).text) if isinstance(value, str) else ""
            return found.wrong(node, "a whole number", cure)
        if limits and (message := limits(value)):
            found.error(node, message)
            return BAD
        return value

    return build_whole


def number(meta: Meta | None) -> Builder:
    """Return the builder for a finite number within its limits."""
    limits = number_limits(meta)

    def build_number(node: Node, found: Found) -> Any:
        value = loose(node) if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return found.wrong(node, "a number", number_meant(value) if isinstance(value, str) else "")
        if not math.isfinite(value):
            return found.wrong(node, "a finite number")
        if limits and (message := limits(value)):
            found.error(node, message)
            return BAD
        try:
            return float(value)
        except OverflowError:
            return found.wrong(node, "a number of ordinary size")

    return build_number
