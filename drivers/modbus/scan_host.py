"""The scan of one host: which units answer behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.modbus.probe import MbapProbe
from drivers.modbus.scan import HOLDING, Observer, Report, Sweep

UNITS: Final = (1, 255, 0, *range(2, 248))
"""Units behind a host; many devices on TCP call themselves 255 or 0, or do not look at the number."""

SENTINELS: Final = (97, 171, 239)
"""Numbers nobody sets: who answers to all of them answers to every number."""


class HostSweep(Sweep):
    """The units behind one host, on TCP, in TLS or in datagrams."""

    probe: MbapProbe

    def __init__(
        self, probe: MbapProbe, units: Sequence[int] | None, observer: Observer, report: Report, *, chosen: bool | None = None
    ) -> None:
        """`chosen`: whether the user named the units; then all of them are asked, whatever the first ones say."""
        self._all = units is None if chosen is None else not chosen
        super().__init__(probe, units or UNITS, not self._all, observer, report)

    async def _run(self) -> None:
        self._where = f"{self.probe.wire.place} "
        await self._plan(len(self._units))
        for unit in self._units:
            reply = await self._touch(unit, HOLDING)
            if reply.alive:
                alone = self._all and not self.report.found and await self._answers_to_all()
                await self._take(unit, reply)
                if alone:
                    self.report.notes.append(f"{self.probe.wire.place} answers under every unit number: one device, listed once")
                    return
            await self._latecomers()
        if not self.report.found:
            await self._deaf_to_reads()

    async def _answers_to_all(self) -> bool:
        """Say whether unit numbers mean nothing to this host; then the first one stands for all."""
        for unit in SENTINELS:
            if not (await self._touch(unit, HOLDING, planned=False)).alive:
                return False
        return True
