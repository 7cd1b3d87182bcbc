"""Traces in which everything is right: together they show something for every assertion that is checked."""

from __future__ import annotations

from functools import cache

from tests.sparkplug.payload import BOOLEAN, DOUBLE, INT32, INT64
from tests.sparkplug.script import Script, Value
from tests.sparkplug.trace import Setting, Trace


def _script(*, datatype_in_data: bool = True, host: bool = False, servers: tuple[str, ...] = ("a",)) -> Script:
    setting = Setting("muster", "hall-1", "muster:hall-1:live", "scada" if host else None, servers, datatype_in_data)
    node: dict[str, Value] = {"machines": Value(1, INT32, 2)}
    press = {
        "temperature": Value(2, DOUBLE, 41.5),
        "position": Value(3, INT32, -7),
        "door": Value(4, BOOLEAN, None, quality=0),
        "parts": Value(5, INT64, 1 << 60),
    }
    lathe = {"temperature": Value(6, DOUBLE, 20.25), "speed": Value(7, INT32, 1480, quality=500)}
    return Script(setting, {None: node, "press-1": press, "lathe-2": lathe})


def _talk(script: Script) -> None:
    script.wait(1000)
    script.data("press-1", temperature=41.75, position=-8)
    script.data("lathe-2", speed=1470)
    script.data(None, machines=1)
    script.data("press-1", door=True)


@cache
def life() -> Trace:
    """Data, a rebirth on command, a device that goes and comes back, all the sequence numbers, both ends in both versions."""
    script = _script()
    script.host_online()
    script.connect()
    script.births()
    _talk(script)
    script.asked_for_rebirth()
    script.births()
    script.data("press-1", temperature=42.0)
    script.data(None, machines=2)
    script.lose("lathe-2")
    script.data("press-1", temperature=42.25)
    script.wait(60_000)
    script.asked_for_rebirth()
    script.births("press-1")
    script.data(None, machines=1)
    script.birth("lathe-2")
    script.data("lathe-2", speed=-3)
    script.history("press-1", "temperature", 17.5, age_ms=3_600_000)
    for count in range(300):
        script.data("press-1", parts=count)
    script.leave()
    script.connect(version="3.1.1")
    script.births()
    script.data("press-1", parts=-1)
    script.leave()
    script.connect()
    script.births()
    script.die()
    script.connect(version="3.1.1")
    script.births()
    script.data("lathe-2", temperature=21.0)
    script.host_offline()
    script.leave()
    return script.trace()


@cache
def walk() -> Trace:
    """A primary host on three servers: waited for, lost, found on another server, and an offline that is too old to count."""
    script = _script(host=True, servers=("a", "b", "c"))
    script.connect("a")
    script.host_online("a")
    script.told(online=True)
    script.births()
    _talk(script)
    script.told(online=False, at_ms=script.now_ms - 100_000)  # the will of a connection of long ago
    script.data("press-1", temperature=50.0)
    script.host_offline("a")
    script.told(online=False)
    script.leave()
    script.connect("b")
    script.told(online=False, at_ms=script.now_ms - 5000)
    script.leave()
    script.connect("c")
    script.host_online("c")
    script.told(online=True)
    script.births()
    script.data("press-1", temperature=51.0)
    script.told(online=False)
    script.leave()
    script.connect("a")
    script.told(online=True)
    script.births()
    script.leave()
    return script.trace()


@cache
def many_lives() -> Trace:
    """So many connections that bdSeq begins anew."""
    script = _script()
    for _ in range(258):
        script.connect()
        script.births("press-1")
        script.leave()
    return script.trace()


@cache
def untyped() -> Trace:
    """Data without data types, as the specification prefers it."""
    script = _script(datatype_in_data=False)
    script.connect()
    script.births()
    _talk(script)
    script.leave()
    return script.trace()


@cache
def writable() -> Trace:
    """A node that takes commands for a device."""
    script = _script()
    script.connect(writes=True)
    script.births()
    script.data("press-1", temperature=42.5)
    script.leave()
    return script.trace()


ALL = {"life": life, "walk": walk, "many_lives": many_lives, "untyped": untyped, "writable": writable}
