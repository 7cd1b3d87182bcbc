# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The speed of a shaft, found in a spectrum: the comb of harmonics that stands out most within a range that the user gives.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, ceil, floor, fmax, fmin, isfinite, log10, sqrt

from cython_ext.results import ShaftSpeed
from cython_ext.statistics cimport median

LEAST_CONFIDENCE = 0.2
"""Below this a comb is not told from chance."""

cdef enum:
    FEWEST_HARMONICS = 3
    MOST_HARMONICS = 10
    MOST_CANDIDATES = 1 << 16
    MOST_HALF_WIDTH = 128
    CONTROLS = 14

# a line counts no more than this much above its surroundings, so that one strong line is not taken for a comb
cdef double MOST_DB = 20.0

# a line in perfect silence
cdef double HIGHEST_DB = 200.0

# a line that stands out at all
cdef double LINE_DB = 6.0

# how far the control combs stand beside the harmonics, in orders; away from the halves, thirds and quarters where real lines are
cdef double[14] BESIDE = [0.15, 0.18, 0.21, 0.29, 0.38, 0.41, 0.44, 0.56, 0.59, 0.62, 0.71, 0.79, 0.82, 0.85]


cdef class SpeedComb:
    """Finds the speed of a shaft in densities of one shape.

    Every bin is measured in dB above the median of its surroundings, 0 to 20. A speed scores the mean over its harmonics, the
    n-th weighted by 1 / sqrt(n). What chance can do is learned from combs of the same range that stand beside the harmonics: the
    best speed must beat what these reach. Where half the best speed, or a third, is in the range and explains nearly as much, it
    is taken. A speed without its first order and without half of the others is none. Allocates when it is made and then no more;
    releases the GIL while it computes and serves one thread at a time.

    Args:
        bins: bins of the density.
        bin_hz: distance of two bins.
        low_hz: slowest speed in rotations per second; 6 bins or more.
        high_hz: fastest speed; three harmonics of it must lie within the density.

    Raises:
        ValueError: no speed can be found in such a range.
    """

    cdef double *level
    cdef double *scratch
    cdef double[MOST_HARMONICS + 1] weight
    cdef bint busy
    cdef long used
    cdef long half_width
    cdef long candidates
    cdef double step
    cdef readonly long bins
    """Bins of a density."""
    cdef readonly double bin_hz
    """Distance of two bins in Hz."""
    cdef readonly double low_hz
    """Slowest speed."""
    cdef readonly double high_hz
    """Fastest speed."""
    cdef readonly long harmonics
    """How many harmonics are looked at: 3 to 10."""

    def __cinit__(self, long bins, double bin_hz, double low_hz, double high_hz):
        cdef double weights = 0
        cdef long h
        if not 0 < bin_hz < float("inf"):
            raise ValueError(f"a bin distance of {bin_hz} Hz; it must be above 0")
        if not 0 < low_hz < high_hz < float("inf"):
            raise ValueError(f"a speed from {low_hz} to {high_hz} Hz; it must begin above 0 and end higher")
        if low_hz < 6 * bin_hz * (1 - 1e-9):
            raise ValueError(f"a speed of {low_hz:g} Hz needs bins of {low_hz / 6:g} Hz or less, these are of {bin_hz:g} Hz")
        if (bins - 2) * bin_hz < FEWEST_HARMONICS * high_hz:
            raise ValueError(
                f"a density up to {(bins - 1) * bin_hz:g} Hz is too short for {FEWEST_HARMONICS} harmonics of {high_hz:g} Hz"
            )
        self.bins, self.bin_hz, self.low_hz, self.high_hz = bins, bin_hz, low_hz, high_hz
        self.harmonics = <long>min(<double>MOST_HARMONICS, floor((bins - 2) * bin_hz / high_hz))
        for h in range(1, self.harmonics + 1):
            weights += 1 / sqrt(<double>h)
        for h in range(1, self.harmonics + 1):
            self.weight[h] = 1 / sqrt(<double>h) / weights
        # half a bin at the highest harmonic from one candidate to the next
        self.step = bin_hz / (2 * self.harmonics)
        if (high_hz - low_hz) / self.step > MOST_CANDIDATES:
            raise ValueError(f"a speed from {low_hz:g} to {high_hz:g} Hz is too wide a range for bins of {bin_hz:g} Hz")
        self.candidates = <long>floor((high_hz - low_hz) / self.step) + 1
        self.half_width = <long>min(<double>MOST_HALF_WIDTH, fmax(8.0, floor(0.4 * low_hz / bin_hz)))
        self.used = <long>min(<double>bins, ceil(self.harmonics * high_hz / bin_hz) + 2)
        self.level = <double *>PyMem_Malloc(self.used * sizeof(double))
        self.scratch = <double *>PyMem_Malloc((2 * self.half_width + 1) * sizeof(double))
        if self.level == NULL or self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.level)
        PyMem_Free(self.scratch)

    def estimate(self, const double[::1] psd):
        """Return the `ShaftSpeed` that a one-sided density shows; its hz is NaN when nothing stands out or a bin is not finite.

        Raises:
            ValueError: the length does not fit.
            RuntimeError: another thread is using this comb.
        """
        cdef double hz, score, confidence
        if psd.shape[0] != self.bins:
            raise ValueError(f"a density of {psd.shape[0]} bins; this comb takes {self.bins}")
        if self.busy:
            raise RuntimeError("this comb is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            if self.measure_levels(&psd[0]):
                hz = self.best(0, &score)
                hz = self.lowered(hz, &score)
                confidence = fmax(0.0, 1 - self.chance() / score) if self.is_shaft(hz) else 0.0
                hz = self.refined(hz)
            else:
                hz = confidence = NAN
        self.busy = False
        return ShaftSpeed(hz if confidence >= LEAST_CONFIDENCE else NAN, confidence)

    cdef bint measure_levels(self, const double *psd) noexcept nogil:
        """Write the dB of every bin above the median around it; say whether all were finite."""
        cdef long k, first, last, i
        cdef double middle
        for k in range(self.bins):
            if not isfinite(psd[k]):
                return False
        for k in range(self.used):
            first = max(1, k - self.half_width)
            last = min(self.bins - 1, k + self.half_width)
            for i in range(first, last + 1):
                self.scratch[i - first] = psd[i]
            middle = median(self.scratch, last - first + 1)
            self.level[k] = 0
            if k and psd[k] > middle:
                self.level[k] = fmin(HIGHEST_DB, 10 * log10(psd[k] / middle)) if middle > 0 else HIGHEST_DB
        return True

    cdef double score(self, double hz, double beside) noexcept nogil:
        """Mean level of the harmonics of a speed, or of places so far beside them; the root of its number lessens a harmonic."""
        cdef double total = 0
        cdef double position, left
        cdef long h, k
        for h in range(1, self.harmonics + 1):
            position = (h - beside) * hz / self.bin_hz
            k = <long>position
            if k + 1 < self.used:
                left = fmin(MOST_DB, self.level[k])
                total += self.weight[h] * (left + (position - k) * (fmin(MOST_DB, self.level[k + 1]) - left))
        return total

    cdef double best(self, double beside, double *score) noexcept nogil:
        cdef double hz = self.low_hz
        cdef double here
        cdef long i
        score[0] = -1
        for i in range(self.candidates):
            here = self.score(self.low_hz + i * self.step, beside)
            if here > score[0]:
                score[0] = here
                hz = self.low_hz + i * self.step
        return hz

    cdef double chance(self) noexcept nogil:
        """What the best of combs without a shaft behind them scores: mean and three deviations over the controls."""
        cdef double total = 0
        cdef double square = 0
        cdef double score, variance
        cdef long i
        for i in range(CONTROLS):
            self.best(BESIDE[i], &score)
            total += score
            square += score * score
        total /= CONTROLS
        variance = fmax(0.0, square / CONTROLS - total * total)
        return total + 3 * sqrt(variance)

    cdef double lowered(self, double hz, double *score) noexcept nogil:
        """A comb at twice the speed finds a line at each of its places too; take the lower one if it explains nearly as much."""
        cdef double here, most, at
        cdef double found = hz
        cdef long part, i
        for part in range(2, 4):
            most = -1
            at = 0
            for i in range(-4, 5):
                here = self.score(hz / part + i * self.step, 0)
                if here > most:
                    most = here
                    at = hz / part + i * self.step
            if at >= self.low_hz and most >= 0.75 * score[0]:
                found = at
        if found != hz:
            score[0] = self.score(found, 0)
        return found

    cdef bint is_shaft(self, double hz) noexcept nogil:
        """A shaft shows its first order, or half of the others: a few lines of something else, of the mains, do not suffice."""
        cdef long lines = 0
        cdef long h, k
        for h in range(1, self.harmonics + 1):
            k = <long>floor(h * hz / self.bin_hz + 0.5)
            if k + 1 < self.used and max(self.level[k - 1], self.level[k], self.level[k + 1]) >= LINE_DB:
                if h == 1:
                    return True
                lines += 1
        return 2 * lines >= self.harmonics

    cdef double refined(self, double hz) noexcept nogil:
        """Mean of what the single harmonics say, by the tops of their lines; a higher one says it the more exactly."""
        cdef double weights = 0
        cdef double total = 0
        cdef double left, top, right, bend, weight
        cdef long h, k, nearest
        for h in range(1, self.harmonics + 1):
            nearest = <long>floor(h * hz / self.bin_hz + 0.5)
            k = nearest
            if k < 2 or k + 2 >= self.used:
                continue
            if self.level[k + 1] > self.level[k]:
                k += 1
            elif self.level[k - 1] > self.level[k]:
                k -= 1
            left, top, right = self.level[k - 1], self.level[k], self.level[k + 1]
            if top < LINE_DB or top < left or top < right:
                continue
            bend = left - 2 * top + right
            weight = h * fmin(MOST_DB, top)
            total += weight * (k + (0.5 * (left - right) / bend if bend < 0 else 0.0)) * self.bin_hz / h
            weights += weight
        return total / weights if weights > 0 else hz
