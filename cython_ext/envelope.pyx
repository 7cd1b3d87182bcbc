# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Squared envelope of a band: what repeats in it, such as the blows of a damaged bearing, stands out in its spectrum.

The band is cut out of the spectrum of the whole record and transformed back as an analytic signal on a grid just fine enough for
what is asked of the envelope, not on all samples: nothing is lost, and it is several times faster. float32 in and out.
`cython_ext.reference` says the same in plain Python, on all samples.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.math cimport M_PI, ceil, cos, floor, isfinite, sqrt
from libc.string cimport memset

from cython_ext.spectrum cimport ComplexFFT, RealFFT, fast_length

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef extern from "src/moments.h" nogil:
    double samples_sum(const float *x, long n, bint avx2)

cdef extern from "src/envelope.h" nogil:
    void envelope_whiten(float *bins, long count, bint avx2)
    double envelope_square(const float *re, const float *im, float factor, const float *weights, float *out, long n, bint avx2)
    void envelope_magnitudes(const float *bins, double factor, float *out, long count, bint avx2)
    void envelope_centre(const float *x, float mean, float *out, long n, bint avx2)

cdef enum:
    MOST_SAMPLES = 1 << 26
    FEWEST_SAMPLES = 16

    # bins by which the spectrum of a Hann window inside a longer record spreads before it is below 1e-6
    SPREAD = 64

cdef double ON_A_BIN = 1e-6
"""An edge that is so near to a bin, in bins, lies on it."""

cdef array.array FLOATS = array.array("f")


cdef double cost(long points) noexcept:
    """Time of the transforms of a grid, roughly: only lengths that fill the vectors are quick."""
    if points % 128 == 0:
        return points
    return points * (1.15 if points % 32 == 0 else 1.6)


cdef long grid_for(long least, long most) noexcept:
    """The quickest grid of `least` points or more; `most` is always good."""
    cdef long points = fast_length(least)
    cdef long best = most
    while points < most and points < 2 * least:
        if cost(points) < cost(best):
            best = points
        points = fast_length(points + 1)
    return best


cdef class Envelope:
    """Spectrum of the squared envelope |analytic signal|² of the band `low_hz` to `high_hz`, from 0 Hz to `max_hz`.

    The record's mean does not count. A record whose length the FFT does not take is padded with zeros to `n`; the window lies over
    the record alone, and amplitudes are of the record.

    Attributes that can be read: `samples`, `n` (length of the transform), `rate_hz`, `low_hz` and `high_hz` (of the outermost bins
    of the band), `bins` (numbers of a spectrum), `bin_hz` (their distance), `points` (numbers of an envelope), `envelope_rate_hz`
    (points per second), `prewhiten`, `backend`.

    Args:
        samples: samples per record, 16 to 2**26.
        rate_hz: samples per second.
        low_hz: lower edge of the band; 0 Hz itself never counts.
        high_hz: upper edge, at most half the rate.
        max_hz: end of the spectrum, at most half the rate.
        prewhiten: give every bin of the band the same magnitude first (cepstrum prewhitening): periodic tones of shafts and gears no
            longer hide the bearing. The result has no unit then; the squared envelope's mean is 1.

    Raises:
        ValueError: there is no such band, or the record is too short for it; the message says what would do.
    """

    def __cinit__(self, long samples, double rate_hz, double low_hz, double high_hz, double max_hz, *, bint prewhiten=False):
        if not FEWEST_SAMPLES <= samples <= MOST_SAMPLES:
            raise ValueError(f"{samples} samples: an envelope takes {FEWEST_SAMPLES} to {MOST_SAMPLES}")
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        if not 0 <= low_hz < high_hz:
            raise ValueError(f"a band from {low_hz} to {high_hz} Hz; it must begin at 0 or above and end higher")
        if high_hz > rate_hz / 2:
            raise ValueError(f"a band to {high_hz} Hz, but a rate of {rate_hz} Hz reaches only to {rate_hz / 2:g} Hz")
        if not 0 < max_hz <= rate_hz / 2:
            raise ValueError(f"an envelope spectrum to {max_hz} Hz; it must end above 0 and at most at {rate_hz / 2:g} Hz")
        self.samples, self.rate_hz, self.prewhiten = samples, rate_hz, prewhiten
        self.n = fast_length(samples)
        self.bin_hz = rate_hz / self.n
        self.first = max(1, <long>ceil(low_hz / self.bin_hz - ON_A_BIN))
        self.count = min(self.n // 2, <long>floor(high_hz / self.bin_hz + ON_A_BIN)) - self.first + 1
        if self.count < 2:
            raise ValueError(
                f"a band from {low_hz} to {high_hz} Hz holds fewer than 2 of the bins, which are {self.bin_hz:g} Hz apart; "
                "it takes a wider band or a longer record"
            )
        self.low_hz, self.high_hz = self.first * self.bin_hz, (self.first + self.count - 1) * self.bin_hz
        self.bins = <long>floor(max_hz / self.bin_hz + ON_A_BIN) + 1
        self._plan()

    cdef int _plan(self) except -1:
        cdef long spread = 2 if self.samples == self.n else SPREAD
        cdef long i
        cdef double at
        self.avx2 = backend_is_avx2()
        # a component of the squared envelope lies within the band's width; what the grid folds must end above the last bin
        self.grid_points = grid_for(max(self.count + self.bins + spread, 2 * self.bins), self.n)
        self.envelope_rate_hz = self.rate_hz / self.n * self.grid_points
        self.record, self.band, self.grid = RealFFT(self.n), ComplexFFT(self.grid_points), RealFFT(self.grid_points)
        self.backend = self.record.backend
        self.bins_scratch = <float *>PyMem_Calloc(max(self.n + 2, 2 * (self.first + self.grid_points)), sizeof(float))
        self.squares = <float *>PyMem_Malloc(self.grid_points * sizeof(float))
        self.window = <float *>PyMem_Calloc(self.grid_points, sizeof(float))
        if self.samples < self.n:
            self.padded = <float *>PyMem_Calloc(self.n, sizeof(float))
            if self.padded == NULL:
                raise MemoryError
        if self.bins_scratch == NULL or self.squares == NULL or self.window == NULL:
            raise MemoryError
        for i in range(self.grid_points):
            at = <double>i * self.n / self.grid_points  # in samples
            if at >= self.samples:
                break
            self.window[i] = <float>(0.5 - 0.5 * cos(2 * M_PI * at / self.samples))
            self.window_sum += self.window[i]
            self.points += 1
        return 0

    def __dealloc__(self):
        PyMem_Free(self.bins_scratch)
        PyMem_Free(self.padded)
        PyMem_Free(self.squares)
        PyMem_Free(self.window)

    cdef float mean_of(self, const float *x) noexcept nogil:
        return <float>(samples_sum(x, self.samples, self.avx2) / self.samples)

    cdef double squared(self, const float *x, float mean) noexcept nogil:
        cdef float *bins = self.bins_scratch
        cdef float *band = bins + 2 * self.first
        cdef float *re = NULL
        cdef float *im = NULL
        cdef float factor
        if self.samples == self.n:
            self.record.forward_windowed(x, NULL, mean, bins)
        else:
            envelope_centre(x, mean, self.padded, self.samples, self.avx2)
            self.record.forward_into(self.padded, bins)
        if self.prewhiten:
            envelope_whiten(band, self.count, self.avx2)
            factor = <float>(1 / sqrt(<double>self.count))
        else:
            factor = <float>(2.0 / self.n)
        if self.first + self.count - 1 == self.n // 2:  # half the rate stands for itself alone
            band[2 * self.count - 2] /= 2
        memset(band + 2 * self.count, 0, 2 * (self.grid_points - self.count) * sizeof(float))
        self.band.forward_apart(band, &re, &im)
        return envelope_square(re, im, factor, self.window, self.squares, self.grid_points, self.avx2) / self.window_sum

    cdef void spectrum_into(self, const float *x, float mean_of_x, float *out) noexcept nogil:
        cdef double mean = self.squared(x, mean_of_x)
        cdef double grid_per_sample = <double>self.grid_points / self.n
        # a Hann window halves the sum; a bin stands for its negative frequency too, but 0 Hz and half the rate do not
        self.grid.forward_windowed(self.squares, self.window, <float>mean, self.bins_scratch)
        envelope_magnitudes(self.bins_scratch, 4 / (grid_per_sample * self.samples), out, self.bins, self.avx2)
        out[0] /= 2
        if self.bins - 1 == self.n // 2:
            out[self.bins - 1] /= 2

    def spectrum(self, const float[::1] x, out=None):
        """Return the one-sided amplitude spectrum of the squared envelope, in unit²: `bins` float32 numbers from 0 Hz on.

        The squared envelope is taken without its mean (under the window, so that 0 Hz is 0) and under a Hann window; a component
        a cos(2 pi f t) with f on a bin gives a. NaN or infinity in `x` makes everything NaN; zeros give zeros, prewhitened, too.

        Args:
            x: `samples` numbers.
            out: writable float32 buffer of `bins` numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        if out is None:
            out = array.clone(FLOATS, self.bins, zero=False)
        cdef float[::1] amplitudes = out
        self._check(x.shape[0], amplitudes.shape[0], self.bins)
        self.busy = True
        with nogil:
            self.spectrum_into(&x[0], self.mean_of(&x[0]), &amplitudes[0])
        self.busy = False
        return out

    def envelope(self, const float[::1] x, out=None):
        """Return the squared envelope in time, in unit²: `points` float32 numbers, `envelope_rate_hz` per second from the first
        sample on. Arguments and errors as for `spectrum`."""
        if out is None:
            out = array.clone(FLOATS, self.points, zero=False)
        cdef float[::1] squares = out
        cdef long i
        self._check(x.shape[0], squares.shape[0], self.points)
        self.busy = True
        with nogil:
            self.squared(&x[0], self.mean_of(&x[0]))
            for i in range(self.points):
                squares[i] = self.squares[i]
        self.busy = False
        return out

    cdef int _check(self, long given, long out, long numbers) except -1:
        if given != self.samples:
            raise ValueError(f"{given} samples for an envelope of {self.samples}")
        if out != numbers:
            raise ValueError(f"out has {out} numbers; it takes {numbers}")
        if self.busy:
            raise RuntimeError("this plan is in use by another thread; make one per thread")
        return 0
