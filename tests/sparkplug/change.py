"""The tools to break a good trace: each returns a change, which takes the events and returns them with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from tests.sparkplug.encode import encode
from tests.sparkplug.payload import Metric, Payload, decode
from tests.sparkplug.trace import Connect, Delivered, Event, Publish, Will
from tests.sparkplug.view import HostState, Place

T = TypeVar("T", Event, Payload, Metric, Will)
Events = list[Event]
Change = Callable[[Events], Events]
Wanted = Callable[[Event], bool]


def _with(thing: T, what: dict[str, Any]) -> T:
    """Return a copy with other attributes; a callable is given the old value."""
    new = {name: value(getattr(thing, name)) if callable(value) else value for name, value in what.items()}
    return replace(thing, **new)


def find(events: Events, wanted: Wanted, nth: int = 0) -> int:
    """Return the index of the nth event that is wanted; -1 is the last."""
    found = [at for at, event in enumerate(events) if wanted(event)]
    assert found, "the good trace has no such event"
    return found[nth]


def is_sent(kind: str, device: str | None = None) -> Wanted:
    """Is it a message of the node of this kind (and of this device)?"""

    def wanted(event: Event) -> bool:
        if not isinstance(event, Publish) or isinstance(event, Delivered):
            return False
        place = Place.of(event.topic)
        return place.kind == kind and device in {None, place.device}

    return wanted


def is_state(*, online: bool | None = None) -> Wanted:
    """Is it a STATE that was handed to the node?"""

    def wanted(event: Event) -> bool:
        state = HostState.of(event.topic, event.payload) if isinstance(event, Delivered) else None
        return state is not None and online in {None, state.online}

    return wanted


def is_a(kind: type[Event], **what: Any) -> Wanted:
    """Is it an event of this kind with these attributes?"""

    def wanted(event: Event) -> bool:
        return type(event) is kind and all(getattr(event, name) == value for name, value in what.items())

    return wanted


def altered(wanted: Wanted, /, nth: int = 0, **what: Any) -> Change:
    """Change attributes of one event; a callable is given the old value."""

    def change(events: Events) -> Events:
        at = find(events, wanted, nth)
        return [*events[:at], _with(events[at], what), *events[at + 1 :]]

    return change


def without(wanted: Wanted, nth: int = 0) -> Change:
    """Leave one event out."""

    def change(events: Events) -> Events:
        at = find(events, wanted, nth)
        return [*events[:at], *events[at + 1 :]]

    return change


def moved(wanted: Wanted, target: Wanted, nth: int = 0, to: int = 0, *, after: bool = False) -> Change:
    """Move one event to before (or after) another one."""

    def change(events: Events) -> Events:
        at = find(events, wanted, nth)
        event = events[at]
        rest = [*events[:at], *events[at + 1 :]]
        there = find(rest, target, to) + after
        return [*rest[:there], event, *rest[there:]]

    return change


def inserted(event: Callable[[Event], Event], target: Wanted, nth: int = 0) -> Change:
    """Put a new event after another one; it is made from that one."""

    def change(events: Events) -> Events:
        at = find(events, target, nth)
        return [*events[: at + 1], event(events[at]), *events[at + 1 :]]

    return change


def doubled(wanted: Wanted, nth: int = 0) -> Change:
    """Let one event happen twice."""
    return inserted(lambda event: event, wanted, nth)


def message(kind: str, /, nth: int = 0, *, device: str | None = None, **what: Any) -> Change:
    """Change attributes of one message: topic, payload, qos, retain."""
    return altered(is_sent(kind, device), nth, **what)


def topic(kind: str, old: str, new: str, nth: int = 0) -> Change:
    """Replace a piece of the topic of one message."""
    return message(kind, nth, topic=lambda text: text.replace(old, new))


def content(kind: str, change: Callable[[Payload], Payload], nth: int = 0) -> Change:
    """Change what one message says."""
    return message(kind, nth, payload=lambda data: encode(change(decode(data))))


def fields(kind: str, /, nth: int = 0, **what: Any) -> Change:
    """Change fields of the payload of one message; a callable is given the old value."""

    def change(payload: Payload) -> Payload:
        return _with(payload, what)

    return content(kind, change, nth)


def metric(kind: str, which: str | int, /, nth: int = 0, **what: Any) -> Change:
    """Change fields of one metric of one message, by name or by place; a callable is given the old value."""

    def of_metric(index: int, found: Metric) -> Metric:
        if which not in {index, found.name}:
            return found
        return _with(found, what)

    return fields(kind, nth, metrics=lambda all_: tuple(of_metric(index, found) for index, found in enumerate(all_)))


def no_metric(kind: str, name: str, nth: int = 0) -> Change:
    """Leave one metric out of one message."""
    return fields(kind, nth, metrics=lambda all_: tuple(found for found in all_ if found.name != name))


def will(nth: int = 0, **what: Any) -> Change:
    """Change attributes of the will of one connection of the node."""

    def of_will(old: Will) -> Will:
        return _with(old, what)

    return altered(is_of_node, nth, will=of_will)


def will_content(change: Callable[[Payload], Payload], nth: int = 0) -> Change:
    """Change what the will says."""
    return will(nth, payload=lambda data: encode(change(decode(data))))


def is_of_node(event: Event) -> bool:
    """Is it a CONNECT of the node?"""
    return isinstance(event, Connect) and event.client == "muster:hall-1:live"


def is_of_host(event: Event) -> bool:
    """Is it a CONNECT of the host?"""
    return isinstance(event, Connect) and event.client.startswith("host")


def is_host_state(event: Event) -> bool:
    """Is it a STATE that the host publishes?"""
    return type(event) is Publish and event.topic.startswith("spBv1.0/STATE/")


def chain(*changes: Change) -> Change:
    """Do one change after the other."""

    def change(events: Events) -> Events:
        for one in changes:
            events = one(events)
        return events

    return change
