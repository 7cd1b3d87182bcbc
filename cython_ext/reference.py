"""Every kernel once more in plain Python, with the same signatures: slow, readable, and the oracle that the tests compare with.

Nothing in the daemon imports this. Where a kernel promises how numbers are rounded, this says what the exact result is.
"""

from __future__ import annotations

import cmath
import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

from cython_ext.results import Statistics

# ---- frames of a log

HEAD = 24


def crc32c(data: bytes, crc: int = 0) -> int:
    """Return the CRC-32C of `data`: reflected polynomial 0x82F63B78, start and end inverted; continued from `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def frame(payloads: list[bytes], seqs: Sequence[int], stamps: Sequence[int], seed: int) -> bytearray:
    """Return the frames one after the other; see `cython_ext.frames.frame`."""
    framed = bytearray()
    for payload, seq, stamp in zip(payloads, seqs, stamps, strict=True):
        body = struct.pack("<IQq", len(payload), seq, stamp) + payload
        framed += struct.pack("<I", crc32c(body, seed)) + body
        framed += bytes(-len(framed) % 8)
    return framed


def scan(data: bytes, start: int, seed: int, after: int, below: int) -> tuple[list[int], list[int], list[int], int, int]:
    """Return offsets, seqs and stamps of the good frames, where they end and how many damaged ones follow."""
    found, at, behind = [], start, start
    while at + HEAD <= len(data):
        length, seq, stamp = struct.unpack_from("<IQq", data, at + 4)
        fits = after < seq < below and at + HEAD + length <= len(data)
        if fits and crc32c(data[at + 4 : at + HEAD + length], seed) == int.from_bytes(data[at : at + 4], "little"):
            found.append((at, seq, stamp))
            after = seq
            at = behind = at + _padded(length)
        else:
            at += 8
    offsets, seqs, stamps = (list(column) for column in zip(*found, strict=True)) if found else ([], [], [])
    return offsets, seqs, stamps, behind, _damaged(data, behind, after)


def _damaged(data: bytes, at: int, last: int) -> int:
    if _empty(data, at):
        at = -(-at // 4096) * 4096
        if _empty(data, at) or (int.from_bytes(data[at + 8 : at + 16], "little") ^ (last + 1)).bit_count() > 1:
            return 0
    count = 0
    while at + HEAD <= len(data):
        length, seq = struct.unpack_from("<IQ", data, at + 4)
        if seq != last + count + 1 or at + HEAD + length > len(data):
            break
        count += 1
        at += _padded(length)
    return max(count, 1)


def _empty(data: bytes, at: int) -> bool:
    head = data[at : at + HEAD]
    return len(head) < HEAD or int.from_bytes(head, "little").bit_count() <= 2


def _padded(length: int) -> int:
    return (HEAD + length + 7) // 8 * 8


# ---- registers

BOOL, BIT, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT32, FLOAT64 = range(10)

Item = tuple[int, int, int, bool, bool, int, float, float]
"""Column, byte offset, type code, word swap, byte swap, bit, scale, offset."""

_SIZE = {BOOL: 1, INT32: 4, UINT32: 4, INT64: 8, UINT64: 8, FLOAT32: 4, FLOAT64: 8}
_NO_SENSOR = 9


def crc16(data: bytes) -> int:
    """Return the CRC-16/MODBUS of `data`: reflected polynomial 0xA001, start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


class Decoder:
    """Decodes an answer into columns; see `cython_ext.registers.Decoder`."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = list(items)
        self.needed = max((self._end(item) for item in self._items), default=0)
        self.columns = max((item[0] + 1 for item in self._items), default=0)

    @staticmethod
    def _end(item: Item) -> int:
        _, at, kind, _, _, bit, *_ = item
        return at + bit // 8 + 1 if kind == BOOL else at + _SIZE.get(kind, 2)

    def decode(self, data: bytes, values: array[float], quality: bytearray, reason: bytearray) -> list[tuple[int, int]] | None:
        """Write values, quality and reason of every item's column; return the integers that a float64 cannot be trusted to hold."""
        if len(data) < self.needed or min(len(values), len(quality), len(reason)) < self.columns:
            raise ValueError("too short")
        exact = []
        for column, at, kind, word_swap, byte_swap, bit, scale, offset in self._items:
            raw = _raw(bytes(data), at, kind, word_swap, byte_swap, bit)
            value = _scaled(raw, scale, offset)
            good = math.isfinite(value)
            values[column] = value if good else math.nan
            quality[column] = 192 if good else 0
            reason[column] = 0 if good else _NO_SENSOR
            if kind in (INT64, UINT64) and (scale, offset) == (1, 0) and abs(raw) > 2**53:
                exact.append((column, int(raw)))
        return exact or None


def _raw(data: bytes, at: int, kind: int, word_swap: bool, byte_swap: bool, bit: int) -> float:
    if kind == BOOL:
        return data[at + bit // 8] >> bit % 8 & 1
    words = [data[i : i + 2] for i in range(at, at + _SIZE.get(kind, 2), 2)]
    if word_swap:
        words.reverse()
    if byte_swap:
        words = [word[::-1] for word in words]
    value = b"".join(words)
    if kind == BIT:
        return int.from_bytes(value, "big") >> bit & 1
    if kind in (FLOAT32, FLOAT64):
        return float(memoryview(value[::-1]).cast("f" if kind == FLOAT32 else "d")[0])  # big-endian to the machine's little-endian
    return int.from_bytes(value, "big", signed=kind in (INT16, INT32, INT64))


def _scaled(raw: float, scale: float, offset: float) -> float:
    """Return raw * scale + offset with scale and offset as the decimal numbers they were written as, rounded once."""
    if not math.isfinite(raw):
        return math.nan
    try:
        return float(Fraction(raw) * Fraction(repr(scale)) + Fraction(repr(offset)))
    except OverflowError:
        return math.inf


# ---- gate


class Gate:
    """Picks from a scan what is worth reporting; see `cython_ext.gate.Gate`."""

    def __init__(self, deadbands: Sequence[float], heartbeats_s: Sequence[float], always: Sequence[int]) -> None:
        self._rules = list(zip(deadbands, heartbeats_s, always, strict=True))
        self._reported: dict[int, tuple[float, int, int, float]] = {}

    def select(
        self,
        now_s: float,
        values: Sequence[float],
        quality: Sequence[int],
        reason: Sequence[int],
        rows: Sequence[int] | None,
        out: array[int],
    ) -> int:
        """Write the columns worth reporting into `out`, remember them as reported, and return how many they are."""
        selected = 0
        for column, (value, q, r) in enumerate(zip(values, quality, reason, strict=True)):
            row = column if rows is None else rows[column]
            if self._worth(row, value, q, r, now_s):
                self.touch(row, value, q, r, now_s)
                out[selected] = column
                selected += 1
        return selected

    def _worth(self, row: int, value: float, quality: int, reason: int, now_s: float) -> bool:
        deadband, heartbeat_s, always = self._rules[row]
        if always or row not in self._reported:
            return True
        last, last_quality, last_reason, last_s = self._reported[row]
        if (quality, reason) != (last_quality, last_reason):
            return True
        same = value == last or (math.isnan(value) and math.isnan(last))
        if quality != 0 and not same and not abs(value - last) <= deadband:
            return True
        return heartbeat_s > 0 and now_s - last_s >= heartbeat_s

    def force(self, row: int) -> None:
        """Make the next `select` that sees this row report it."""
        self._reported.pop(row, None)

    def touch(self, row: int, value: float, quality: int, reason: int, now_s: float) -> None:
        """Remember a report of this row that was made elsewhere."""
        self._reported[row] = (value, quality, reason, now_s)


# ---- statistics


def statistics(x: Sequence[float]) -> Statistics:
    """Return the `Statistics` of `x`."""
    n = len(x)
    if n == 0:
        raise ValueError("no samples")
    if not all(map(math.isfinite, x)):
        return Statistics(n, *[math.nan] * 9)
    mean = math.fsum(x) / n
    second, third, fourth = (math.fsum((v - mean) ** power for v in x) / n for power in (2, 3, 4))
    low, high = min(x), max(x)
    if low == high:
        return Statistics(n, low, 0.0, 0.0, 0.0, math.nan, math.nan, math.nan, low, high)
    rms = math.sqrt(second)
    peak = max(abs(v - mean) for v in x)
    return Statistics(n, mean, rms, peak, high - low, peak / rms, third / rms**3, fourth / second**2, low, high)


def theil_sen(t: Sequence[float], y: Sequence[float]) -> float:
    """Return the median of the slopes between all pairs of points at different t."""
    if not all(map(math.isfinite, (*t, *y))):
        return math.nan
    pairs = combinations(zip(t, y, strict=True), 2)
    slopes = sorted((yb - ya) / (tb - ta) for (ta, ya), (tb, yb) in pairs if ta != tb)
    if not slopes:
        raise ValueError("no two different times")
    upper, lower = slopes[len(slopes) // 2], slopes[(len(slopes) - 1) // 2]
    return lower + (upper - lower) / 2


# ---- spectrum


def _smallest_factor(n: int) -> int:
    return next((factor for factor in (2, 3, 5) if n % factor == 0), n)


def _is_fast_length(n: int) -> bool:
    if n < 2 or n % 2:
        return False
    while n > 1 and (factor := _smallest_factor(n)) <= 5:
        n //= factor
    return n == 1


def next_fast_length(n: int) -> int:
    """Return the smallest even length >= n without a prime factor above 5."""
    if n < 1:
        raise ValueError("the length must be 1 or more")
    return next(length for length in range(n + n % 2, 4 * n + 4, 2) if _is_fast_length(length))


def _dft(x: Sequence[complex]) -> list[complex]:
    """Transform every p-th sample on its own, p the smallest prime factor, and put the parts together."""
    n = len(x)
    if n == 1:
        return [complex(x[0])]
    p = _smallest_factor(n)
    parts = [_dft(x[first::p]) for first in range(p)]
    return [sum(cmath.rect(1, -2 * math.pi * (k * j % n) / n) * parts[j][k % (n // p)] for j in range(p)) for k in range(n)]


def _bins(x: Sequence[float]) -> list[complex]:
    return _dft([complex(v) for v in x])[: len(x) // 2 + 1]


class RealFFT:
    """FFT of `n` real samples; see `cython_ext.spectrum.RealFFT`."""

    def __init__(self, n: int) -> None:
        if not _is_fast_length(n):
            raise ValueError(f"{n} samples: the next good length is {next_fast_length(max(n, 1))}")
        self.n = n

    def forward(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the n//2 + 1 bins as float32 pairs real, imaginary."""
        if len(x) != self.n:
            raise ValueError("the number of samples does not fit")
        out = array("f", bytes(4 * (self.n + 2))) if out is None else out
        for k, value in enumerate(_bins(x)):
            out[2 * k], out[2 * k + 1] = value.real, value.imag
        return out


class Welch:
    """Power spectral density; see `cython_ext.spectrum.Welch`."""

    def __init__(self, nfft: int, rate_hz: float) -> None:
        if not _is_fast_length(nfft):
            raise ValueError(f"{nfft} samples: the next good length is {next_fast_length(max(nfft, 1))}")
        self.nfft = nfft
        self.rate_hz = rate_hz
        self._window = [0.5 - 0.5 * math.cos(2 * math.pi * i / nfft) for i in range(nfft)]

    @property
    def bin_hz(self) -> float:
        """Distance of two bins in Hz."""
        return self.rate_hz / self.nfft

    def psd(self, x: Sequence[float], out: array[float] | None = None) -> array[float]:
        """Return the one-sided density of the mean of all half-overlapping segments."""
        if len(x) < self.nfft:
            raise ValueError("too few samples for a segment")
        starts = range(0, len(x) - self.nfft + 1, self.nfft // 2)
        segments = [self._power(x[start : start + self.nfft]) for start in starts]
        scale = 2 / (self.rate_hz * math.fsum(w * w for w in self._window) * len(segments))
        out = array("d", bytes(8 * (self.nfft // 2 + 1))) if out is None else out
        for k, powers in enumerate(zip(*segments, strict=True)):
            out[k] = math.fsum(powers) * scale
        out[0] /= 2
        out[self.nfft // 2] /= 2
        return out

    def _power(self, segment: Sequence[float]) -> list[float]:
        mean = math.fsum(segment) / self.nfft
        return [abs(value) ** 2 for value in _bins([(v - mean) * w for v, w in zip(segment, self._window, strict=True)])]


def _weights(bins: int, bin_hz: float, low_hz: float, high_hz: float) -> dict[int, float]:
    """Bins of a band and their weights: 1 inside, 1/2 where the edge of the band lies within the bin but not on its middle."""
    last_hz = (bins - 1) * bin_hz
    if not (bin_hz > 0 and bins > 0 and 0 <= low_hz < high_hz and low_hz <= last_hz):
        raise ValueError("no such band")
    low, high = low_hz / bin_hz, min(high_hz, last_hz) / bin_hz
    first, last = math.floor(low + 0.5), math.floor(high + 0.5)
    weights = dict.fromkeys(range(first, last + 1), 1.0)
    for edge, nearest in ((low, first), (high, last)):
        if abs(edge - nearest) >= 1e-6:
            weights[nearest] = 0.5
    return weights


def band_rms(psd: Sequence[float], bin_hz: float, low_hz: float, high_hz: float) -> float:
    """Return the RMS in the band, in the unit of the signal."""
    weights = _weights(len(psd), bin_hz, low_hz, high_hz)
    return math.sqrt(math.fsum(weight * psd[k] for k, weight in weights.items()) * bin_hz)


def velocity_rms(psd: Sequence[float], bin_hz: float, low_hz: float = 10.0, high_hz: float = 1000.0) -> float:
    """Return the velocity RMS in mm/s from a density of acceleration in (m/s²)²/Hz."""
    weights = _weights(len(psd), bin_hz, low_hz, high_hz)
    velocities = (weight * psd[k] / (2 * math.pi * k * bin_hz) ** 2 for k, weight in weights.items() if k)
    return math.sqrt(math.fsum(velocities) * bin_hz) * 1000
