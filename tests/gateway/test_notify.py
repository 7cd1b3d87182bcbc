"""sd_notify: what the service manager really receives, and silence where there is none."""

import os
import socket
import time
import uuid

import pytest

from gateway.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """A socket such as systemd opens for a service, and the environment that names it."""
    name = f"@gateway-test-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, {"NOTIFY_SOCKET": name}


def received(listener) -> dict[str, str]:
    return dict(line.split("=", 1) for line in listener.recv(4096).decode().split("\n"))


def test_each_call_is_one_datagram(manager):
    listener, env = manager
    notifier = Notifier(env)
    assert notifier.listening
    notifier.ready("3 machines, uplink µ-hub")
    assert received(listener) == {"READY": "1", "STATUS": "3 machines, uplink µ-hub"}
    notifier.ready()
    assert received(listener) == {"READY": "1"}
    notifier.status("two\nlines")
    assert received(listener) == {"STATUS": "two lines"}, "a line break would start another variable"
    notifier.alive()
    assert received(listener) == {"WATCHDOG": "1"}
    notifier.stopping("said by SIGTERM")
    assert received(listener) == {"STOPPING": "1", "STATUS": "said by SIGTERM"}


def test_a_reload_carries_the_monotonic_moment(manager):
    listener, env = manager
    before = time.monotonic_ns() // 1000
    Notifier(env).reloading()
    message = received(listener)
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize("env", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_happens(env):
    notifier = Notifier(env)
    assert not notifier.listening
    notifier.ready()
    notifier.reloading()
    notifier.alive()
    notifier.stopping()


def test_a_manager_that_has_gone_or_is_deaf_raises_nothing(tmp_path):
    path = tmp_path / "notify"
    notifier = Notifier({"NOTIFY_SOCKET": str(path)})
    notifier.alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(path))
        for _ in range(2000):  # until the queue is full: a call must not wait
            notifier.alive()


def test_the_environment_of_the_process_is_the_default(manager, monkeypatch):
    listener, env = manager
    monkeypatch.setenv("NOTIFY_SOCKET", env["NOTIFY_SOCKET"])
    Notifier().alive()
    assert received(listener) == {"WATCHDOG": "1"}


@pytest.mark.parametrize(
    ("env", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "me"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_by_the_watched_process_only(env, interval):
    assert Notifier(env).watchdog_interval_s() == interval
