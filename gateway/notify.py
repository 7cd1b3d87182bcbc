"""Tell systemd how the gateway is: ready, reloading, stopping, alive. Does nothing where systemd does not listen, never raises.

The protocol is one datagram of `NAME=value` lines to the socket named in NOTIFY_SOCKET; see sd_notify(3).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The service manager, as it stood in the environment at the start."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        self._address = _address(env.get("NOTIFY_SOCKET", ""))
        self._watchdog_s = _watchdog_s(env)

    @property
    def listening(self) -> bool:
        """Whether somebody listens at all."""
        return self._address is not None

    def watchdog_interval_s(self) -> float | None:
        """Return how often `alive` should be called, in seconds: half of WatchdogSec; None when nobody watches this process."""
        return self._watchdog_s

    def ready(self, status: str = "") -> None:
        """The start, or a reload, is complete."""
        self._send("READY=1", *_status(status))

    def status(self, text: str) -> None:
        """One line in words, as `systemctl status` shows it."""
        self._send(*_status(text))

    def alive(self) -> None:
        """Feed the watchdog; call only when polling, outbox and uplink have made progress."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; it ends with `ready`. systemd tells reloads apart by the moment."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """The stop begins."""
        self._send("STOPPING=1", *_status(status))

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as notify:
                notify.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # a manager that is restarting or busy must not stop the measuring; the next call tells it again


def _address(path: str) -> str | None:
    if path.startswith("@"):
        return "\0" + path[1:]  # an abstract socket has no file
    return path if path.startswith("/") else None


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog_s(env: Mapping[str, str]) -> float | None:
    try:
        usec = int(env.get("WATCHDOG_USEC", ""))
        pid = int(env.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    # WATCHDOG_PID names the process that is watched; a child that inherited the variables is not
    return usec / 2e6 if usec > 0 and pid == os.getpid() else None
