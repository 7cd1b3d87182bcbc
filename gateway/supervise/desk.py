"""The alarm desk: all alarms of all machines in one list, and what a person does about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from gateway import log as logs
from gateway.clock import Clock
from gateway.config.words import meant, quoted
from gateway.model import Event

from .line import MachineLine

DEEDS = ("ack", "shelve", "unshelve", "out-of-service", "in-service")

_PRIORITIES = ("high", "medium", "low")

log = logs.get("alarms")


class AlarmDesk:
    """What `ports.Operates` promises, for the machines that run now."""

    def __init__(self, lines: Mapping[str, MachineLine], clock: Clock) -> None:
        self._lines = lines
        self._clock = clock

    def alarms(self) -> list[dict[str, Any]]:
        """Return every alarm as plain JSON values, the most urgent first: not acknowledged, by priority, level and time."""
        found: list[dict[str, Any]] = []
        for machine, line in self._lines.items():
            if (stage := line.condition.alarms) is not None:
                found += [{"machine": machine, **to_builtins(alarm)} for alarm in stage.listed()]
        now_ns = self._clock.stamp().wall_ns
        for alarm in found:
            alarm["since_s"] = max(0.0, round((now_ns - alarm["since_wall_ns"]) / 1e9, 1)) if alarm["since_wall_ns"] else None
        return sorted(found, key=_urgency)

    async def operate(self, deed: str, machine: str, point: str, *, by: str, for_s: float | None = None) -> dict[str, Any]:
        """Do something about an alarm, or with an empty machine and point about all of them; it is kept when this returns."""
        if deed not in DEEDS:
            return {"error": f"unknown deed {quoted(deed)}{meant(deed, DEEDS)}"}
        if not machine and deed != "ack":
            return {"error": f"name the machine and the point; only ack is possible for all at once, not {deed}"}
        if machine and (trouble := self._trouble(machine, point)):
            return {"error": trouble}
        done: list[dict[str, Any]] = []
        for name, line in list(self._lines.items()):
            stage = line.condition.alarms
            if stage is None or (machine and name != machine):
                continue
            events: list[Event] = []
            for each in [point] if machine else [alarm.point for alarm in stage.listed()]:
                try:
                    events += line.operate(deed, each, self._clock.stamp(), by=by, for_s=for_s)
                except ValueError as error:
                    return {"error": str(error)}
            await line.condition.keep(self._clock.monotonic())
            for event in events:
                what = {"machine": name, "point": event.point, "was": event.before, "now": event.after}
                log.info("alarm_operated", deed=deed, by=by, **what)
                done.append(what)
        state = next(
            (alarm["state"] for alarm in self.alarms() if machine and (alarm["machine"], alarm["point"]) == (machine, point)), ""
        )
        return {"done": done, "state": state}

    async def forget(self, machine: str, *, by: str) -> dict[str, Any]:
        """Forget the baseline and the trends of a machine, after maintenance for example; that is kept when this returns."""
        line = self._lines.get(machine)
        if line is None:
            return {"error": f"there is no machine {quoted(machine)}{meant(machine, self._lines)}"}
        forgot = [name for name in ("baseline", "trend") if line.condition.forget(name)]
        if not forgot:
            return {"error": f"machine '{machine}' learns nothing; 'baseline:' or 'trend:' in the site file lets it"}
        await line.condition.keep(self._clock.monotonic())
        log.info("learned_forgotten", machine=machine, forgot=forgot, by=by)
        return {"forgot": forgot}

    def _trouble(self, machine: str, point: str) -> str:
        if machine not in self._lines:
            return f"there is no machine {quoted(machine)}{meant(machine, self._lines)}"
        stage = self._lines[machine].condition.alarms
        known = [alarm.point for alarm in stage.listed()] if stage else []
        if not known:
            return f"machine '{machine}' has no alarms; they stand under 'alarms:' in the site file"
        return "" if point in known else f"machine '{machine}' has no alarm on {quoted(point)}{meant(point, known)}"


def _urgency(alarm: dict[str, Any]) -> tuple[Any, ...]:
    order = ("unacknowledged", "returned-unacknowledged", "acknowledged", "shelved", "out-of-service", "suppressed", "normal")
    severe = 0 if alarm["level"].endswith("alarm") else 1
    return order.index(alarm["state"]), _PRIORITIES.index(alarm["priority"]), severe, alarm["since_wall_ns"]
