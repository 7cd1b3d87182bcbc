"""The last step of a scan: counters become totals, scale factors read from registers are applied, implausible values are bad."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from drivers.modbus.meaning import INTEGER_BITS, Total
from drivers.modbus.memory import Memory
from drivers.modbus.spec import ModbusPoint
from gateway.model import Quality, Reason, Scan

NOT_IMPLEMENTED: Final = -32768
"""Scale factor that SunSpec gives a point that the device does not have."""

LARGEST_POWER: Final = 10
"""SunSpec allows 10^-10 to 10^10."""

_MAX_DECIMALS: Final = 9


class _Step(Struct, frozen=True):
    row: int
    point: ModbusPoint
    factor: int | None
    total: Total | None


class Derivation:
    """What remains to be done to the columns of one table when all answers are there; knows only the points that need it."""

    def __init__(self, points: Sequence[ModbusPoint], factors: Mapping[int, int], memory: Memory) -> None:
        """Prepare; `factors` gives the column of the scale factor by row."""
        self._steps: list[_Step] = []
        for row, point in enumerate(points):
            total = None
            if point.counter is not None:
                wrap = point.counter.wrap or 1 << INTEGER_BITS[point.kind]
                total = memory.totals.setdefault(row, Total(wrap, point.counter.most))
            if total is not None or row in factors or point.valid is not None:
                self._steps.append(_Step(row, point, factors.get(row), total))

    def apply(self, scan: Scan) -> None:
        """Bring the columns of `scan` into their final form; every point keeps a reason when it is not good."""
        for step in self._steps:
            if scan.quality[step.row] == Quality.GOOD:
                self._derive(scan, step)

    def _derive(self, scan: Scan, step: _Step) -> None:
        row, point = step.row, step.point
        if step.total is not None or step.factor is not None:
            power = 0
            if step.factor is not None:
                if scan.quality[step.factor] != Quality.GOOD:
                    _spoil(scan, row, Reason(scan.reason[step.factor]))
                    return
                power = int(scan.values[step.factor])
                if abs(power) > LARGEST_POWER:
                    _spoil(scan, row, Reason.NOT_SUPPORTED if power == NOT_IMPLEMENTED else Reason.OUT_OF_RANGE)
                    return
            raw: int | float = scan.objects.pop(row, scan.values[row])
            if step.total is not None:
                assert point.counter is not None
                if point.counter.wrap is not None and raw >= point.counter.wrap:
                    _spoil(scan, row, Reason.OUT_OF_RANGE)
                    return
                if step.total.step(int(raw)):
                    scan.quality[row], scan.reason[row] = Quality.UNCERTAIN, Reason.COUNTER_RESET
                raw = step.total.total
            scan.values[row] = scaled(raw, power, point.scale, point.offset)
        if point.valid is not None and not point.valid.holds(scan.values[row]):
            _spoil(scan, row, Reason.OUT_OF_RANGE)


def scaled(raw: float, power: int, scale: float, offset: float) -> float:
    """Return raw * 10^power * scale + offset, with decimal scales meant as written: 3 at 0.1 is 0.3."""
    divisor, factor, shift = 1.0, scale, offset
    for decimals in range(_MAX_DECIMALS + 1):
        step = 10.0**decimals
        if round(scale * step) / step == scale and round(offset * step) / step == offset:
            divisor, factor, shift = step, round(scale * step), round(offset * step)
            break
    large = 10.0 ** abs(power)
    if power < 0:
        return (raw * factor + shift * large) / (divisor * large)
    return (raw * factor * large + shift) / divisor


def _spoil(scan: Scan, row: int, reason: Reason) -> None:
    scan.values[row] = math.nan
    scan.quality[row] = Quality.BAD
    scan.reason[row] = reason
    scan.objects.pop(row, None)
