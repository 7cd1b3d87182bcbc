"""Sentences for mistakes: what was found, what was probably meant."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable

_LONGEST = 60
_MANY = 16
_SAFE_IN_FLOW = re.compile(r"[A-Za-z0-9_./+](?:[A-Za-z0-9_./+*?=-]|[ ](?=\w)|:(?=[^\s,]))*")
_NUMBER_AHEAD = re.compile(r"\s*([-+]?\d+(?:[.,]\d+)?)")

# What the same thing is called in other tools; a suggestion is made only where the right-hand word is a known key.
_ELSEWHERE = {
    "address": ("at", "node", "connect", "url"),
    "register": ("at",),
    "addr": ("at",),
    "nodeid": ("node",),
    "node_id": ("node",),
    "datatype": ("type",),
    "data_type": ("type",),
    "host": ("connect", "url"),
    "url": ("connect",),
    "uri": ("connect", "url"),
    "connect": ("url",),
    "connection": ("connect",),
    "endpoint": ("connect", "url"),
    "port": ("connect", "url"),
    "driver": ("connect",),
    "interval": ("every", "batch"),
    "scan_interval": ("every",),
    "poll": ("every",),
    "period": ("every",),
    "slave": ("unit",),
    "slave_id": ("unit",),
    "unit_id": ("unit",),
    "device_id": ("unit",),
    "unit_of_measurement": ("unit",),
    "baudrate": ("baud",),
    "factor": ("scale",),
    "multiplier": ("scale",),
    "gain": ("scale",),
    "tags": ("points",),
    "signals": ("points",),
    "registers": ("points",),
    "sensors": ("points",),
    "devices": ("machines",),
    "template": ("profile",),
    "alarms": ("limits",),
    "min": ("low",),
    "max": ("high",),
    "mqtt": ("uplink",),
    "brokers": ("broker",),
    "username": ("user",),
    "enum": ("states",),
    "recipient": ("to",),
    "rules": ("shares",),
}


def quoted(value: object) -> str:
    """Return a value in quotes, shortened when it is long."""
    text = str(value)
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[: _LONGEST - 1]}…'"


def in_flow(text: str) -> str:
    """Return a text as it can stand in [ ] or { }: in quotes where YAML would take it for something else, as in ["*"]."""
    if _SAFE_IN_FLOW.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=False)


def nearest(word: object, choices: Iterable[object]) -> str | None:
    """Return the choice that was probably meant, or None."""
    return _nearest(str(word), tuple(map(str, choices)))


@functools.lru_cache(maxsize=1024)
def _nearest(wanted: str, known: tuple[str, ...]) -> str | None:
    folded = {_fold(choice): choice for choice in reversed(known)}
    if same := folded.get(_fold(wanted)):
        return same
    for choice in _ELSEWHERE.get(_fold(wanted).replace("-", "_"), ()):
        if choice in known:
            return choice
    head, dot, tail = wanted.rpartition(".")
    if dot and (siblings := tuple(choice[len(head) + 1 :] for choice in known if choice.startswith(f"{head}."))):
        # what they have in common says nothing about which of them was meant
        guess = _nearest(tail, siblings)
        return f"{head}.{guess}" if guess else None
    if close := difflib.get_close_matches(_fold(wanted), folded, 1, 0.65):
        return folded[close[0]]
    usual = {name: choice for name, targets in _ELSEWHERE.items() for choice in targets if choice in known}
    close = difflib.get_close_matches(_fold(wanted).replace("-", "_"), usual, 1, 0.8)
    return usual[close[0]] if close else None


def listing(choices: Iterable[object]) -> str:
    """Return choices as a list for people, cut off when there are many."""
    known = [str(choice) for choice in choices]
    return ", ".join(known if len(known) <= _MANY else [*known[:_MANY], f"… {len(known) - _MANY} more"])


def meant(word: object, choices: Iterable[object], *, what: str = "known") -> str:
    """Return the end of a sentence: `, did you mean 'x'?`, or the choices when none is near."""
    known = list(choices)
    if guess := nearest(word, known):
        return f", did you mean '{guess}'?"
    return f"; {what}: {listing(known)}" if known else ""


def number_meant(text: str) -> str:
    """Return the end of a sentence when a text begins like a number: a decimal comma, or a unit behind it."""
    match = _NUMBER_AHEAD.match(text)
    return f"; did you mean {match[1].replace(',', '.')}?" if match else ""


def _fold(word: str) -> str:
    return word.strip().lower().replace(" ", "_")
