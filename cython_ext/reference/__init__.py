"""Every kernel once more in plain Python, with the same signatures: slow, readable, and the oracle that the tests compare with.

Nothing in the daemon imports this. Where a kernel promises how numbers are rounded, this says what the exact result is.
"""

from __future__ import annotations

from .bands import band_energies, band_rms, displacement_rms, harmonics, high_frequency_index, velocity_rms
from .bearing import BearingScores
from .cepstrum import Cepstrum
from .comb import SpeedComb
from .envelope import Envelope
from .frames import HEAD, crc32c, frame, scan
from .gate import Gate
from .gears import Gear
from .kurtogram import Kurtogram
from .orders import AngleResampler, difference, drift, order_spectrum, synchronous_average
from .registers import BIT, BOOL, FLOAT32, FLOAT64, INT16, INT32, INT64, UINT16, UINT32, UINT64, Decoder, Item, crc16
from .ring import Ring
from .scans import Pace, Scans
from .shaft import floor_of, shaft_speed
from .spectrum import ComplexFFT, RealFFT, Welch, next_fast_length
from .statistics import Moments, statistics, theil_sen, theil_sen_interval
from .trackers import cusum, ewma, goertzel, page_hinkley
from .vector import Channel

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
    "AngleResampler",
    "BearingScores",
    "Cepstrum",
    "Channel",
    "ComplexFFT",
    "Decoder",
    "Envelope",
    "Gate",
    "Gear",
    "Item",
    "Kurtogram",
    "Moments",
    "Pace",
    "RealFFT",
    "Ring",
    "Scans",
    "SpeedComb",
    "Welch",
    "band_energies",
    "band_rms",
    "crc16",
    "crc32c",
    "cusum",
    "difference",
    "displacement_rms",
    "drift",
    "ewma",
    "floor_of",
    "frame",
    "goertzel",
    "harmonics",
    "high_frequency_index",
    "next_fast_length",
    "order_spectrum",
    "page_hinkley",
    "scan",
    "shaft_speed",
    "statistics",
    "synchronous_average",
    "theil_sen",
    "theil_sen_interval",
    "velocity_rms",
]
