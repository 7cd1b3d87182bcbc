"""Whatever happens in whatever order, what the node sends is valid Sparkplug, and the host ends up with what is true."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.model import Event, Feature, Quality, Reading, Reason, Severity, TimeQuality
from gateway.uplink.sparkplug.alias import Aliases
from gateway.uplink.sparkplug.datatype import fitted
from gateway.uplink.sparkplug.device import Point
from gateway.uplink.sparkplug.node import Node
from gateway.uplink.sparkplug.past import Past

from .hosting import Host, drain, stamp

MACHINES = st.sampled_from(["press-1", "press-2", "spindle"])
POINTS = st.sampled_from(["oil_temp", "mode", "strokes", "vibration.rms"])
FORMS = st.sampled_from(["", "number", "whole", "unsigned", "truth", "text"])
UNITS = st.sampled_from(["", "°C", "m/s²"])
VALUES = (
    st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.just(b"\x01")
    | st.just(["a"])
)
DEFINITIONS = st.dictionaries(
    MACHINES, st.lists(st.builds(Point, POINTS, UNITS, FORMS), max_size=4, unique_by=lambda point: point.name), max_size=3
)
MOST_BYTES = 400


def forms(definitions: dict[str, list[Point]]) -> dict[tuple[str, str], str]:
    """Return the form that is promised for every point of every machine."""
    return {(machine, point.name): point.form for machine, points in definitions.items() for point in points}


class AnyOrder(RuleBasedStateMachine):
    """Events in any order; the host of `hosting` checks every message."""

    @initialize(definitions=DEFINITIONS, bare=st.booleans())
    def begin(self, definitions: dict[str, list[Point]], bare: bool) -> None:
        self.host = Host()
        self.aliases = Aliases()
        self.node = Node("muster", "hall-1", self.aliases, Past(stamp(0.0)), bare=bare)
        self.node.own.define([Point("Properties/Version", "", "text")])
        self.seconds = 1.0
        self.step_s = 0.0
        self.connected = False
        self.bdseq = -1
        self.good: set[str] = set()
        self.recorded: list[Reading] = []
        self.true: dict[tuple[str, str], tuple[Any, Quality]] = {}
        self.names: set[tuple[str, str]] = set()
        self.definitions: dict[str, list[Point]] = {}
        self.define(definitions)

    @property
    def now(self):
        return stamp(self.seconds, self.step_s)

    def tick(self) -> None:
        self.seconds += 0.001

    @rule(definitions=DEFINITIONS)
    def define(self, definitions: dict[str, list[Point]]) -> None:
        for name in self.definitions.keys() - definitions.keys():
            self.good.discard(name)
        before, after = forms(self.definitions), forms(definitions)
        self.names = set(after)
        self.definitions = definitions
        self.node.define(definitions)
        same = {key for key, form in after.items() if before.get(key, "") == form}  # a value of another form is void
        self.true = {key: value for key, value in self.true.items() if key in same}

    @rule(machine=MACHINES, state=st.sampled_from(["good", "bad", "ended", "gone"]))
    def turn(self, machine: str, state: str) -> None:
        self.tick()
        self.node.turned(machine, state, self.now)
        if machine in self.definitions:
            (self.good.add if state == "good" else self.good.discard)(machine)
            if state != "good":
                self.host.lost(machine)
        if state == "gone":
            self.true = {key: value for key, value in self.true.items() if key[0] != machine}
            self.names = {key for key in self.names if key[0] != machine or key in forms(self.definitions)}

    @rule(machine=MACHINES, point=POINTS, value=VALUES, unit=UNITS, quality=st.sampled_from(Quality))
    def report(self, machine: str, point: str, value: Any, unit: str, quality: Quality) -> None:
        self.tick()
        content = None if quality is Quality.BAD else value
        reason = Reason.NONE if quality is Quality.GOOD else Reason.TIMEOUT
        record = Reading(machine=machine, point=point, value=content, stamp=self.now, unit=unit, quality=quality, reason=reason)
        self.recorded.append(record)
        self.node.offer([record])
        if machine in self.definitions:
            self.know(machine, point, content, quality)

    @rule(machine=MACHINES, value=st.floats(allow_nan=False), certain=st.booleans())
    def compute(self, machine: str, value: float, certain: bool) -> None:
        self.tick()
        now = stamp(self.seconds, self.step_s, TimeQuality.SYNCED if certain else TimeQuality.UNCERTAIN)
        self.node.offer([Feature(machine=machine, point="vibration.rms", value=value, stamp=now, unit="m/s²")])
        if machine in self.definitions:
            self.know(machine, "vibration.rms", value)

    @rule(machine=MACHINES, side=st.sampled_from(["high", "normal"]))
    def cross(self, machine: str, side: str) -> None:
        self.tick()
        event = {"kind": "limit", "severity": Severity.ALARM, "before": "", "after": side, "stamp": self.now}
        self.node.offer([Event(machine=machine, point="oil_temp", **event)])
        if machine in self.definitions:
            self.know(machine, "oil_temp/limit", side)

    def know(self, machine: str, name: str, value: Any, quality: Quality = Quality.GOOD) -> None:
        self.names.add((machine, name))
        self.true[machine, name] = (value, quality)

    @precondition(lambda self: not self.connected)
    @rule(host_online=st.booleans())
    def connect(self, host_online: bool) -> None:
        self.connected = True
        self.bdseq = (self.bdseq + 1) % 256
        self.host.bdseq = self.bdseq
        self.node.host_online = host_online
        self.node.begin(self.bdseq, MOST_BYTES)

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.connected = False
        self.node.end(self.now)
        self.host.disconnected()

    @rule()
    def host_comes(self) -> None:
        self.node.host_online = True

    @rule()
    def ask(self) -> None:
        self.node.rebirths.ask(self.seconds)

    @rule(seconds=st.sampled_from([0.5, 6.0, 40.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    @rule(most=st.integers(1, 3))
    def look_up(self, most: int) -> None:
        wanted = self.node.past.wanted
        if wanted is not None:
            name, gap = wanted
            found = [record for record in self.recorded if record.machine == name][gap.mark.after :]
            device = self.node.devices[name]
            updates = [update for record in found[:most] if (update := device.past(record)) is not None]
            self.node.past.give(name, gap, updates, gap.mark.after + most if found[most:] else None)

    @rule(step_s=st.sampled_from([-1e6, 0.0, 1e6]))
    def clock_steps(self, step_s: float) -> None:
        self.step_s = step_s

    @rule(most=st.integers(1, 8))
    def send_some(self, most: int) -> None:
        self.tick()
        before = len(self.host.kinds)
        asked = self.node.rebirths.due_s <= self.seconds
        drain(self.node, self.host, self.now, most)
        sent = self.host.kinds[before:]
        if asked and self.connected and self.node.host_online:
            assert not {"NDATA", "DDATA"} & set(sent[: sent.index("NBIRTH")] if "NBIRTH" in sent else sent)

    @rule()
    def send_all(self) -> None:
        self.tick()
        drain(self.node, self.host, self.now)
        self.seconds += 61.0  # births that are held back or paced are due now
        drain(self.node, self.host, self.now)
        if not (self.connected and self.node.host_online):
            return
        assert self.host.alive.keys() - {""} <= self.good
        for machine in self.good:
            shown = {name for device, name in self.names if device == machine}
            if not shown or machine in self.node.too_large:
                assert machine not in self.host.alive
                continue
            assert {name for name, _, _ in self.host.alive[machine].values()} == shown
        for (machine, name), (value, quality) in self.true.items():
            if machine in self.host.alive:
                self.same(machine, name, value, quality)

    def same(self, machine: str, name: str, value: Any, quality: Quality) -> None:
        told, code = self.host.values[machine, name]
        datatype = next(kind for other, kind, _ in self.host.alive[machine].values() if other == name)
        expected = fitted(datatype, value)
        assert told == expected, (machine, name)
        assert code == (0 if expected is None and quality is Quality.GOOD else {192: 192, 64: 500, 0: 0}[quality])

    @invariant()
    def nothing_of_what_is_not_shared_is_kept_for_sending(self) -> None:
        for device in (getattr(self, "node", None) and self.node.devices.values()) or ():
            assert {slot.name for slot, _ in device.pending} <= set(device.slots)
            assert not device.pending or device.born
            assert all(math.isfinite(slot.alias) for slot in device.slots.values())


AnyOrder.TestCase.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder = AnyOrder.TestCase
