"""The rate of a device: which attribute holds it, which rates it offers, setting one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from drivers.iio import sysfs
from gateway.driver import LinkError
from gateway.model import Reason

_SAME = 1e-4
_NEAR = 0.2
_RANGE = re.compile(r"\[\s*(\S+)\s+(\S+)\s+(\S+)\s*\]")

Change = Callable[[Path, str], None]
"""Writes an attribute and remembers what it held."""


def set_rate(places: Iterable[Path], wanted_hz: float, change: Change) -> bool:
    """Set the first of `places` that is there to a rate; False where none is, so that the device has one rate only.

    Raises:
        LinkError: the device does not offer this rate; the hint names those it does.
    """
    place = next((path for path in places if path.exists()), None)
    if place is None:
        return False
    offered = sysfs.read(place.with_name(place.name + "_available")) or ""
    text = _choose(offered, wanted_hz) if offered else _written(wanted_hz)
    if text is None:
        words = f"{_device(place)} does not sample at {_hertz(wanted_hz)}"
        raise LinkError(words, hint=_offers(offered, wanted_hz), reason=Reason.OUT_OF_RANGE)
    if not _same(sysfs.read(place), wanted_hz):
        try:
            change(place, text)
        except LinkError as error:
            if error.reason != Reason.DEVICE_FAILURE:
                raise
            words = f"{_device(place)} refuses to sample at {_hertz(wanted_hz)}"
            raise LinkError(words, hint=_offers(offered, wanted_hz) or "see its data sheet", reason=Reason.OUT_OF_RANGE) from None
        if not _same(now := sysfs.read(place), wanted_hz):
            words = f"{_device(place)} was asked for {_hertz(wanted_hz)} and samples at {now} Hz"
            raise LinkError(words, hint=_offers(offered, wanted_hz) or f"write rate={now}Hz", reason=Reason.OUT_OF_RANGE)
    return True


def _choose(offered: str, wanted_hz: float) -> str | None:
    """Return the rate as the device writes it, None when it is not among those offered."""
    if match := _RANGE.fullmatch(offered):
        numbers = [_number(part) for part in match.groups()]
        low, step, high = (number if number is not None else 0.0 for number in numbers)
        steps = (wanted_hz - low) / step if step > 0 else 0.0
        inside = low * (1 - _SAME) <= wanted_hz <= high * (1 + _SAME)
        return _written(wanted_hz) if inside and abs(steps - round(steps)) * step <= _SAME * wanted_hz else None
    return next((text for text in offered.split() if _same(text, wanted_hz)), None)


def _offers(offered: str, wanted_hz: float) -> str:
    if match := _RANGE.fullmatch(offered):
        return f"it offers {match[1]} to {match[3]} Hz in steps of {match[2]} Hz"
    rates = [(abs(number - wanted_hz), text) for text in offered.split() if (number := _number(text)) is not None]
    if not rates:
        return ""
    off, text = min(rates)
    near = f"did you mean rate={_trimmed(text)}Hz? " if off <= _NEAR * wanted_hz else ""
    return f"{near}it offers {', '.join(_trimmed(text) for _, text in rates)} Hz"


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(text: str | None, wanted_hz: float) -> bool:
    number = _number(text) if text else None
    return number is not None and abs(number - wanted_hz) <= _SAME * wanted_hz


def _written(rate_hz: float) -> str:
    return f"{rate_hz:.6f}".rstrip("0").rstrip(".")


def _hertz(rate_hz: float) -> str:
    return f"{_written(rate_hz)} Hz"


def _device(place: Path) -> str:
    return sysfs.read(place.parent / "name") or place.parent.name
