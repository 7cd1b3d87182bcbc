"""The axes of one sensor: a machine is judged by the worst of them, once in a round."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.model import Quality, Reason

from .iso import worst
from .result import Result


class Axes:
    """Collects what the standard says of each axis.

    Attributes:
        known: the axes there are, by letter; empty for a sensor with one.
        refused: why there is no verdict, in words; empty when there is.
    """

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.refused = ""
        self._round: dict[str, Result] = {}

    def judged(self, axis: str, result: Result) -> Iterator[tuple[str, Quality, Reason]]:
        """Take the result of one axis; yield zone, quality and reason of each round that it ends.

        A round ends when every axis has spoken, or one speaks again, for then another has been lost on the way. A zone rests on
        the axes that could be judged; while one of them cannot, it is uncertain, for that one may be worse.
        """
        if axis in self._round:
            yield self._verdict()
        self._round[axis] = result
        if set(self._round) == self.known:
            yield self._verdict()

    def _verdict(self) -> tuple[str, Quality, Reason]:
        results, complete = list(self._round.values()), set(self._round) == self.known
        self._round.clear()
        verdict = worst(result.zone for result in results if result.zone is not None)
        self.refused = f"no zone: {verdict.refused}" if verdict is not None and verdict.refused else ""
        bad = next((result for result in results if result.quality is Quality.BAD), None)
        if verdict is None or not verdict.zone:
            return "", Quality.BAD, bad.reason if bad else Reason.NOT_SUPPORTED
        doubtful = next((result for result in results if result.quality is not Quality.GOOD), None)
        if doubtful is not None:
            return verdict.zone, Quality.UNCERTAIN, doubtful.reason
        return (verdict.zone, Quality.GOOD, Reason.NONE) if complete else (verdict.zone, Quality.UNCERTAIN, Reason.NO_DATA)
