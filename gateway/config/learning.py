"""What stands under `baseline:` and `trend:`: what is learned of a machine while it runs."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, field

from gateway.config.base import Name, Spec
from gateway.config.quantity import Duration, LongDuration

FEWEST_WINDOWS = 30
MOST_WINDOWS = 100_000
"""How many windows may be asked for; above `MOST_ROWS` a random sample of them is kept."""

MOST_AT_ONCE = 12
"""How many features a baseline has by default: those whose distance is taken together."""

_TELLING = {"velocity_rms", "displacement_rms", "rms", "peak", "crest", "kurtosis", "high_frequency"}
"""Features that come before the others where there are more than a baseline takes."""

BASELINE = "vibration.baseline"
"""The point that tells how far learning is."""

_WAVEFORM = re.compile(r"(vibration(?:\.[xyz])?)\.")

_WINDOWS = re.compile(r"\s*\+?(\d+)\s*windows?\s*")


class Learn(NamedTuple):
    """How long a baseline learns: a number of windows in run, or a time in s; the other one is 0."""

    windows: int
    seconds: float

    @classmethod
    def parse(cls, value: object) -> Learn:
        """Read `300 windows` or `7d`.

        Raises:
            ValueError: it is neither, or too short or long to learn anything.
        """
        match = _WINDOWS.fullmatch(value) if isinstance(value, str) else None
        if match is not None:
            windows = int(match[1])
            if not FEWEST_WINDOWS <= windows <= MOST_WINDOWS:
                raise ValueError(f"a baseline learns from {FEWEST_WINDOWS} to {MOST_WINDOWS} windows, not from {windows}")
            return cls(windows, 0.0)
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError(f"'{value}' has no unit; did you mean '{value} windows', or '{value}d'?")
        try:
            seconds = float(LongDuration.parse(value))
        except ValueError as error:
            raise ValueError(f"{error}; a baseline learns for a time such as '7d', or from '300 windows'") from None
        if not 600 <= seconds <= 366 * 86400:
            raise ValueError(f"a baseline learns for 10min to 366d, not for {value}")
        return cls(0, seconds)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written forms."""
        times = "|".join(re.escape(unit) for unit in LongDuration.units)
        pattern = rf"^\s*\+?(\d+\s*windows?|(\d+(\.\d*)?|\.\d+)\s*({times}))\s*$"
        return {"type": "string", "pattern": pattern, "examples": ["300 windows", "7d"]}


class Width(NamedTuple):
    """How wide a class of speeds is, of the speed."""

    share: float

    @classmethod
    def parse(cls, value: object) -> Width:
        """Read `10%`.

        Raises:
            ValueError: it is no percentage from 1 to 100.
        """
        match = re.fullmatch(r"\s*\+?(\d+(?:\.\d*)?)\s*%\s*", value) if isinstance(value, str) else None
        if match is None or not 1 <= float(match[1]) <= 100:
            raise ValueError(f"expected a width from 1% to 100% of the speed, such as '10%', found {value!r}")
        return cls(float(match[1]) / 100)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the written form."""
        return {"type": "string", "pattern": r"^\s*\+?\d+(\.\d*)?\s*%\s*$", "examples": ["10%"]}


class Baseline(Spec, frozen=True, kw_only=True):
    """What is usual of a machine in run: `<feature>.z` for each feature, `vibration.novelty` for all, `vibration.baseline` in %."""

    features: Annotated[
        list[Name], Meta(description="features to learn; empty: the first twelve of vibration, and rises of temperature")
    ] = field(default_factory=list)
    learn: Annotated[Learn, Meta(description="how long it learns, in each class of speed")] = Learn(300, 0.0)
    follow: Annotated[bool, Meta(description="go on learning slowly, over 30 days; without it what drifts stays unusual")] = False
    speed: Annotated[
        Name | None,
        Meta(description="a point with the speed, each class of which has a baseline of its own; default: the one of vibration"),
    ] = None
    speed_class: Annotated[Width, Meta(description="how wide a class of speeds is")] = Width(0.1)


class Trend(Spec, frozen=True, kw_only=True):
    """Trends over days: `<feature>.trend`, and `<feature>.days_to_limit` where there is a limit."""

    features: Annotated[list[Name], Meta(description="features; empty: vibration.velocity_rms, and the scores of bearings")] = (
        field(default_factory=list)
    )
    limits: Annotated[
        dict[Name, float],
        Meta(description="feature: the value to which the time is told", examples=[{"vibration.velocity_rms": 7.1}]),
    ] = field(default_factory=dict)
    over: Annotated[LongDuration, Meta(description="how far back a trend looks; 14d to 400d")] = LongDuration(90 * 86400)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what does not fit together."""
        if not 14 * 86400 <= self.over <= 400 * 86400:
            yield "over", f"a trend looks back over 14d to 400d, not over {Duration(self.over).written}"
        for name in self.limits:
            if self.features and name not in self.features:
                yield "limits", f"names '{name}', which is not among 'features'"


def learned(spec: Baseline, features: Iterable[str]) -> dict[str, list[str]]:
    """Return the features a baseline learns, of those a machine gives, by the waveform they come from (empty: by themselves)."""
    groups: dict[str, list[str]] = {}
    for name in spec.features or features:
        match = _WAVEFORM.match(name)
        if match or spec.features or name.endswith(".rise"):
            groups.setdefault(match[1] if match else "", []).append(name)
    if not spec.features:
        for waveform, names in groups.items():
            names.sort(key=lambda name: name.removeprefix(f"{waveform}.") not in _TELLING)
            del names[MOST_AT_ONCE if waveform else len(names) :]
    return groups


def baseline_points(spec: Baseline, features: Iterable[str]) -> dict[str, str]:
    """Return the points a baseline gives, each with its unit."""
    groups = learned(spec, features)
    points = {f"{name}.z": "1" for names in groups.values() for name in names}
    return points | {f"{waveform}.novelty": "1" for waveform in groups if waveform} | {BASELINE: "%"}


def followed(spec: Trend, features: Iterable[str]) -> list[str]:
    """Return the features a trend is taken of, of those a machine gives."""
    if spec.features:
        return list(spec.features)
    chosen = [name for name in features if name == "vibration.velocity_rms" or ("bearing" in name and "score" in name)]
    return [*chosen, *(name for name in spec.limits if name not in chosen)]


def grows(unit: str) -> bool:
    """Say whether what has this unit grows by a share of itself; a level or a temperature grows by so much a day."""
    return unit not in {"dB", "°C", "°F", "K", "%"}


def trend_points(spec: Trend, features: Mapping[str, str], limits: Container[str]) -> dict[str, str]:
    """Return the points a trend gives, each with its unit.

    Args:
        spec: what is wanted.
        features: what a machine gives, each with its unit.
        limits: features that have a limit, besides those `spec` names.
    """
    points: dict[str, str] = {}
    for name in followed(spec, features):
        unit = features.get(name, "")
        points |= dict.fromkeys(
            (f"{name}.trend", f"{name}.trend_low", f"{name}.trend_high"), "%/month" if grows(unit) else f"{unit}/day"
        )
        if name in spec.limits or name in limits:
            points |= dict.fromkeys((f"{name}.days_to_limit", f"{name}.days_to_limit_low", f"{name}.days_to_limit_high"), "d")
    return points
