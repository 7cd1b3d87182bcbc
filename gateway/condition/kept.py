"""What the stages of a machine keep over a restart: one small value per machine, written seldom, for the flash's sake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway import log as logs
from gateway.ports import Keeps

from .chain import Durable

PERIOD_S = 300.0
"""Time between two writes of what has changed; a crash or a power cut loses at most as much."""

log = logs.get("condition")


class Kept:
    """The kept values of one machine's stages, by their names, under `condition.<machine>`."""

    def __init__(self, keeps: Keeps, machine: str) -> None:
        self._keeps = keeps
        self._machine = machine
        self._name = f"condition.{machine}"
        self._written: dict[str, Any] = {}
        self._due_s = 0.0
        self._failed = False
        self.troubles: list[str] = []

    def restore(self, stages: Iterable[object]) -> None:
        """Let every stage go on from what was kept; one that cannot begins anew, and that is told."""
        durable = [stage for stage in stages if isinstance(stage, Durable)]
        if not durable:
            return
        self._written = self._keeps.get(self._name, dict[str, Any], {})
        for stage in durable:
            if stage.name not in self._written:
                continue
            try:
                stage.restore(self._written[stage.name])
            except (ValueError, TypeError, KeyError, msgspec.ValidationError) as error:
                self.troubles.append(f"what was kept of '{stage.name}' makes no sense ({error}) and begins anew")
                log.error("state_replaced", path=self._name, kept=stage.name, reason=str(error))

    async def save(self, stages: Iterable[object], now_s: float, *, finally_: bool = False) -> None:
        """Write what has changed when it is due, when a stage is urgent, or `finally_`; never raises."""
        durable = [stage for stage in stages if isinstance(stage, Durable)]
        urgent = [stage for stage in durable if stage.urgent]
        if not durable or not (urgent or finally_ or now_s >= self._due_s):
            return
        self._due_s = now_s + PERIOD_S
        value = msgspec.to_builtins({stage.name: stage.keep() for stage in durable})
        if value == self._written:
            for stage in urgent:
                stage.urgent = False
            return
        for stage in urgent:
            stage.urgent = False
        try:
            await self._keeps.aput(self._name, value)
        except OSError as error:
            for stage in urgent:
                stage.urgent = True
            if not self._failed:
                log.error("state_failed", reason=str(error))
            self._failed = True
            return
        self._failed = False
        self._written = value
