"""Numbers as small whole numbers: exact where they are decimals anyway, else within the error the point's resolution allows.

A scale says what a whole number `k` stands for. Relative scales are logarithmic, so that the error is a share of the number
itself however small or large it is. What a scale cannot hold within its error stays as it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from gateway.config.quantity import Resolution

MOST_DIGITS = 17
MOST_DECIMALS = 6
"""Decimals that are looked for in numbers that are sent exactly; a scaled register seldom has more."""
_LARGEST_K = 2**53
_TINY = sys.float_info.min
"""A share of a number that is smaller is itself not exact in a float, so that number is sent as it is."""

Mode = Literal["whole", "linear", "relative"]


class Scale(Struct, frozen=True):
    """What whole numbers stand for.

    Attributes:
        mode: `whole`: `k` itself. `linear`: `k * step` rounded to `digits` decimals. `relative`: `step ** k` rounded to `digits`
            significant digits, with a sign beside it.
        step: see mode.
        digits: see mode.
        error: how far a number may be off, 0 where it is exact; in a relative scale as a share of itself.
    """

    mode: Mode
    step: float = 1.0
    digits: int = 0
    error: float = 0.0

    def number(self, k: int) -> float | int:
        """Return the number that `k` stands for; of a relative scale its magnitude.

        Raises:
            OverflowError: it is beyond what a float can hold.
        """
        if self.mode == "whole":
            return k
        return _magnitude(self.step, self.digits, k) if self.mode == "relative" else round(k * self.step, self.digits)


@lru_cache(4096)
def _magnitude(step: float, digits: int, k: int) -> float:
    return float(f"{step**k:.{digits - 1}e}")


WHOLE = Scale("whole")
DECIMALS = tuple(Scale("linear", float(f"1e-{digits}"), digits) for digits in range(MOST_DECIMALS + 1))


@lru_cache(256)
def scale_of(resolution: Resolution) -> Scale:
    """Return the scale that keeps a resolution: the coarsest whose numbers are still round to look at."""
    most = float(resolution.most)  # 5 and 5.0 are one resolution here, and one on the wire
    if not resolution.relative:
        exponent = Decimal(repr(most)).normalize().as_tuple().exponent
        return Scale("linear", most, min(MOST_DIGITS, max(0, -int(exponent))), most)
    digits = 2 + math.ceil(-math.log10(most))  # rounding them takes 1/20 of the error at most
    rounding = 0.5 * 10.0 ** (1 - digits)
    step = ((1 + most) / (1 + rounding)) ** 2 * (1 - 1e-12)
    return Scale("relative", float(f"{step:.12g}"), digits, most)


class Coded(Struct):
    """Numbers on a scale: `k` by number, 0 where it cannot hold them; `signs` of a relative scale; `exact` those it cannot hold."""

    k: list[int]
    signs: list[int]
    exact: dict[int, float | int | None]


def coded(numbers: Sequence[float | int | None], scale: Scale) -> Coded:
    """Put numbers on a scale; each one that is on it decodes to within the error of the scale."""
    if scale.mode == "relative":
        return _relative(numbers, scale)
    ks: list[int] = []
    exact: dict[int, float | int | None] = {}
    step, digits, error, whole = scale.step, scale.digits, scale.error, scale.mode == "whole"
    per = 10**digits
    for i, number in enumerate(numbers):
        if number is not None and -_LARGEST_K * step < number < _LARGEST_K * step:
            if whole:
                ks.append(int(number))
                continue
            k = round(number * per) if error == 0.0 else round(number / step)
            back = round(k * step, digits)
            if abs(number - back) <= error and (number or math.copysign(1.0, number) > 0 or error):
                ks.append(k)
                continue
        ks.append(0)
        exact[i] = number
    return Coded(ks, [], exact)


def _relative(numbers: Sequence[float | int | None], scale: Scale) -> Coded:
    ks, signs = [], []
    exact: dict[int, float | int | None] = {}
    step, digits, error = scale.step, scale.digits, scale.error
    per = 1.0 / math.log(step)
    for i, number in enumerate(numbers):
        k, sign = 0, 1
        if number is None:
            exact[i] = None
        elif number == 0:
            sign = 0
        else:
            size = abs(number)
            sign = 1 if number > 0 else -1
            k = round(math.log(size) * per)
            try:
                good = error * size >= _TINY and abs(size - _magnitude(step, digits, k)) <= error * size
            except OverflowError:
                good = False
            if not good:
                k, sign = 0, 1
                exact[i] = number
        ks.append(k)
        signs.append(sign)
    return Coded(ks, signs, exact)


def decimals(numbers: Iterable[float | None]) -> Scale | None:
    """Return the scale on which all the numbers are exact decimals with few digits, None when there is none."""
    most = 0
    for number in numbers:
        if number is not None:
            text = repr(number)
            places = len(text) - text.find(".") - 1
            if places > most and not text.endswith(".0"):
                most = places
            if most > MOST_DECIMALS or "e" in text:
                return None
    return DECIMALS[most]


def rounded(number: float, resolution: Resolution) -> float:
    """Return the number with as few digits as the resolution allows, for a text encoding; within it, or the number itself."""
    most = resolution.most
    if resolution.relative:
        if most * abs(number) < _TINY:
            return number
        needed = max(1, math.ceil(-math.log10(2 * most)) + 1)
        candidates = [float(f"{number:.{digits - 1}e}") for digits in range(max(1, needed - 1), needed + 1)]
        allowed = most * abs(number)
    elif abs(number) < _LARGEST_K * most:
        candidates = [round(round(number / most) * most, scale_of(resolution).digits)]
        allowed = most
    else:
        return number
    for short in candidates:
        if abs(number - short) <= allowed and math.isfinite(short):
            return short if isinstance(number, float) else int(short) if short.is_integer() else number
    return number
