"""The catalogue of what is computed of a waveform: one table, from which the choices of `features:`, the documentation, the
tools and the status take names, units, bands, averaging and the standard that is followed.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

VibrationFeature = Literal[
    "mean",
    "rms",
    "peak",
    "peak_to_peak",
    "crest",
    "shape",
    "impulse",
    "clearance",
    "skewness",
    "kurtosis",
    "zero_crossings",
    "velocity_rms",
    "displacement_rms",
    "bands",
    "high_frequency",
    "high_frequency_peaks",
    "speed",
    "harmonics",
    "half_orders",
    "iso_zone",
    "bearing",
    "gear",
]
"""The names of the catalogue, for what may stand under `features:`."""

Need = Literal["", "bands", "speed", "iso", "bearing", "gear"]
"""The key beside `features:` without which there is nothing to compute; empty: none."""

ORDERS = tuple(range(1, 11))
HALF_ORDERS = (0.5, 1.5, 2.5, 3.5, 4.5)
ELEMENTS = ("outer", "inner", "element", "cage")
"""The parts of a bearing that are scored, in the order in which the kernel gives them."""


class FeatureSpec(Struct, frozen=True, kw_only=True):
    """One line of the catalogue.

    Attributes:
        name: as it stands under `features:`.
        unit: its unit; empty where it is that of the waveform.
        sentence: what it tells.
        band: the band of frequencies it is taken over, in words.
        averaging: what it is averaged over within the window.
        standard: the standard, or the work, whose definition it follows.
        needs: the key without which there is none.
        usual: whether it is among those that are computed when `features:` says nothing; with `needs`, when that key is there.
        points: what stands behind `vibration.` in its points, with the unit where it is another one; `{}` stands for a name.
    """

    name: VibrationFeature
    unit: str
    sentence: str
    band: str = "all of the signal without its mean"
    averaging: str = "the whole window"
    standard: str
    needs: Need = ""
    usual: bool = False
    points: tuple[tuple[str, str], ...] = ()


_WORDS = "ISO 2041:2018 (vocabulary)"
_STATISTICS = "scipy.stats and MATLAB Predictive Maintenance Toolbox define it alike"
_WELCH = "Welch: Hann windows of 1 s or 2 s that overlap by half, power averaged"
_TURNS = "synchronous with the shaft: Hann windows of at most 32 turns that overlap by half, power averaged"
_ISO = "ISO 20816-1:2016, broad-band vibration; integrated in the spectrum"

_LINES = (
    FeatureSpec(
        name="mean",
        unit="",
        sentence="the steady part; of an accelerometer the share of gravity that it feels",
        band="0 Hz",
        standard="arithmetic mean",
    ),
    FeatureSpec(name="rms", unit="", sentence="how much it vibrates altogether", standard=_WORDS, usual=True),
    FeatureSpec(name="peak", unit="", sentence="the largest distance from the mean", standard=_WORDS, usual=True),
    FeatureSpec(
        name="peak_to_peak",
        unit="",
        sentence="from the lowest to the highest sample",
        standard=_WORDS,
        usual=True,
    ),
    FeatureSpec(
        name="crest",
        unit="1",
        sentence="peak / RMS: 1.41 for a sine, 4 to 5 for noise, more when something strikes",
        standard=_WORDS,
        usual=True,
    ),
    FeatureSpec(name="shape", unit="1", sentence="RMS / mean distance: 1.11 for a sine, 1.25 for noise", standard=_STATISTICS),
    FeatureSpec(name="impulse", unit="1", sentence="peak / mean distance: rises with single blows", standard=_STATISTICS),
    FeatureSpec(
        name="clearance",
        unit="1",
        sentence="peak / squared mean of the roots: the first to rise with a small spall",
        standard=_STATISTICS,
    ),
    FeatureSpec(
        name="skewness",
        unit="1",
        sentence="whether it swings further to one side; 0 for noise",
        standard=f"third moment, biased; {_STATISTICS}",
        usual=True,
    ),
    FeatureSpec(
        name="kurtosis",
        unit="1",
        sentence="how much of it is in peaks: 3 for noise (not the excess), 1.5 for a sine, more with blows",
        standard=f"fourth moment, biased, Gauss = 3; {_STATISTICS}",
        usual=True,
    ),
    FeatureSpec(
        name="zero_crossings",
        unit="1/s",
        sentence="how often it crosses its mean: twice the frequency of what is strongest",
        standard="count per second",
    ),
    FeatureSpec(
        name="velocity_rms",
        unit="mm/s",
        sentence="the vibration velocity that standards judge machines by",
        band="10-1000 Hz, below 600 rpm 2-1000 Hz",
        averaging=_WELCH,
        standard=_ISO,
        usual=True,
    ),
    FeatureSpec(
        name="displacement_rms",
        unit="µm",
        sentence="how far it moves; what counts on slow machines",
        band="10-1000 Hz, below 600 rpm 2-1000 Hz",
        averaging=_WELCH,
        standard=f"{_ISO}, twice",
    ),
    FeatureSpec(
        name="bands",
        unit="",
        sentence="RMS in a band of your own, see `bands:`",
        band="as written",
        averaging=_WELCH,
        standard="power density summed over the band; bands of ISO 15242-2 are 50-300, 300-1800 and 1800-10000 Hz",
        needs="bands",
        usual=True,
        points=(("band.{}", ""),),
    ),
    FeatureSpec(
        name="high_frequency",
        unit="",
        sentence="RMS where metal touches metal: lubrication, early damage",
        band="5-10 kHz, at most 0.95 of half the rate",
        averaging=_WELCH,
        standard="an index of this gateway; not the spike energy of an analyser",
    ),
    FeatureSpec(
        name="high_frequency_peaks",
        unit="1/s",
        sentence="how often it leaves 3.5 times its RMS; noise does about once in 2000 samples",
        standard="an index of this gateway",
    ),
    FeatureSpec(
        name="speed",
        unit="rpm",
        sentence="the speed of the shaft that the other features rest on: written, read or estimated",
        band="as written under `speed:`",
        standard="see `speed:`",
        needs="speed",
        points=(("speed", "rpm"),),
    ),
    FeatureSpec(
        name="harmonics",
        unit="",
        sentence="amplitude (peak) at 1 to 10 times the shaft: unbalance, misalignment, looseness",
        band="1.5 bins or 1 % about the order",
        averaging=_TURNS,
        standard="ISO 13373-2:2016, order analysis",
        needs="speed",
        points=tuple((f"harmonic.{order}", "") for order in ORDERS),
    ),
    FeatureSpec(
        name="half_orders",
        unit="",
        sentence="amplitude (peak) at 0.5, 1.5 … 4.5 times the shaft: rub, looseness, belts",
        band="1.5 bins or 1 % about the order",
        averaging=_TURNS,
        standard="ISO 13373-2:2016, order analysis",
        needs="speed",
        points=tuple((f"harmonic.{order:g}", "") for order in HALF_ORDERS),
    ),
    FeatureSpec(
        name="iso_zone",
        unit="",
        sentence="the zone A (new) to D (damages) of the worst axis",
        band="10-1000 Hz, below 600 rpm 2-1000 Hz",
        averaging=_WELCH,
        standard="ISO 20816-3:2022, ISO 10816-1:1995 or ISO 10816-7:2009, see `iso:`",
        needs="iso",
        usual=True,
    ),
    FeatureSpec(
        name="bearing",
        unit="dB",
        sentence="what the envelope tells of a rolling bearing: the damaged part (a text), and the score of each",
        band="500 Hz to 0.95 of half the rate, prewhitened",
        standard="squared envelope spectrum: Randall and Antoni 2011; see docs/features.md",
        needs="bearing",
        usual=True,
        points=(("bearing{}", ""), ("bearing{}.score", "dB"), *((f"bearing{{}}.{part}", "dB") for part in ELEMENTS)),
    ),
    FeatureSpec(
        name="gear",
        unit="1",
        sentence="what a gear pair tells: its mesh, the sidebands beside it, and how even the teeth are",
        band="about multiples of the mesh frequency",
        averaging="synchronous with the shaft, over whole turns of the window",
        standard="FM0 and FM4: Stewart 1977; NA4: Zakrajsek 1993; sideband index: six sidebands over the mesh (amplitudes)",
        needs="gear",
        usual=True,
        points=(("gear.mesh", ""), ("gear.sidebands", "1"), ("gear.fm0", "1"), ("gear.fm4", "1"), ("gear.na4", "1")),
    ),
)

CATALOGUE: dict[str, FeatureSpec] = {line.name: line for line in _LINES}
"""All features, by name, in the order in which they are told."""

ZONE = "iso_zone"
"""The one feature that is not of a waveform, but of all axes of a sensor."""

TEXTS = (ZONE, "bearing")
"""Features whose first point is a text."""
