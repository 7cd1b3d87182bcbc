"""Whether a window can be trusted: what is broken, dead or overdriven gives no number, or one that says so."""

from __future__ import annotations

from cython_ext.results import Statistics
from gateway.model import Quality, Reason

CLIPPED_SHARE = 0.01
"""Share of samples at the end of the range from which on a signal is clipped. A sine of 14 bits that just fits stays below."""

CLIPPED_SHARE_OF_BLOWS = 0.0005
"""The same for a signal of blows, which stays at the end of its range only for moments."""

BLOWS_CREST = 2.5
"""Crest factor from which on a signal is one of blows; a smooth one, whose top is flat by nature, lies below."""

LARGEST = 1e12
"""No sensor gives a larger value in any unit; the power of such a line no longer fits into a float."""


def fitness(statistics: Statistics) -> tuple[Quality, Reason]:
    """Judge a window by its statistics.

    Nothing but NaN, or the same value all the time, is a sensor that is dead or not there. Single samples that are no number, and
    overflows, spoil everything that is computed of them. A clipped signal gives numbers, but they are too small, or distorted.
    """
    if statistics.nonfinite:
        return Quality.BAD, Reason.NO_SENSOR if statistics.nonfinite == statistics.count else Reason.OUT_OF_RANGE
    if not statistics.peak_to_peak > 0:
        return Quality.BAD, Reason.NO_SENSOR
    if statistics.peak > LARGEST:
        return Quality.BAD, Reason.OUT_OF_RANGE
    share = CLIPPED_SHARE_OF_BLOWS if statistics.crest > BLOWS_CREST else CLIPPED_SHARE
    if statistics.clipped > share:
        return Quality.UNCERTAIN, Reason.CLIPPED
    return Quality.GOOD, Reason.NONE
