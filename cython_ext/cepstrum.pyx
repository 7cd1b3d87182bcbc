# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Power cepstrum: a family of harmonics, or an echo, becomes one line at its period."""

from cpython cimport array
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport M_PI, cos, log

from cython_ext.spectrum cimport RealFFT, fast_length

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef extern from "src/moments.h" nogil:
    double samples_sum(const float *x, long n, bint avx2)

cdef enum:
    MOST_SAMPLES = 1 << 26
    FEWEST_SAMPLES = 16

cdef double FLOOR = 1e-12
"""Of the largest power: what is below is rounding, whose logarithm would drown the rest."""

cdef array.array FLOATS = array.array("f")


cdef class Cepstrum:
    """Power cepstrum of a record: the inverse transform of the logarithm of its power spectrum (Randall's definition, signed).

    The record is taken without its mean and under a Hann window. Attributes that can be read: `samples`, `n` (length of the transform,
    padded with zeros where the FFT does not take the record's length), `rate_hz`, `points` (numbers of a cepstrum: n//2 + 1),
    `step_s` (their distance in quefrency, 1 / rate), `backend`.

    Args:
        samples: samples per record, 16 to 2**26.
        rate_hz: samples per second.

    Raises:
        ValueError: a number is out of its range.
    """

    cdef RealFFT transform
    cdef float *window
    cdef float *record
    cdef float *spectrum
    cdef bint avx2
    cdef bint busy
    cdef readonly long samples
    cdef readonly long n
    cdef readonly long points
    cdef readonly double rate_hz
    cdef readonly double step_s
    cdef readonly str backend

    def __cinit__(self, long samples, double rate_hz):
        cdef long i
        if not FEWEST_SAMPLES <= samples <= MOST_SAMPLES:
            raise ValueError(f"{samples} samples: a cepstrum takes {FEWEST_SAMPLES} to {MOST_SAMPLES}")
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        self.samples, self.rate_hz, self.step_s = samples, rate_hz, 1 / rate_hz
        self.n = fast_length(samples)
        self.points = self.n // 2 + 1
        self.avx2 = backend_is_avx2()
        self.transform = RealFFT(self.n)
        self.backend = self.transform.backend
        self.window = <float *>PyMem_Calloc(samples, sizeof(float))
        self.record = <float *>PyMem_Calloc(self.n, sizeof(float))
        self.spectrum = <float *>PyMem_Calloc(self.n + 2, sizeof(float))
        if self.window == NULL or self.record == NULL or self.spectrum == NULL:
            raise MemoryError
        for i in range(samples):
            self.window[i] = <float>(0.5 - 0.5 * cos(2 * M_PI * i / samples))

    def __dealloc__(self):
        PyMem_Free(self.window)
        PyMem_Free(self.record)
        PyMem_Free(self.spectrum)

    def power(self, const float[::1] x, out=None):
        """Return the power cepstrum at quefrencies 0, 1/rate, 2/rate and so on: `points` float32 numbers without a unit.

        The first one depends on the level of `x` alone. NaN or infinity in `x` makes everything NaN; a constant gives zeros.

        Args:
            x: `samples` numbers.
            out: writable float32 buffer of `points` numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        if out is None:
            out = array.clone(FLOATS, self.points, zero=False)
        cdef float[::1] cepstrum = out
        cdef long i
        if x.shape[0] != self.samples:
            raise ValueError(f"{x.shape[0]} samples for a cepstrum of {self.samples}")
        if cepstrum.shape[0] != self.points:
            raise ValueError(f"out has {cepstrum.shape[0]} numbers; it takes {self.points}")
        if self.busy:
            raise RuntimeError("this plan is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            self._compute(&x[0])
            for i in range(self.points):
                cepstrum[i] = self.record[i]
            for i in range(self.samples, self.n):  # the padding, for the next record
                self.record[i] = 0
        self.busy = False
        return out

    cdef void _compute(self, const float *x) noexcept nogil:
        cdef float mean = <float>(samples_sum(x, self.samples, self.avx2) / self.samples)
        cdef double largest = 0
        cdef double power
        cdef long k
        for k in range(self.samples):
            self.record[k] = (x[k] - mean) * self.window[k]
        self.transform.forward_into(self.record, self.spectrum)
        for k in range(self.points):
            power = self._power(k)
            if power > largest:
                largest = power
        for k in range(self.points):
            power = self._power(k)
            if power < FLOOR * largest:  # NaN is not
                power = FLOOR * largest
            self.spectrum[2 * k] = <float>log(power) if largest > 0 else <float>power
            self.spectrum[2 * k + 1] = 0
        self.transform.inverse_into(self.spectrum, self.record)

    cdef inline double _power(self, long k) noexcept nogil:
        cdef double re = self.spectrum[2 * k]
        cdef double im = self.spectrum[2 * k + 1]
        return re * re + im * im
