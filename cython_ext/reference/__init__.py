"""Every kernel once more in plain Python, with the same signatures: slow, readable, and the oracle that the tests compare with.

Nothing in the daemon imports this. Where a kernel promises how numbers are rounded, this says what the exact result is.
"""

from __future__ import annotations

from .frames import HEAD, crc32c, frame, scan
from .gate import Gate
from .registers import BIT, BOOL, FLOAT32, FLOAT64, INT16, INT32, INT64, UINT16, UINT32, UINT64, Decoder, Item, crc16
from .spectrum import RealFFT, Welch, band_rms, next_fast_length, velocity_rms
from .statistics import statistics, theil_sen

__all__ = [
    "BIT",
    "BOOL",
    "FLOAT32",
    "FLOAT64",
    "HEAD",
    "INT16",
    "INT32",
    "INT64",
    "UINT16",
    "UINT32",
    "UINT64",
    "Decoder",
    "Gate",
    "Item",
    "RealFFT",
    "Welch",
    "band_rms",
    "crc16",
    "crc32c",
    "frame",
    "next_fast_length",
    "scan",
    "statistics",
    "theil_sen",
    "velocity_rms",
]
