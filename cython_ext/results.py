"""What kernels return that is more than a number."""

from typing import NamedTuple


class Statistics(NamedTuple):
    """Statistics of one piece of signal, in the signal's unit where they have one.

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


class HighFrequency(NamedTuple):
    """What is heard above the lines of shafts and gears.

    Attributes:
        rms: RMS from 5 to 10 kHz, in the signal's unit.
        peaks: how often the signal leaves 3.5 times its RMS.
    """

    rms: float
    peaks: float
