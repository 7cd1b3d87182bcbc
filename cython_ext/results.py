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
