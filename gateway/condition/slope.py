"""How fast a temperature rises: the Theil-Sen slope of its last readings in K/min, which single outliers cannot bend."""

from __future__ import annotations

from array import array
from collections import deque

from cython_ext.statistics import theil_sen
from gateway.config.temperature import Temperature
from gateway.model import Feature, Quality, Reason, Stamp

from .chain import Measured

MOST_SAMPLES = 120
"""Readings kept per window; the slope takes every pair, so more would cost the square of it."""

TO_KELVIN = {"°C": 1.0, "K": 1.0, "°F": 5.0 / 9.0}
"""Kelvin per step of the unit, for differences of temperature."""


class Slopes:
    """The stage that gives every chosen temperature point its `<point>.slope`."""

    def __init__(self, machine: str, spec: Temperature) -> None:
        self._machine = machine
        self._spec = spec
        self._slopes: dict[str, TemperatureSlope] = {}

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point is one of those named, or where none is, a temperature."""
        return point in self._spec.points if self._spec.points else unit in TO_KELVIN

    def take(self, measured: Measured) -> list[Feature]:
        """Take a reading; return the slope when one is due."""
        slope = self._slopes.get(measured.point)
        if slope is None:
            slope = self._slopes[measured.point] = TemperatureSlope(self._machine, measured.point, measured.unit, self._spec)
        feature = slope.push(measured)
        return [] if feature is None else [feature]

    def tick(self, stamp: Stamp) -> list[Feature]:
        """Do nothing: a slope is due with a reading."""
        return []


class TemperatureSlope:
    """One point: takes its good values and gives a slope every `spec.every`.

    Nothing is said before half the window has been filled for the first time; when that is lost again the slope is bad.
    """

    def __init__(self, machine: str, point: str, unit: str, spec: Temperature) -> None:
        self._machine = machine
        self._point = point
        self._factor = TO_KELVIN.get(unit, 1.0) * 60.0
        self._window_s = float(spec.window)
        self._every_s = float(spec.every)
        self._samples: deque[tuple[float, float]] = deque()
        self._next_sample_s = 0.0
        self._next_slope_s: float | None = None
        self._told = False

    def push(self, measured: Measured) -> Feature | None:
        """Take a reading; return the slope when one is due."""
        now = measured.stamp.mono_ns / 1e9
        if measured.value is not None and measured.quality is Quality.GOOD and now >= self._next_sample_s:
            self._samples.append((now, measured.value))
            self._next_sample_s = now + self._window_s / MOST_SAMPLES
        while self._samples and self._samples[0][0] < now - self._window_s:
            self._samples.popleft()
        if self._next_slope_s is None:
            self._next_slope_s = now + self._every_s
        if now < self._next_slope_s:
            return None
        self._next_slope_s += self._every_s * max(1, int((now - self._next_slope_s) // self._every_s) + 1)
        filled = len(self._samples) >= 3 and self._samples[-1][0] - self._samples[0][0] >= self._window_s / 2
        slope = None
        if filled:
            start = self._samples[0][0]
            self._told = True
            slope = theil_sen(array("d", [t - start for t, _ in self._samples]), array("d", [v for _, v in self._samples]))
        elif not self._told:
            return None
        return Feature(
            machine=self._machine,
            point=f"{self._point}.slope",
            value=None if slope is None else slope * self._factor,
            stamp=measured.stamp,
            unit="K/min",
            quality=Quality.BAD if slope is None else Quality.GOOD,
            reason=Reason.NO_DATA if slope is None else Reason.NONE,
            window_s=self._window_s,
        )
