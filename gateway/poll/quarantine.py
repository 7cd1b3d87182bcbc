"""When a machine that failed is asked again, and how long that may take: seldom and briefly, and yet soon after its return."""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct

FIRST_REST_S: Final = 0.5
LONGEST_REST_S: Final = 8.0
"""A machine that comes back is seen within this and one probe."""

LONGEST_RELAPSE_S: Final = 60.0
"""Longest rest of a machine that answers probes and then not its reads."""

SHORTEST_PROBE_S: Final = 0.1
LONGEST_PROBE_S: Final = 0.4

FREE_PROBE_S: Final = 2.0
"""Longest wait for an answer to a probe while nobody else has to wait for it."""

SHARE: Final = 0.05
"""The part of a line's time that a machine may cost the others without giving anything."""

_PATIENT_SHARE: Final = 0.04
_RELAPSES: Final = 2


class Quarantine(Struct):
    """The state of one machine: in quarantine from its first failure to its first good read.

    Attributes:
        failures: failures in a row, of reads and probes.
        probe_at_s: when it is asked next, monotonic seconds.
    """

    failures: int = 0
    probe_at_s: float = 0.0
    _relapses: int = 0
    _wait_s: float = 0.0
    _credit_s: float = 0.0
    _credited_s: float = 0.0

    @property
    def active(self) -> bool:
        """Whether the machine is in quarantine."""
        return self.failures > 0

    def over(self) -> None:
        """A read went well."""
        self.failures = self._relapses = 0
        self._credit_s = 0.0

    def failed(self, now_s: float, took_s: float, *, probe: bool) -> None:
        """A read, or the probe before it, failed after `took_s`; set the next moment, rests double and are spread by chance."""
        self.failures += 1
        rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(self.failures - 1, 10))
        if not probe:
            self._relapses += 1
            self._wait_s = took_s
            if self._relapses > _RELAPSES:
                rest_s = max(rest_s, min(LONGEST_RELAPSE_S, took_s * (1 / SHARE - 1)))
        self.probe_at_s = now_s + rest_s * random.uniform(0.75, 1.0)  # noqa: S311  (jitter, not a secret)

    def patience_s(self, now_s: float, line_s: float, machine_s: float, *, free: bool) -> float | None:
        """Return how long the probe that begins now may wait, None: as long as a read.

        Args:
            now_s: monotonic seconds.
            line_s: p99 of the response times on the line, 0 when unknown.
            machine_s: the same of this machine.
            free: nobody else waits for it.
        """
        if free:
            return None if self.failures % 4 == 0 and self._wait_s <= LONGEST_REST_S else FREE_PROBE_S
        brief_s = min(LONGEST_PROBE_S, max(SHORTEST_PROBE_S, 3 * line_s, 1.5 * machine_s)) if line_s else LONGEST_PROBE_S
        elapsed_s = now_s - self._credited_s if self._credited_s else 0.0
        self._credited_s = now_s
        self._credit_s = min(self._credit_s + _PATIENT_SHARE * elapsed_s, LONGEST_REST_S)
        if self._wait_s and self._credit_s >= self._wait_s:  # a machine that is slow by nature must be found again, too
            self._credit_s = 0.0
            return None
        self._credit_s -= min(brief_s, self._credit_s)
        return brief_s
