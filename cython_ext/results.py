"""What kernels return that is more than a number."""

from typing import NamedTuple


class Statistics(NamedTuple):
    """Statistics of one piece of signal, in the signal's unit where they have one.

    Everything is of the signal without its mean, for a sensor may hold gravity. In shape, impulse, clearance and crossings the
    mean is that of the buffer in which the samples came, rounded to float32, and of its first 65,536 samples where it is longer;
    for a window, therefore, its mean. The three ratios are NaN where every buffer was a constant.

    Attributes:
        count: number of samples.
        mean: arithmetic mean.
        rms: root mean square of the signal without its mean.
        peak: largest distance from the mean.
        peak_to_peak: maximum - minimum.
        crest: peak / rms; 1.414 for a sine.
        skewness: third standardised moment, biased; 0 for a symmetric signal.
        kurtosis: fourth standardised moment, biased, not the excess; 3 for noise with a normal distribution, 1.5 for a sine.
        minimum: smallest sample.
        maximum: largest sample.
        shape: rms / mean distance from the mean; 1.111 for a sine, 1.253 for noise.
        impulse: peak / mean distance from the mean; 1.571 for a sine.
        clearance: peak / squared mean of the square roots of the distances from the mean; 1.716 for a sine.
        zero_crossings: how often the signal crosses its mean; a sample on the mean counts as above.
        clipped: share of samples in runs of three or more at the minimum or the maximum: 0 to 1, near 0 unless a range was
            exceeded; 0 for a constant. A signal of few steps of its converter has such runs, too.
        nonfinite: number of samples that are NaN or infinite.
    """

    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants here
    mean: float
    rms: float
    peak: float
    peak_to_peak: float
    crest: float
    skewness: float
    kurtosis: float
    minimum: float
    maximum: float
    shape: float
    impulse: float
    clearance: float
    zero_crossings: float
    clipped: float
    nonfinite: int


class HighFrequency(NamedTuple):
    """What is heard above the lines of shafts and gears.

    Attributes:
        rms: RMS from 5 to 10 kHz, in the signal's unit.
        peaks: how often the signal leaves 3.5 times its RMS.
    """

    rms: float
    peaks: float


class GearFigures(NamedTuple):
    """Figures of one gear, from its mean revolution; `mesh` in the unit of the signal, the others without one.

    Attributes:
        mesh: peak amplitude of the gear mesh, the order of the number of teeth.
        sideband_index: sum of the amplitudes of the three orders on either side of the mesh / mesh; grows with wear, eccentricity
            and misalignment.
        fm0: peak-to-peak / sum of the amplitudes of the mesh and its harmonics; grows with a heavy fault such as a broken tooth.
        fm4: kurtosis (Gauss = 3) of the average without orders 1 and 2, the mesh and its harmonics and their first sidebands;
            grows with damage to one or two teeth.
        na4: fourth moment of the residual / square of its mean variance so far; goes on growing as damage spreads.
        residual_kurtosis: kurtosis (Gauss = 3) of the residual: as in `fm4`, but with the sidebands left in.
    """

    mesh: float
    sideband_index: float
    fm0: float
    fm4: float
    na4: float
    residual_kurtosis: float


class ShaftSpeed(NamedTuple):
    """A speed that was found in a spectrum.

    Attributes:
        hz: rotations per second; NaN where no comb of harmonics is clearly better than chance.
        confidence: 0 where the best comb is no better than chance ones, towards 1 the more it stands out; NaN without a spectrum.
    """

    hz: float
    confidence: float


class Band(NamedTuple):
    """A band of a kurtogram.

    Attributes:
        low_hz: lower edge.
        high_hz: upper edge.
        kurtosis: spectral kurtosis; 0 for Gaussian noise, -1 for a tone, above 0 for blows.
        deviations: the same in standard deviations of Gaussian noise in this band.
        stands_out: whether that is more than noise gives in any band; if not, no band of the signal is better than another.
    """

    low_hz: float
    high_hz: float
    kurtosis: float
    deviations: float
    stands_out: bool
