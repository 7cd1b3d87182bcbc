"""What checks are made of: a rule says of one message what is wrong with it, a check applies it all over a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.sparkplug.payload import Metric
from tests.sparkplug.view import DEVICE_KINDS, Message, View

NOW_MS = 60_000
"""How far the time of a message may be from the time it was seen: a time zone or another epoch would be farther."""


class Finding(NamedTuple):
    """One observation: the index of the event it was made at, and what is wrong there; empty when it is as it should be."""

    at: int
    problem: str


Findings = Iterable[Finding]
Check = Callable[[View], Findings]
"""A check yields one finding per observation; none at all means that the trace has nothing to see."""

Rule = Callable[[Message], str | None]
"""What is wrong with a message; empty when nothing is, None when the rule has nothing to say about it."""

MetricRule = Callable[[Message, Metric], str | None]


def each(kinds: str, *rules: Rule) -> Check:
    """Apply rules to every message of these kinds, e.g. `NDATA DDATA`."""
    wanted = kinds.split()

    def check(view: View) -> Findings:
        for message in view.messages:
            if message.kind in wanted:
                yield from _apply(message, rules)

    return check


def wills(*rules: Rule) -> Check:
    """Apply rules to the will of every session; a session without one is a finding of another check."""

    def check(view: View) -> Findings:
        for session in view.edge:
            if session.will is not None:
                yield from _apply(session.will, rules)

    return check


def both(*checks: Check) -> Check:
    """Join checks into one."""

    def check(view: View) -> Findings:
        for one in checks:
            yield from one(view)

    return check


def _apply(message: Message, rules: Iterable[Rule]) -> Findings:
    problems = [problem for rule in rules if (problem := rule(message)) is not None]
    if problems:
        yield Finding(message.at, "; ".join(filter(None, problems)))


def metrics(rule: MetricRule) -> Rule:
    """Apply a rule to every metric of a message."""

    def of_all(message: Message) -> str | None:
        problems = [(metric, rule(message, metric)) for metric in message.payload.metrics]
        said = [(metric, problem) for metric, problem in problems if problem is not None]
        if not said:
            return None
        return "; ".join(f"metric {metric.name or metric.alias}: {problem}" for metric, problem in said if problem)

    return of_all


def metric(name: str, rule: MetricRule) -> Rule:
    """Apply a rule to the one metric of this name; it is an error when there is none, or more than one."""

    def of_one(message: Message) -> str:
        found = message.payload.named(name)
        if len(found) != 1:
            return f"{len(found)} metrics '{name}' instead of one"
        return rule(message, found[0]) or ""

    return of_one


# ── rules about one message ──


def qos(wanted: int) -> Rule:
    return lambda message: "" if message.qos == wanted else f"QoS {message.qos} instead of {wanted}"


def unretained(message: Message) -> str:
    return "retained" if message.retain else ""


def decodes(message: Message) -> str:
    return message.error


def has_seq(message: Message) -> str:
    return "" if message.payload.seq is not None else "no seq"


def no_seq(message: Message) -> str:
    return "" if message.payload.seq is None else f"seq {message.payload.seq}"


def seq_in_range(message: Message) -> str:
    return has_seq(message) or ("" if 0 <= (message.payload.seq or 0) <= 255 else f"seq {message.payload.seq}")


def seq_next(message: Message) -> str | None:
    """One more than that of the message before, 0 after 255; nothing to say without a message before."""
    if message.previous_seq is None:
        return None
    wanted = (message.previous_seq + 1) % 256
    return "" if message.payload.seq == wanted else f"seq {message.payload.seq} instead of {wanted}"


def seq_zero(message: Message) -> str:
    return "" if message.payload.seq == 0 else f"seq {message.payload.seq} instead of 0"


def has_timestamp(message: Message) -> str:
    return "" if message.payload.timestamp is not None else "no timestamp"


def timestamp_now(message: Message) -> str:
    """The payload says when it was sent, by UTC."""
    sent = message.payload.timestamp
    return has_timestamp(message) or near(message, sent or 0)


def near(message: Message, time_ms: int) -> str:
    off = time_ms - message.at_ms
    return "" if abs(off) <= NOW_MS else f"timestamp {time_ms} is {off / 1000:+.0f} s off UTC"


def topic_is_right(message: Message) -> str:
    """The topic is the one for this kind of message, with the configured group and node and one device or none."""
    setting, device = message.session.setting, message.place.device
    wanted = f"spBv1.0/{setting.group}/{message.kind}/{setting.node}"
    if message.kind in DEVICE_KINDS:
        wanted += f"/{device.replace('/', '?') if device else 'DEVICE'}"
    return "" if message.topic == wanted else f"topic {message.topic!r} instead of {wanted!r}"
