"""What a temperature is about to do: its slope, its rise over the ambient temperature, and the time to a limit.

The slope is Theil-Sen's, which single outliers cannot bend, over the last readings in K/min. The time to a limit goes on in a
straight line from the median of the last readings; its interval comes from the 95 % interval of the slope by Sen's method. No
limit lies ahead while that interval holds zero: the value is then absent, with good quality, as nothing is wrong with the
sensor.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from statistics import median

from cython_ext.statistics import theil_sen_interval
from gateway.config.temperature import TO_KELVIN, Temperature, names_of
from gateway.model import Feature, Quality, Reason, Stamp

from .chain import Measured

MOST_SAMPLES = 120
"""Readings kept per window; the slope takes every pair, so more would cost the square of it."""

LAST_SAMPLES = 5
"""Readings whose median is the temperature now."""

_ZERO = {"K": 273.15, "°F": 32.0}


class Slopes:
    """The stage that gives every chosen temperature point its slope, and where they are asked for rise and time to limit."""

    def __init__(self, machine: str, spec: Temperature) -> None:
        self._machine = machine
        self._spec = spec
        self._courses: dict[str, Course] = {}
        self._ambient = Ambient(float(spec.window))

    def wants(self, point: str, unit: str) -> bool:
        """Say whether a point is one of those named, or where none is, a temperature."""
        return point == self._spec.ambient or self._chosen(point, unit)

    def take(self, measured: Measured) -> list[Feature]:
        """Take a reading; return what is due of it."""
        if measured.point == self._spec.ambient:
            self._ambient.push(measured)
        if not self._chosen(measured.point, measured.unit):
            return []
        course = self._courses.get(measured.point)
        if course is None:
            course = self._courses[measured.point] = Course(self._machine, measured.point, measured.unit, self._spec, self._ambient)
        return list(course.push(measured))

    def tick(self, stamp: Stamp) -> list[Feature]:
        """Do nothing: a slope is due with a reading."""
        return []

    def _chosen(self, point: str, unit: str) -> bool:
        if self._spec.points:
            return point in self._spec.points
        return unit in TO_KELVIN and point != self._spec.ambient


class Ambient:
    """The temperature around the machine, in °C; one that is older than the window is none."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._celsius: float | None = None
        self._seen_s = 0.0

    def push(self, measured: Measured) -> None:
        """Take a reading."""
        if measured.value is not None and measured.quality is Quality.GOOD:
            self._celsius, self._seen_s = celsius(measured.value, measured.unit), measured.stamp.mono_ns / 1e9

    def at(self, now_s: float) -> float | None:
        """Return it, None when it is not known."""
        return self._celsius if now_s - self._seen_s <= self._patience_s else None


class Course:
    """One point: takes its good values and gives its features every `spec.every`.

    Nothing is said before half the window has been filled for the first time; when that is lost again they are bad.
    """

    def __init__(self, machine: str, point: str, unit: str, spec: Temperature, ambient: Ambient) -> None:
        self._machine = machine
        self._point = point
        self._unit = unit
        self._per_min = TO_KELVIN.get(unit, 1.0) * 60.0
        self._limit = spec.limit_of(point)
        self._ambient = ambient if spec.ambient else None
        self._window_s = float(spec.window)
        self._every_s = float(spec.every)
        self._samples: deque[tuple[float, float]] = deque()
        self._next_sample_s = 0.0
        self._next_s: float | None = None
        self._told = False

    def push(self, measured: Measured) -> Iterator[Feature]:
        """Take a reading; yield the features that are due."""
        now = measured.stamp.mono_ns / 1e9
        if measured.value is not None and measured.quality is Quality.GOOD and now >= self._next_sample_s:
            self._samples.append((now, measured.value))
            self._next_sample_s = now + self._window_s / MOST_SAMPLES
        while self._samples and self._samples[0][0] < now - self._window_s:
            self._samples.popleft()
        if self._next_s is None:
            self._next_s = now + self._every_s
        if now < self._next_s:
            return
        self._next_s += self._every_s * max(1, int((now - self._next_s) // self._every_s) + 1)
        if len(self._samples) >= 3 and self._samples[-1][0] - self._samples[0][0] >= self._window_s / 2:
            self._told = True
            yield from self._good(measured.stamp, now)
        elif self._told:
            for name, unit in names_of(self._point, limit=self._limit is not None, ambient=self._ambient is not None).items():
                yield self._feature(name, None, unit, measured.stamp, good=False)

    def _good(self, stamp: Stamp, now_s: float) -> Iterator[Feature]:
        start = self._samples[0][0]
        times, values = (array("d", [t - start for t, _ in self._samples]), array("d", [v for _, v in self._samples]))
        slopes = tuple(slope * self._per_min for slope in theil_sen_interval(times, values))
        now = median(values[-LAST_SAMPLES:])
        yield self._feature(f"{self._point}.slope", slopes[0], "K/min", stamp)
        if self._ambient is not None:
            ambient = self._ambient.at(now_s)
            rise = None if ambient is None else celsius(now, self._unit) - ambient
            yield self._feature(f"{self._point}.rise", rise, "K", stamp, good=ambient is not None)
        if self._limit is not None:
            ahead = time_to_limit((self._limit - now) * TO_KELVIN.get(self._unit, 1.0), *slopes)
            for name, minutes in zip(("time_to_limit", "time_to_limit_low", "time_to_limit_high"), ahead, strict=True):
                yield self._feature(f"{self._point}.{name}", minutes, "min", stamp)

    def _feature(self, name: str, value: float | None, unit: str, stamp: Stamp, *, good: bool = True) -> Feature:
        return Feature(
            machine=self._machine,
            point=name,
            value=value,
            stamp=stamp,
            unit=unit,
            quality=Quality.GOOD if good else Quality.BAD,
            reason=Reason.NONE if good else Reason.NO_DATA,
            window_s=self._window_s,
        )


def celsius(value: float, unit: str) -> float:
    """Return a temperature in °C; a unit that is none of °C, K and °F counts as °C."""
    return (value - _ZERO.get(unit, 0.0)) * TO_KELVIN.get(unit, 1.0)


def time_to_limit(ahead_k: float, slope: float, low: float, high: float) -> tuple[float | None, float | None, float | None]:
    """Return the minutes to a limit that lies `ahead_k` above, the least and the most of them; None where none lies ahead.

    Args:
        ahead_k: how far the limit is away, in K; not positive where it is reached.
        slope: K/min.
        low: lower end of its interval.
        high: upper end of its interval.
    """
    if ahead_k <= 0:
        return 0.0, 0.0, 0.0
    if low <= 0:
        return None, None, None
    return ahead_k / slope, ahead_k / high, ahead_k / low
