"""Checks between node and host: rebirths on command, the primary host's STATE, several servers, the host's own part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.sparkplug.check_sessions import bdseq_of
from tests.sparkplug.payload import PayloadError, decode
from tests.sparkplug.rules import NOW_MS, Check, Finding, Findings
from tests.sparkplug.trace import Publish
from tests.sparkplug.view import BIRTHS, DATA, REBIRTH, HostState, Message, Session, View

IN_FLIGHT_MS = 1000
"""What the node had sent before it could have read a command may be seen after it."""

ANSWERED_MS = 1000
"""A request that reaches the node so soon after a rebirth was written before the host could see it, and is answered by it."""

COALESCE_MS = 30_000
"""A host that asks again so soon after a rebirth that was asked for may have to wait for this long."""


# ── rebirths ──


def _requests(view: View) -> Iterator[tuple[Session, int, int]]:
    """Yield session, index and time of every request for a rebirth that reached the node."""
    for session in view.edge:
        for at, event in session.delivered():
            if event.topic == view.topic("NCMD"):
                try:
                    found = decode(event.payload).named(REBIRTH)
                except PayloadError:
                    continue
                if any(metric.field == "boolean" and metric.raw is True for metric in found):
                    yield session, at, event.at_ms


def _answers(view: View) -> Iterator[tuple[Session, int, int, Message | None, bool]]:
    """Yield session, index, time, the birth that answers it, and whether it came soon after another one that was answered."""
    answered: dict[int, Message] = {}  # the last birth that was asked for, by session
    for session, at, at_ms in _requests(view):
        before = answered.get(session.at)
        after_ms = at_ms - before.at_ms if before else COALESCE_MS
        birth = next((m for m in session.messages if m.kind == "NBIRTH" and m.at > at), None)
        if before and after_ms < ANSWERED_MS:
            birth = before
        elif birth is not None:
            answered[session.at] = birth
        yield session, at, at_ms, birth, after_ms < COALESCE_MS


def _stops_data(view: View) -> Findings:
    for session, at, at_ms, birth, soon in _answers(view):
        until = birth.at if birth else len(view.events)
        late = [m for m in session.messages if at < m.at < until and m.kind in DATA and m.at_ms > at_ms + IN_FLIGHT_MS]
        if not soon:
            yield Finding(late[0].at if late else at, f"{late[0].kind} after a rebirth was asked for" if late else "")


def _is_born_again(view: View) -> Findings:
    for session, at, at_ms, birth, soon in _answers(view):
        if birth is None:
            end_ms = view.events[-1 if session.ended is None else session.ended].at_ms
            if end_ms > at_ms + IN_FLIGHT_MS + (COALESCE_MS if soon else 0):
                yield Finding(at, "no NBIRTH after a rebirth was asked for")
            continue
        due = set(birth.alive)
        for message in session.messages:
            if message.at <= birth.at:
                continue
            if message.kind in {"DBIRTH", "DDEATH"}:
                due.discard(message.place.device or "")
            if not due or message.kind == "NBIRTH" or message.kind in DATA:
                break
        yield Finding(birth.at, f"no DBIRTH of {', '.join(sorted(due))} in the rebirth" if due else "")


def _keeps_bdseq(view: View) -> Findings:
    for session, _, _, birth, _ in _answers(view):
        if birth is not None:
            same = bdseq_of(birth) == bdseq_of(session.will)
            yield Finding(birth.at, "" if same else f"bdSeq {bdseq_of(birth)}, and {bdseq_of(session.will)} in the will")


# ── the primary host ──


def _states(view: View) -> Iterator[tuple[Session, int, HostState, bool]]:
    """Yield session, index, STATE and whether it is of the primary host and not older than the last one on this server."""
    newest: dict[str, int] = {}
    for session in view.edge:
        server = session.connect.server
        for at, event in session.delivered():
            state = HostState.of(event.topic, event.payload)
            if state is None:
                continue
            right = state.host == view.setting.primary_host and not state.problem
            valid = right and state.timestamp >= newest.get(server, 0)
            if valid:
                newest[server] = state.timestamp
            yield session, at, state, valid


def _waits(rule: Callable[[View, list[tuple[HostState, bool]]], str], first_only: bool = True) -> Check:
    """Apply a rule to the births of every session: it gets the STATEs of this session before, each with whether it counts."""

    def check(view: View) -> Findings:
        if view.setting.primary_host is None:
            return
        told = list(_states(view))
        for session in view.edge:
            births = [message for message in session.messages if message.kind in BIRTHS]
            for birth in births[:1] if first_only else births:
                before = [(state, valid) for where, at, state, valid in told if where is session and at < birth.at]
                yield Finding(birth.at, rule(view, before))

    return check


def _was_told(view: View, before: list[tuple[HostState, bool]]) -> str:
    return "" if before else "a birth before any STATE"


def _was_told_by_primary(view: View, before: list[tuple[HostState, bool]]) -> str:
    hosts = {state.host for state, _ in before}
    return "" if view.setting.primary_host in hosts else f"a birth after STATE of {sorted(hosts)} only"


def _was_told_online(view: View, before: list[tuple[HostState, bool]]) -> str:
    said = [state.online for state, _ in before if state.host == view.setting.primary_host and not state.problem]
    return "" if said and said[-1] else "a birth, and the primary host did not say that it is online"


def _was_told_anew(view: View, before: list[tuple[HostState, bool]]) -> str:
    said = [valid for state, valid in before if state.host == view.setting.primary_host and not state.problem and state.online]
    return "" if said and said[-1] else "a birth after a STATE that is older than one before"


def _is_online(view: View, before: list[tuple[HostState, bool]]) -> str:
    said = [state.online for state, valid in before if valid]
    return "" if said and said[-1] else "a birth while the primary host is not online"


def _offline(view: View, valid: bool) -> Iterator[tuple[Session, int, int]]:
    """Yield session, index and time of every `offline` of the primary host after a birth: valid ones, or those that are too old."""
    for session, at, state, counts in _states(view):
        born = any(message.at < at and message.kind == "NBIRTH" for message in session.messages)
        of_primary = state.host == view.setting.primary_host and not state.problem
        if born and of_primary and not state.online and counts == valid and (session.ended is None or session.ended > at):
            yield session, at, view.events[at].at_ms


def _dies(view: View) -> Findings:
    for session, at, _ in _offline(view, valid=True):
        death = any(message.at > at and message.kind == "NDEATH" for message in session.messages)
        again = any(other.at > at for other in view.edge)
        missing = [word for word, there in (("NDEATH", death), ("end", session.ended), ("new connection", again)) if not there]
        yield Finding(at, f"the primary host went offline: no {', no '.join(missing)}" if missing else "")


def _leaves(view: View) -> Findings:
    for session, at, at_ms in _offline(view, valid=True):
        late = [m for m in session.messages if m.at > at and m.kind in DATA and m.at_ms > at_ms + IN_FLIGHT_MS]
        problem = "the primary host went offline, and the node stays" if session.ended is None else ""
        yield Finding(at, f"{late[0].kind} after the primary host went offline" if late else problem)


def _following(view: View) -> Iterator[tuple[Session, Session]]:
    """Yield the session that the primary host ended, and the next one."""
    for session, _, _ in _offline(view, valid=True):
        following = next((other for other in view.edge if other.at > session.at), None)
        if following is not None and len(view.setting.servers) > 1:
            yield session, following


def _takes_next_server(view: View) -> Findings:
    servers = view.setting.servers
    for session, following in _following(view):
        wanted = servers[(servers.index(session.connect.server) + 1) % len(servers)]
        got = following.connect.server
        yield Finding(following.at, "" if got == wanted else f"after {session.connect.server} comes {wanted}, not {got}")


def _takes_another_server(view: View) -> Findings:
    for session, following in _following(view):
        same = session.connect.server == following.connect.server
        yield Finding(following.at, f"the node comes back to {following.connect.server}, where the host is offline" if same else "")


def _stays(view: View) -> Findings:
    for session, at, _ in _offline(view, valid=False):
        rest = [message for message in session.messages if message.at > at]
        left = session.ended is not None and not any(message.kind in BIRTHS + DATA + ("DDEATH",) for message in rest)
        yield Finding(at, "the node leaves because of an offline that is older than the last online" if left else "")


def _one_server(view: View) -> Findings:
    for before, after in pairwise(view.edge):
        overlap = before.accepted is not None and (before.ended is None or before.ended > after.at)
        where = f"connected to {before.connect.server} and {after.connect.server} at once"
        yield Finding(after.at, where if overlap else "")


# ── the host's own part ──


def _host_says(view: View) -> Iterator[tuple[Session, int, Publish, HostState]]:
    for session in view.hosts:
        for at, event in session.published():
            if (state := HostState.of(event.topic, event.payload)) is not None:
                yield session, at, event, state


def _host_will(session: Session) -> HostState:
    will = session.connect.will
    state = HostState.of(will.topic, will.payload) if will else None
    return state or HostState("", problem="no STATE as a will")


def _off(time_ms: int, at_ms: int) -> str:
    return "" if abs(time_ms - at_ms) <= NOW_MS else f"timestamp {time_ms} is {(time_ms - at_ms) / 1000:+.0f} s off UTC"


def _host_birth(view: View) -> Findings:
    for _, at, event, state in _host_says(view):
        if state.problem or state.online:
            yield Finding(at, state.problem or _off(state.timestamp, event.at_ms))


def _host_birth_as_in_will(view: View) -> Findings:
    for session, at, _, state in _host_says(view):
        if state.problem or state.online:
            will = _host_will(session).timestamp
            yield Finding(
                at, state.problem or ("" if state.timestamp == will else f"timestamp {state.timestamp}, {will} in the will")
            )


def _host_will_is_death(view: View) -> Findings:
    for session in view.hosts:
        state = _host_will(session)
        yield Finding(session.at, state.problem or ("the will says online" if state.online else ""))


def _host_will_is_now(view: View) -> Findings:
    for session in view.hosts:
        yield Finding(session.at, _off(_host_will(session).timestamp, session.connect.at_ms))


def _host_death(view: View) -> Findings:
    """Before DISCONNECT comes an `offline` with the time of now."""
    for session in view.hosts:
        if session.disconnect is None:
            continue
        at, event = session.disconnect
        said = [(state, when.at_ms) for where, i, when, state in _host_says(view) if where is session and i < at]
        if not said or said[-1][0].online or said[-1][0].problem:
            yield Finding(at, "DISCONNECT without an offline STATE before")
        else:
            yield Finding(at, _off(said[-1][0].timestamp, event.at_ms))


def _host_is_alone(view: View) -> Findings:
    for session, at, _, state in _host_says(view):
        others = [s for s in view.hosts if s.at < at and (s.ended is None or s.ended > at)]
        clients = {s.connect.client for s in others if _host_will(s).host == state.host} | {session.connect.client}
        yield Finding(at, f"clients {sorted(clients)} are one host id" if len(clients) > 1 else "")


CHECKS: dict[str, Check] = {
    "operational-behavior-data-commands-rebirth-action-1": _stops_data,
    "operational-behavior-data-commands-rebirth-action-2": _is_born_again,
    "operational-behavior-data-commands-rebirth-action-3": _keeps_bdseq,
    "message-flow-edge-node-birth-publish-phid-wait": _waits(_was_told),
    "message-flow-edge-node-birth-publish-phid-wait-id": _waits(_was_told_by_primary),
    "message-flow-edge-node-birth-publish-phid-wait-online": _waits(_was_told_online),
    "message-flow-edge-node-birth-publish-phid-wait-timestamp": _waits(_was_told_anew),
    "operational-behavior-edge-node-birth-sequence-wait": _waits(_is_online, first_only=False),
    "message-flow-edge-node-birth-publish-phid-offline": _dies,
    "operational-behavior-edge-node-termination-host-offline": _leaves,
    "operational-behavior-edge-node-termination-host-offline-reconnect": _takes_next_server,
    "operational-behavior-edge-node-termination-host-offline-timestamp": _stays,
    "operational-behavior-primary-application-state-with-multiple-servers-walk": _takes_another_server,
    "operational-behavior-primary-application-state-with-multiple-servers-single-server": _one_server,
    "host-topic-phid-birth-payload": _host_birth,
    "payloads-state-birth-payload": _host_birth_as_in_will,
    "operational-behavior-host-application-connect-will-payload": _host_will_is_death,
    "payloads-state-will-message-payload": _host_will_is_death,
    "host-topic-phid-death-payload-timestamp-connect": _host_will_is_now,
    "host-topic-phid-death-payload-timestamp-disconnect-clean": _host_death,
    "operational-behavior-host-application-host-id": _host_is_alone,
}
