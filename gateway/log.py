"""Logs: one line per event on stderr, JSON when stderr is not a terminal, with fixed event names and no secrets.

Every event name is a word of `EVENTS`; a test reads the source and refuses any other. Fields say the rest: `machine`, `reason`,
`hint`, `count`. Standing trouble is told once, and its end once, by the room that keeps its words for the status. Libraries that
log through the standard library (asyncua, pymodbus, aiomqtt, asyncio) come out as event `library`, from WARNING on, repetitions
counted instead of repeated.

Guarantee: what was given to `redact` is in no line, whatever field, exception or library message carries it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, cast

import msgspec

if "structlog" in sys.modules or "rich" in sys.modules:
    import structlog
else:
    # structlog imports rich when it finds it, for coloured tracebacks: 5 MB that a gateway at the wall never uses.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]

from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from gateway.redaction import hidden, redact, redacted

__all__ = ["EVENTS", "get", "redact", "setup"]

EVENTS = {
    # the daemon
    "gateway_started": "all machines were started and systemd has been told",
    "gateway_stopped": "everything is closed; what was not sent lies in the outbox",
    "gateway_failed": "an error nobody expected ended the process; the traceback stands in `exception`",
    "control_without_file": "the data folder cannot be written, so the local socket has no file; it answers its own user and root",
    "task_failed": "a part of the gateway ended by an error nobody expected; the traceback stands in `exception`",
    "watchdog_withheld": "parts named in `loops` made no progress, so the watchdog is not fed",
    "watchdog_resumed": "all parts make progress again",
    "clock_synchronised": "something keeps the clock in step now; `shift_s` is by how much it was set since the look before",
    "clock_runs_free": "nothing keeps the clock in step any more; times are marked uncertain until it is",
    "metrics_failed": "the metrics cannot be offered at the address that `metrics` names; everything else goes on",
    "configuration_applied": "a new configuration is in force; `restarted` names the machines it changed",
    "configuration_rejected": "the file has problems, so nothing changed",
    # machines
    "machine_unavailable": "a machine cannot be read; its points are bad with this reason",
    "machine_recovered": "a machine can be read again",
    "stream_ended": "a recording that is played once has come to its end",
    "driver_fault": "a driver failed in a way it should not; its connection is opened again",
    "record_fault": "what a machine sent could not be made into records",
    "window_passed_over": "the processor is too slow for the features of a machine; told once, then counted",
    "limit_crossed": "a point went beyond its `limit` (low, high); told once, until it returns",
    "limit_returned": "a point is within its limits again",
    "alarm_raised": "an alarm came, or became worse; `now` is its level and state",
    "alarm_changed": "an alarm was acknowledged, shelved or suppressed, or has returned; `was` and `now` are its states",
    "alarm_operated": "a person did something about an alarm; `by` is the user on this computer, `deed` what he did",
    "learned_forgotten": "a person let a machine be learned anew; `forgot` says what, `by` is the user on this computer",
    "capture_kept": "an alarm came, and the waveform around it lies at `path`",
    "capture_failed": "the waveform around an alarm could not be kept; told once, until one is",
    # what is kept
    "history_failed": "the local history cannot be written; `reason` says why",
    "history_recovered": "the local history can be written again",
    "outbox_opened": "the store of a recipient is open; `waiting` records lie in it",
    "outbox_failed": "the store of a recipient cannot be used; `reason` says why",
    "outbox_recovered": "the store of a recipient can be used again",
    "outbox_thinned": "the store was full; old readings were thinned out, which a tombstone tells",
    "outbox_evicted": "the store was full; the oldest records were dropped and are told by a tombstone",
    "segment_damaged": "a file of the store was damaged; `records` of it could be read, and what is lost is told",
    "segment_unreadable": "a file of the store cannot be read; what is lost is told",
    "cursor_lost": "how far a store had been sent was damaged; some records may be sent twice",
    "records_dropped": "records could not be stored and are lost; `count` says how many",
    "record_refused": "a record cannot be stored as it is",
    "state_failed": "a state file could not be written; what it says is lost with the process",
    "state_replaced": "the small durable state was damaged; it was put aside and begun anew",
    "store_replaced": "a damaged database was put aside and a new one begun",
    # what is sent
    "uplink_connected": "a broker accepted the connection",
    "uplink_downgraded": "the broker speaks MQTT 3.1.1 only: an acknowledgement carries no refusal",
    "uplink_lost": "there is no connection to the broker; records wait",
    "uplink_recovered": "nothing is in the way to the broker any more",
    "uplink_refused": "the broker refuses this gateway; `reason` carries its words",
    "uplink_fault": "an uplink failed in a way it should not; its connection is made again",
    "publish_refused": "the broker refused a message; its records stay in the outbox",
    "budget_short": "the bytes of a day run short, so the logs in `held` wait in the outbox; alarms are sent",
    "budget_recovered": "there are bytes again; nothing is held back",
    "message_ignored": "a message that came in made no sense, so nothing was done with it; told once a topic",
    "certificate_expires": "our certificate, or the authority's, ends soon; told 30, 14, 7, 3 and 1 days before",
    "uplink_unsteady": "connections break soon after they are made; another client may have our client id",
    "uplink_taken_over": "another client connected under our client id: two gateways have one name, or somebody plays ours",
    "message_uncompressed": "messages go out uncompressed, because the library that would compress them is missing",
    "sparkplug_born": "births were sent over the live lane: a new session, or a host had asked, or something else is shared now",
    "rebirth_storm": "hosts ask for births again and again; `count` says how often within an hour",
    "command_refused": "somebody tried to write to a machine over Sparkplug; nothing is ever written. Told once, then counted",
    "host_online": "the primary host is there, so the live lane is born",
    "host_offline": "the primary host has gone, so the live lane dies and calls the next broker",
    "value_left_out": "one value is larger than a message may be and was left out",
    # others
    "library": "a library has something to say; its words stand in `message`",
}
"""Every event name, and what it tells; the vocabulary that alarms and searches may rely on."""

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # as in syslog(3), for journald
_FIXED = ("time", "level", "event", "room")  # names of ours, also when somebody's password is `event`
_REPEAT_S = 600.0
_LIBRARIES = ("asyncua", "pymodbus", "mqtt", "aiomqtt", "paho", "amqtt", "asyncio", "transitions")


# ── from event to line ──


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key if key in _FIXED else redacted(key): hidden(key, value) for key, value in event.items()}


def _add_room_and_time(logger: WrappedLogger, _: str, event: EventDict) -> EventDict:
    if room := getattr(logger, "room", ""):
        event.setdefault("room", room)
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    first = {key: event.pop(key) for key in ("time", "level", "event", "room") if key in event}
    return msgspec.json.encode({**first, **event}).decode()


def _render_journal(logger: WrappedLogger, name: str, event: EventDict) -> str:
    priority = _PRIORITY.get(str(event.get("level")), 6)
    event.pop("time", None)  # the journal stamps every line itself
    return f"<{priority}>{_render_json(logger, name, event)}"


def _render_console() -> Processor:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
        exception_formatter=structlog.dev.plain_traceback,
        timestamp_key="time",
        pad_event_to=0,
    )

    def render(logger: WrappedLogger, name: str, event: EventDict) -> str:
        event["time"] = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        return renderer(logger, name, event)

    return render


def _to_journal() -> bool:
    """Whether stderr is journald's own stream, see systemd.exec(5) on JOURNAL_STREAM."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Stderr:
    """Writes whole lines to whatever stderr is now; a full disk or a closed pipe never stops the gateway."""

    _lock = threading.Lock()

    def __init__(self, room: str = "") -> None:
        self.room = room

    def msg(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = fatal = failure = err = exception = log = msg


def _processors(renderer: Processor) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        _redact_event,
        _add_room_and_time,
        renderer,
    ]


def _configure(renderer: Processor, level: str) -> None:
    structlog.configure(
        processors=_processors(renderer),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,  # modules make their logger at import, before setup
    )


_configure(_render_json, "info")  # a line before `setup`, or in a test, goes to stderr too and never into a command's output


class _FromLibrary(logging.Handler):
    """Hands what libraries log to structlog; a repetition within ten minutes is only counted."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._log = get("library")
        self._now = now
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record; never raises."""
        try:
            key = (record.name, record.levelno, str(record.msg))
            now = self._now()
            since, repeated = self._said.get(key, (-_REPEAT_S, 0))
            if now - since < _REPEAT_S:
                self._said[key] = (since, repeated + 1)
                return
            if len(self._said) >= 500:  # messages with a number in them are all different: forget rather than grow
                self._said.clear()
            self._said[key] = (now, 0)
            fields: dict[str, Any] = {"library": record.name, "message": record.getMessage()}
            if repeated:
                fields["repeated"] = repeated
            if record.exc_info and record.exc_info[0] is not None:
                fields["exc_info"] = record.exc_info
            self._log.log(record.levelno, "library", **fields)
        except Exception:  # as logging itself: a message that cannot be formatted must not stop the gateway
            self._log.warning("library", library=record.name, message=str(record.msg))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    get("gateway").critical("gateway_failed", exc_info=(kind, error, trace))


# ── what the others use ──


def setup(*, json: bool | None = None, level: str = "info") -> None:
    """Set up logging for the whole process; may be called again to change it.

    Args:
        json: JSON lines, or lines for people; None: JSON unless stderr is a terminal.
        level: debug, info, warning or error; the level of our own events. Libraries are heard from WARNING on.

    Raises:
        ValueError: there is no such level.
    """
    if level not in _LEVELS:
        raise ValueError(f"unknown log level '{level}'; known: {', '.join(_LEVELS)}")
    as_json = not sys.stderr.isatty() if json is None else json
    if as_json:
        renderer: Processor = _render_journal if _to_journal() else _render_json
    else:
        renderer = _render_console()
    _configure(renderer, level)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _FromLibrary | logging.StreamHandler)]:
        root.removeHandler(handler)
    root.addHandler(_FromLibrary())
    root.setLevel(logging.WARNING)
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = _uncaught


def get(room: str, **fields: Any) -> FilteringBoundLogger:
    """Return the logger of a room (`poll`, `uplink`, …); may be called at import. `fields` stand in every line."""
    return cast("FilteringBoundLogger", structlog.get_logger(room, **fields))
