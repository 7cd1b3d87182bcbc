# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What follows a value for long: one line of a spectrum by Goertzel's recurrence, and control charts that see small shifts.

A chart takes one value after another in constant time and says by a sign where it stands: 1 too high, -1 too low, 0 in control.
A value that is not finite is passed over. `keep` gives the state as plain JSON values, `restore` takes it back.
`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from libc.math cimport M_PI, cos, isfinite, sin, sqrt


def goertzel(const float[::1] x, double rate_hz, double hz):
    """Return the peak amplitude of the line at `hz` in `x`: of one bin of a Fourier transform, which need not be a whole number.

    By Goertzel's recurrence (American Mathematical Monthly 65, 1958) in float64: for a handful of lines cheaper than a transform.
    No window: over whole periods a sine gives its amplitude exactly; over broken ones it is off, and other lines and the mean leak
    in. At 0 Hz and half the rate the amplitude is the mean of x, or of x with every other sign changed.

    Args:
        x: samples.
        rate_hz: samples per second.
        hz: 0 to half the rate.

    Raises:
        ValueError: there are no samples, or no such line.
    """
    cdef Py_ssize_t n = x.shape[0]
    cdef Py_ssize_t i
    cdef double angle, factor, now, real, imaginary, amplitude
    cdef double before = 0
    cdef double before_that = 0
    if n == 0:
        raise ValueError("no samples to find a line in")
    if not 0 < rate_hz < float("inf"):
        raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
    if not 0 <= hz <= rate_hz / 2:
        raise ValueError(f"a line at {hz} Hz; it must be from 0 to {rate_hz / 2:g} Hz, half the rate")
    angle = 2 * M_PI * hz / rate_hz
    factor = 2 * cos(angle)
    with nogil:
        for i in range(n):
            now = x[i] + factor * before - before_that
            before_that = before
            before = now
    real, imaginary = before - before_that * cos(angle), before_that * sin(angle)
    amplitude = sqrt(real * real + imaginary * imaginary) / n
    return amplitude if hz == 0 or 2 * hz == rate_hz else 2 * amplitude


cdef double above_zero(str what, double value) except -1:
    if not 0 < value < float("inf"):
        raise ValueError(f"{what} of {value}; it must be above 0")
    return value


cdef double finite(str what, double value) except? -1:
    if not isfinite(value):
        raise ValueError(f"{what} of {value}; it must be a number")
    return value


cdef double number(kept, str name) except? -1:
    """A number of a kept state."""
    try:
        value = float(kept[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"the kept state has no number '{name}'") from None
    if not isfinite(value):
        raise ValueError(f"the kept state's '{name}' is {value}")
    return value


cdef class Ewma:
    """Chart of the exponentially weighted moving average, for a slow rise below what a single value would show.

    z = weight * x + (1 - weight) * z, from z = mean; the limits are mean ± width * deviation * sqrt(weight / (2 - weight) *
    (1 - (1 - weight)^(2 t))) at the t-th value. Source: D. C. Montgomery, Introduction to Statistical Quality Control, section 9.2;
    S. W. Roberts, Technometrics 1 (1959).

    Args:
        mean: of the value in control.
        deviation: standard deviation of single values in control.
        weight: of the newest value, above 0, at most 1; small ones see small shifts.
        width: of the limits, in standard deviations of the average.

    Raises:
        ValueError: a number is out of its range.
    """

    cdef readonly double mean
    """Of the value in control."""
    cdef readonly double deviation
    """Standard deviation of single values in control."""
    cdef readonly double weight
    """Of the newest value."""
    cdef readonly double width
    """Of the limits, in standard deviations of the average."""
    cdef readonly double average
    """Where the average stands."""
    cdef readonly long count
    """Values so far."""
    cdef double faded

    def __init__(self, double mean, double deviation, double weight=0.2, double width=3.0):
        self.mean = finite("a mean", mean)
        self.deviation = above_zero("a standard deviation", deviation)
        if not 0 < weight <= 1:
            raise ValueError(f"a weight of {weight}; it must be above 0, at most 1")
        self.weight = weight
        self.width = above_zero("a width", width)
        self.reset()

    @property
    def reach(self):
        """Distance of the limits from the mean at the latest value; 0 before the first one."""
        return self._reach()

    cdef double _reach(self) noexcept:
        return self.width * self.deviation * sqrt(self.weight / (2 - self.weight) * (1 - self.faded))

    def update(self, double value):
        """Take a value; return where the average stands: 1 above its limits, -1 below, 0 between."""
        cdef double distance
        if isfinite(value):
            self.average += self.weight * (value - self.average)
            self.faded *= (1 - self.weight) * (1 - self.weight)
            self.count += 1
        if self.count == 0:
            return 0
        distance = self.average - self.mean
        return (distance > self._reach()) - (distance < -self._reach())

    def reset(self):
        """Begin anew, with the average on the mean."""
        self.average = self.mean
        self.faded = 1
        self.count = 0

    def keep(self):
        """Return the state as plain JSON values."""
        return {"average": self.average, "count": self.count}

    def restore(self, kept):
        """Take back a state that `keep` has returned.

        Raises:
            ValueError: it is none.
        """
        average, count = number(kept, "average"), number(kept, "count")
        self.average, self.count = average, <long>count
        self.faded = (1 - self.weight) ** (2.0 * self.count)


cdef class Cusum:
    """Tabular cumulative sum of what lies beyond `k` standard deviations, on either side: sees a shift of 2 k soonest.

    high = max(0, high + z - k) and low = max(0, low - z - k) with z = (x - mean) / deviation; beyond `h` the value has shifted.
    With k = 0.5 and h = 5, values in control raise a false alarm once in 465, a shift of one standard deviation is seen
    after 10. Sources: E. S. Page, Biometrika 41 (1954); D. C. Montgomery, Introduction to Statistical Quality Control, section 9.1.

    Args:
        mean: of the value in control.
        deviation: standard deviation of single values in control.
        k: allowance, in standard deviations.
        h: decision interval, in standard deviations.

    Raises:
        ValueError: a number is out of its range.
    """

    cdef readonly double mean
    """Of the value in control."""
    cdef readonly double deviation
    """Standard deviation of single values in control."""
    cdef readonly double k
    """Allowance, in standard deviations."""
    cdef readonly double h
    """Decision interval, in standard deviations."""
    cdef readonly double high
    """Sum of what lay too high, in standard deviations."""
    cdef readonly double low
    """Sum of what lay too low, in standard deviations."""
    cdef readonly long high_count
    """Values since `high` was 0: how long ago the shift began."""
    cdef readonly long low_count
    """Values since `low` was 0."""

    def __init__(self, double mean, double deviation, double k=0.5, double h=5.0):
        self.mean = finite("a mean", mean)
        self.deviation = above_zero("a standard deviation", deviation)
        if not 0 <= k < float("inf"):
            raise ValueError(f"an allowance k of {k}; it must be 0 or more")
        self.k = k
        self.h = above_zero("a decision interval h", h)

    @property
    def estimate(self):
        """The mean to which the value has shifted, by the larger sum; the mean in control while both are 0."""
        if self.high_count and self.high >= self.low:
            return self.mean + self.deviation * (self.k + self.high / self.high_count)
        if self.low_count:
            return self.mean - self.deviation * (self.k + self.low / self.low_count)
        return self.mean

    def update(self, double value):
        """Take a value; return whether it has shifted: 1 up, -1 down, 0 not; with both, the larger sum counts."""
        cdef double z
        if isfinite(value):
            z = (value - self.mean) / self.deviation
            self.high = max(0.0, self.high + z - self.k)
            self.low = max(0.0, self.low - z - self.k)
            self.high_count = self.high_count + 1 if self.high > 0 else 0
            self.low_count = self.low_count + 1 if self.low > 0 else 0
        if self.high > self.h and self.high >= self.low:
            return 1
        return -1 if self.low > self.h else 0

    def reset(self):
        """Begin anew, with both sums 0."""
        self.high = self.low = 0
        self.high_count = self.low_count = 0

    def keep(self):
        """Return the state as plain JSON values."""
        return {"high": self.high, "low": self.low, "high_count": self.high_count, "low_count": self.low_count}

    def restore(self, kept):
        """Take back a state that `keep` has returned.

        Raises:
            ValueError: it is none.
        """
        high, low = number(kept, "high"), number(kept, "low")
        high_count, low_count = number(kept, "high_count"), number(kept, "low_count")
        self.high, self.low, self.high_count, self.low_count = high, low, <long>high_count, <long>low_count


cdef class PageHinkley:
    """Page's test for a shift of a mean that is not known beforehand: against the mean of all values so far.

    rise = sum of (x - mean - delta), kept at 0 or above; beyond `threshold` the value has risen, and the same below for a
    fall. Sources: E. S. Page, Biometrika 41 (1954); D. V. Hinkley, Biometrika 58 (1971).

    Args:
        delta: shift that does not matter, in the unit of the value.
        threshold: sum beyond which the value has shifted, in the unit of the value.
        least: values before anything is said.

    Raises:
        ValueError: a number is out of its range.
    """

    cdef readonly double delta
    """Shift that does not matter."""
    cdef readonly double threshold
    """Sum beyond which the value has shifted."""
    cdef readonly long least
    """Values before anything is said."""
    cdef readonly long count
    """Values so far."""
    cdef readonly double mean
    """Mean of the values so far; 0 before the first one."""
    cdef readonly double rise
    """Sum of what lay too high."""
    cdef readonly double fall
    """Sum of what lay too low."""

    def __init__(self, double delta, double threshold, long least=30):
        if not 0 <= delta < float("inf"):
            raise ValueError(f"a delta of {delta}; it must be 0 or more")
        self.delta = delta
        self.threshold = above_zero("a threshold", threshold)
        if least < 1:
            raise ValueError(f"{least} values before anything is said; it must be 1 or more")
        self.least = least

    def update(self, double value):
        """Take a value; return whether it has shifted: 1 up, -1 down, 0 not; with both, the larger sum counts."""
        if isfinite(value):
            self.count += 1
            self.mean += (value - self.mean) / self.count
            self.rise = max(0.0, self.rise + value - self.mean - self.delta)
            self.fall = max(0.0, self.fall - value + self.mean - self.delta)
        if self.count < self.least:
            return 0
        if self.rise > self.threshold and self.rise >= self.fall:
            return 1
        return -1 if self.fall > self.threshold else 0

    def reset(self):
        """Begin anew, as after a shift: what comes now is the mean."""
        self.count = 0
        self.mean = self.rise = self.fall = 0

    def keep(self):
        """Return the state as plain JSON values."""
        return {"count": self.count, "mean": self.mean, "rise": self.rise, "fall": self.fall}

    def restore(self, kept):
        """Take back a state that `keep` has returned.

        Raises:
            ValueError: it is none.
        """
        count, mean, rise, fall = number(kept, "count"), number(kept, "mean"), number(kept, "rise"), number(kept, "fall")
        self.count, self.mean, self.rise, self.fall = <long>count, mean, rise, fall
