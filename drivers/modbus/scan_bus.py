"""The scan of a bus: which speed, parity and framing, and then which units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from drivers.modbus.listen import listen
from drivers.modbus.probe import BusProbe
from drivers.modbus.scan import HOLDING, IDENTIFY, INPUT, LIKELY, Observer, Report, Sweep
from drivers.modbus.verdict import Evidence
from drivers.modbus.wire import Settings

BAUDS: Final = (9600, 19200, 38400, 115200, 4800, 57600, 2400, 1200)
FORMATS: Final = {"E": ("E", 1), "N": ("N", 1), "O": ("O", 1), "N2": ("N", 2)}
"""Parity and stop bits, as `--parity` names them, in order of likelihood."""

UNITS: Final = tuple(range(1, 248))
_RTU: Final = {"E": ((0.0, 8),), "N": ((0.5, 8),), "O": ((4.0, 8),), "N2": ((6.0, 8),)}
_ASCII: Final = {"E": ((0.0, 7), (6.0, 8)), "N": ((0.5, 8),), "O": ((4.0, 7),), "N2": ((4.5, 7),)}
"""Data bits that go with them, each with how many speeds further down it is as likely as the first."""

_ASCII_FIRST: Final = 8
_ASCII_UNITS: Final = 5
"""Settings and units with which ASCII is tried in the middle of a search for RTU: 22 s for the few devices that speak it."""

_Round = tuple[Sequence[Settings], Sequence[int], Sequence[bytes]]


def candidates(
    bauds: Sequence[int] = BAUDS, formats: Iterable[str] = FORMATS, framing: Literal["rtu", "ascii"] = "rtu"
) -> list[Settings]:
    """Return the settings in order of likelihood: common speeds first, even and no parity before odd and two stop bits.

    In ASCII 7 data bits are the rule, as the standard says, but without parity 8.
    """
    known = _RTU if framing == "rtu" else _ASCII
    ranked = sorted((i + cost, i, name, data) for i in range(len(bauds)) for name in formats for cost, data in known[name])
    return [Settings(bauds[i], *FORMATS[name], data, framing) for _, i, name, data in ranked]


class BusSweep(Sweep):
    """A serial bus, or one behind a serial server (then without settings)."""

    probe: BusProbe

    def __init__(
        self,
        probe: BusProbe,
        settings: Sequence[Settings],
        units: Sequence[int] | None,
        observer: Observer,
        report: Report,
        listen_s: float = 2.0,
    ) -> None:
        super().__init__(probe, units or UNITS, units is not None, observer, report)
        self._candidates = list(settings)
        self._now: Settings | None = None
        self._listen_s = listen_s

    async def _run(self) -> None:
        overheard = await listen(self.probe, list(dict.fromkeys(s.baud for s in self._candidates)) or [0], self._listen_s)
        if verdict := overheard.verdict:
            self.report.verdicts.append(verdict)
            self.report.refused = True
            return
        for settings in tuple(self._candidates):
            self._set(settings)
        if not self._candidates and self.probe.wire.serial:
            self.report.stopped = "the port can do none of these settings; choose others with --baud and --parity"
            return
        searched = len(self._candidates) > 1
        if searched and not await self._search():
            return
        if not searched and self._candidates:
            self._set(self._candidates[0])
        # from here on only the line that works is judged; a search ends with one answer, of a unit or of a gateway for it
        self.probe.evidence = Evidence(
            echoes=self.probe.evidence.echoes,
            requests=int(searched),
            answers=int(searched),
            no_target=int(searched and not self.report.found),
        )
        rest = [unit for unit in self._units if unit not in self._asked]
        await self._plan(len(rest))
        for unit in rest:
            await self._knock(unit, HOLDING)
        await self._deaf_to_reads()

    async def _search(self) -> bool:
        """Try setting after setting until one yields a sound answer."""
        for settings_tried, units, requests in self._rounds():
            await self._plan(len(settings_tried) * len(units) * len(requests))
            for settings in settings_tried:
                self._set(settings)
                self._asked = set()
                for pdu in requests:
                    for unit in units:
                        self._asked.add(unit)
                        if await self._knock(unit, pdu):
                            if pdu != HOLDING:
                                self._asked = {found.unit for found in self.report.found}
                            return True
        return False

    def _rounds(self) -> list[_Round]:
        """Return what is tried one after the other: settings, units and requests, the likeliest for their time first."""
        rtu = [settings for settings in self._candidates if settings.framing == "rtu"]
        coded = [settings for settings in self._candidates if settings.framing == "ascii"]
        unlikely = [unit for unit in self._units if unit not in self._likely]

        def likely(settings: Sequence[Settings]) -> list[_Round]:
            return [(settings, self._likely, (HOLDING,)), (settings, self._likely, (INPUT, IDENTIFY))]

        if not rtu:
            return [*likely(coded), (coded, unlikely, (HOLDING,))]
        few = self._likely if len(self._likely) < LIKELY else self._likely[:_ASCII_UNITS]
        first, rest = coded[:_ASCII_FIRST], coded[_ASCII_FIRST:]
        return [*likely(rtu), (first, few, (HOLDING,)), (rtu, unlikely, (HOLDING,)), (rest, self._likely, (HOLDING,))]

    def _set(self, settings: Settings) -> None:
        if not self.probe.set(settings):
            self._candidates.remove(settings)
            self.report.notes.append(f"the port cannot do {settings}")
        else:
            self._now = settings
            self._where = f"{settings} "

    def _settings(self) -> Settings | None:
        return self._now
