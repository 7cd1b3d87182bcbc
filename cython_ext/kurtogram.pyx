# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Fast kurtogram: in which band of a signal the blows are.

After Antoni, "Fast computation of the kurtogram for the detection of transient faults", Mechanical Systems and Signal Processing 21
(2007): a tree of bands, each cut in two and in three. Here each band is cut out of the spectrum of the whole record and transformed
back on a grid of its own, fine enough for the fourth power: the result is that of the Hilbert transform on all samples.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport floor, isfinite, ldexp, frexp, sqrt
from libc.string cimport memset

from cython_ext.results import Band
from cython_ext.spectrum cimport ComplexFFT, RealFFT, fast_length

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef extern from "src/moments.h" nogil:
    double samples_sum(const float *x, long n, bint avx2)

cdef extern from "src/kurtosis.h" nogil:
    double kurtosis_of(const float *re, const float *im, long n, bint avx2)
    void kurtosis_scaled(const float *x, float factor, float *out, long count, bint avx2)
    float kurtosis_largest(const float *x, long n, bint avx2)

cdef enum:
    MOST_SAMPLES = 1 << 26
    MOST_LEVELS = 12
    MOST_ROWS = 2 * MOST_LEVELS + 1
    FEWEST_BINS = 16  # of the narrowest band

NOISE = 10.0
"""Kurtosis in standard deviations that Gaussian noise does not reach in any band of a kurtogram."""

cdef array.array FLOATS = array.array("f")


cdef long length_within(long samples) noexcept:
    """The longest good length that the record fills; of long records one that is also quick."""
    cdef long step = 128 if samples >= 4096 else 2
    cdef long n = samples - samples % step
    while fast_length(n) != n:
        n -= step
    return n


cdef class Kurtogram:
    """Spectral kurtosis in the bands of a 1/3-binary tree: the whole range, its halves, thirds, quarters, sixths, eighths and so on.

    Attributes that can be read: `samples`, `n` (of which so many are used, from the first on), `rate_hz`, `bin_hz`, `levels`,
    `cells` (how many bands), `backend`.

    Args:
        samples: samples per record, 64 to 2**26.
        rate_hz: samples per second.
        levels: how often bands are halved: the narrowest are the range / 2**levels. 0 to 12.
        low_hz: begin of the range; 0 Hz itself never counts.
        high_hz: end of the range, at most half the rate; None: half the rate.

    Raises:
        ValueError: there is no such range, or the record is too short for so many levels; the message says what would do.
    """

    cdef RealFFT record
    cdef list plans
    cdef float *spectrum
    cdef float *band
    cdef long first
    cdef long count
    cdef long rows
    cdef long[MOST_ROWS] parts
    cdef bint avx2
    cdef bint busy
    cdef readonly long samples
    cdef readonly long n
    cdef readonly long levels
    cdef readonly long cells
    cdef readonly double rate_hz
    cdef readonly double bin_hz
    cdef readonly str backend

    def __cinit__(self, long samples, double rate_hz, long levels, *, double low_hz=0.0, high_hz=None):
        cdef double end_hz = rate_hz / 2 if high_hz is None else high_hz
        cdef long level
        if not 64 <= samples <= MOST_SAMPLES:
            raise ValueError(f"{samples} samples: a kurtogram takes 64 to {MOST_SAMPLES}")
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        if not 0 <= levels <= MOST_LEVELS:
            raise ValueError(f"{levels} levels; a kurtogram has 0 to {MOST_LEVELS}")
        if not 0 <= low_hz < end_hz <= rate_hz / 2:
            raise ValueError(f"a range from {low_hz} to {end_hz} Hz; it must lie between 0 and {rate_hz / 2:g} Hz")
        self.samples, self.rate_hz, self.levels = samples, rate_hz, levels
        self.n = length_within(samples)
        self.bin_hz = rate_hz / self.n
        self.first = max(1, <long>floor(low_hz / self.bin_hz + 0.5))
        self.count = min(self.n // 2 - 1, <long>floor(end_hz / self.bin_hz + 0.5)) - self.first + 1
        if self.count >> levels < FEWEST_BINS:
            raise ValueError(
                f"{levels} levels leave fewer than {FEWEST_BINS} of the {max(self.count, 0)} bins of the range in a band; "
                "it takes fewer levels, a wider range or a longer record"
            )
        for level in range(levels + 1):
            self._add_row(1 << level)
            if 0 < level < levels:
                self._add_row(3 << level - 1)
        self._plan()

    cdef int _add_row(self, long parts) except -1:
        self.parts[self.rows] = parts
        self.rows += 1
        self.cells += parts
        return 0

    cdef int _plan(self) except -1:
        cdef long widest, row
        self.avx2 = backend_is_avx2()
        self.record = RealFFT(self.n)
        self.backend = self.record.backend
        self.plans = []
        for row in range(self.rows):
            widest = (self.count + self.parts[row] - 1) // self.parts[row]
            # |z|⁴ of k bins is 2 k - 1 bins wide on either side: on so many points, none folds onto its mean
            self.plans.append(ComplexFFT(fast_length(2 * widest)))
        self.spectrum = <float *>PyMem_Calloc(self.n + 2, sizeof(float))
        self.band = <float *>PyMem_Calloc(2 * (<ComplexFFT>self.plans[0]).n, sizeof(float))
        if self.spectrum == NULL or self.band == NULL:
            raise MemoryError
        return 0

    def __dealloc__(self):
        PyMem_Free(self.spectrum)
        PyMem_Free(self.band)

    cdef long _begin(self, long row, long cell) noexcept nogil:
        return self.first + cell * self.count // self.parts[row]

    def bands(self):
        """Return low and high edge in Hz of every band, in the order of `table`: row by row, from low to high."""
        return [
            (self._begin(row, cell) * self.bin_hz, self._begin(row, cell + 1) * self.bin_hz)
            for row in range(self.rows)
            for cell in range(self.parts[row])
        ]

    def table(self, const float[::1] x, out=None):
        """Return the spectral kurtosis <|z|⁴> / <|z|²>² - 2 of each band's analytic signal z: `cells` float32 numbers.

        0 for Gaussian noise, -1 for a single tone, above 0 for blows. A band without any signal gives 0; NaN or infinity in the
        part of `x` that is used makes everything NaN.

        Args:
            x: `samples` numbers.
            out: writable float32 buffer of `cells` numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        if out is None:
            out = array.clone(FLOATS, self.cells, zero=False)
        cdef float[::1] values = out
        cdef long row, at
        cdef ComplexFFT plan
        if x.shape[0] != self.samples:
            raise ValueError(f"{x.shape[0]} samples for a kurtogram of {self.samples}")
        if values.shape[0] != self.cells:
            raise ValueError(f"out has {values.shape[0]} numbers; it takes {self.cells}")
        if self.busy:
            raise RuntimeError("this plan is in use by another thread; make one per thread")
        self.busy = True
        at = 0
        with nogil:
            self._transform(&x[0])
        for row in range(self.rows):
            plan = self.plans[row]
            with nogil:
                self._row(row, plan, &values[at])
            at += self.parts[row]
        self.busy = False
        return out

    cdef void _transform(self, const float *x) noexcept nogil:
        """The spectrum, with its largest number at about 1: no fourth power is too large or too small for a float."""
        cdef float mean = <float>(samples_sum(x, self.n, self.avx2) / self.n)
        cdef float largest
        cdef int exponent = 0
        self.record.forward_windowed(x, NULL, mean, self.spectrum)
        largest = kurtosis_largest(self.spectrum + 2 * self.first, 2 * self.count, self.avx2)
        if largest > 0 and isfinite(largest):
            frexp(largest, &exponent)
        exponent = min(max(exponent, -125), 125)
        kurtosis_scaled(self.spectrum + 2 * self.first, <float>ldexp(1, -exponent), self.spectrum + 2 * self.first, 2 * self.count,
                        self.avx2)

    cdef void _row(self, long row, ComplexFFT plan, float *values) noexcept nogil:
        cdef long cell, begin, count
        cdef float *re = NULL
        cdef float *im = NULL
        for cell in range(self.parts[row]):
            begin = self._begin(row, cell)
            count = self._begin(row, cell + 1) - begin
            kurtosis_scaled(self.spectrum + 2 * begin, <float>(1 / sqrt(<double>count)), self.band, 2 * count, self.avx2)
            memset(self.band + 2 * count, 0, 2 * (plan.n - count) * sizeof(float))
            plan.forward_apart(self.band, &re, &im)
            values[cell] = <float>kurtosis_of(re, im, plan.n, self.avx2)

    def best(self, const float[::1] x):
        """Return the `Band` with the highest kurtosis of those that stand out of noise, or, when none does, the one nearest to it.

        The estimate of k bins of Gaussian noise has a standard deviation of 2 / sqrt(k); a band stands out with `NOISE` of them.
        Look at `stands_out` before you use the band: of noise, some band is always the best.

        Args:
            x: `samples` numbers.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        best = None
        for (low_hz, high_hz), kurtosis in zip(self.bands(), self.table(x), strict=True):
            deviations = kurtosis * sqrt((high_hz - low_hz) / self.bin_hz) / 2
            band = Band(low_hz, high_hz, kurtosis, deviations, deviations >= NOISE)
            if best is None or (band.stands_out, kurtosis if band.stands_out else deviations) > (
                best.stands_out, best.kurtosis if best.stands_out else best.deviations
            ):
                best = band
        return best
