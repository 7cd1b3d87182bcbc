from array import array
from typing import TypeVar, overload

from _typeshed import ReadableBuffer, WriteableBuffer

_Out = TypeVar("_Out", bound=WriteableBuffer)

SLIP: float
CAGE_SLIP: float

class BearingScores:
    def __init__(self, bins: int, bin_hz: float, outer: float, inner: float, element: float, cage: float) -> None: ...
    @property
    def bin_hz(self) -> float: ...
    @overload
    def scores(self, spectrum: ReadableBuffer, shaft_hz: float, out: None = None) -> array[float]: ...
    @overload
    def scores(self, spectrum: ReadableBuffer, shaft_hz: float, out: _Out) -> _Out: ...
    def level(self, spectrum: ReadableBuffer, shaft_hz: float, hz: float) -> float: ...
