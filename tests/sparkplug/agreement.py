"""Compares what npm's sparkplug-payload and the decoder of this folder read in the messages of a trace."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tests.peers.sparkplug import decoded, unfolded
from tests.sparkplug.payload import Metric, PayloadError
from tests.sparkplug.trace import Trace
from tests.sparkplug.view import Message, View

_BASIC = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float Double Boolean String DateTime Text UUID DataSet"
NAMES = ["", *_BASIC.split(), "Bytes", "File", "Template"]


async def differences(traces: Iterable[Trace]) -> tuple[int, list[str]]:
    """Return how many metrics were compared, and a sentence for each that the two read differently.

    A metric without a data type is compared in all but its value, which sparkplug-payload gives up.
    """
    messages = []
    for trace in traces:
        view = View(trace)
        wills = [session.will for session in view.edge if session.will is not None]
        messages += wills + view.messages
    compared, found = 0, []
    for message, said in zip(messages, await decoded(message.raw for message in messages), strict=True):
        where = f"{message.kind} {message.place.device or ''} at event {message.at}"
        if "error" in said:
            found.append(f"{where}: sparkplug-payload refuses it: {said['error']}")
            continue
        ours = message.payload
        found += [f"{where}: {p}" for p in _differ("timestamp", ours.timestamp, said.get("timestamp"))]
        found += [f"{where}: {p}" for p in _differ("seq", ours.seq, said.get("seq"))]
        theirs = said.get("metrics") or []
        if len(theirs) != len(ours.metrics):
            found.append(f"{where}: {len(ours.metrics)} metrics, {len(theirs)} by sparkplug-payload")
        for our, their in zip(ours.metrics, theirs, strict=False):
            compared += 1
            name = message.name_of(our)
            found += [f"{where}, {name}: {problem}" for problem in _metric(message, our, their)]
    return compared, found


def _metric(message: Message, our: Metric, their: dict[str, Any]) -> Iterable[str]:
    yield from _differ("name", our.name, their.get("name") or None)
    yield from _differ("alias", our.alias, their.get("alias"))
    yield from _differ("timestamp", our.timestamp, their.get("timestamp"))
    yield from _differ("is_historical", bool(our.is_historical), bool(their.get("isHistorical")))
    quality = our.properties and our.properties.get("Quality")
    yield from _differ("quality", quality and quality.value, (their.get("properties") or {}).get("Quality", {}).get("value"))
    if our.datatype is None:
        return
    yield from _differ("data type", NAMES[our.datatype], their.get("type"))
    try:
        value = our.value()
    except PayloadError as exc:
        yield f"only sparkplug-payload reads a value: {exc}"
        return
    yield from _differ("value", value, their.get("value"))


def _differ(what: str, ours: Any, theirs: Any) -> Iterable[str]:
    theirs = unfolded(theirs)
    same = ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        same = math.isnan(theirs)
    if not same:
        yield f"{what} {ours!r}, {theirs!r} by sparkplug-payload"
