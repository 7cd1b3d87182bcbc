from array import array
from collections.abc import Iterable
from typing import TypeVar, overload

from _typeshed import ReadableBuffer, WriteableBuffer

_Out = TypeVar("_Out", bound=WriteableBuffer)

ENVELOPE_SHARE: float

class Channel:
    def __init__(
        self,
        n: int,
        rate_hz: float,
        *,
        nfft: int | None = None,
        bands: Iterable[tuple[float, float]] = (),
        orders: int = 10,
        order_step: float = 1.0,
        unit_m_s2: float | None = None,
        iso_hz: tuple[float, float] = (10.0, 1000.0),
        envelope: tuple[float, float] | None = None,
        envelope_max_hz: float | None = None,
        prewhiten: bool = True,
        bearing: tuple[float, float, float, float] | None = None,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def nfft(self) -> int: ...
    @property
    def bin_hz(self) -> float: ...
    @property
    def envelope_bin_hz(self) -> float: ...
    @property
    def backend(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def psd(self) -> array[float]: ...
    @property
    def spectrum(self) -> array[float]: ...
    @overload
    def measure(self, x: ReadableBuffer, shaft_hz: float = ..., out: None = None) -> array[float]: ...
    @overload
    def measure(self, x: ReadableBuffer, shaft_hz: float, out: _Out) -> _Out: ...
