# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Spectra of waveforms: real FFT, Welch's power spectral density.

float32 samples in, float64 sums. A plan (`RealFFT`, `Welch`) allocates when it is made and then no more where `out` is given;
it releases the GIL while it computes and serves one thread at a time. The fastest build for the processor is chosen when a
plan is made; the environment variable GATEWAY_KERNELS=baseline forces the plain one. `cython_ext.reference` says the same in
plain Python and is the test oracle.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport M_PI, cos
from libc.string cimport memset

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()
    const char *backend_name()

cdef extern from "src/moments.h" nogil:
    double samples_sum(const float *x, long n, bint avx2)

cdef extern from "src/rfft.h" nogil:
    ctypedef struct rfft_plan:
        pass
    rfft_plan *rfft_new(long n, bint avx2)
    void rfft_free(rfft_plan *plan)
    void rfft_forward(const rfft_plan *plan, const float *x, float *spectrum)
    void rfft_add_power(const rfft_plan *plan, const float *x, const float *window, float mean, float *scratch, double *sum)

cdef enum:
    MOST_SAMPLES = 1 << 26

cdef array.array FLOATS = array.array("f")
cdef array.array DOUBLES = array.array("d")


def backend():
    """Return the build that a plan made now uses: `avx2`, `sse2` or `neon`."""
    return backend_name().decode()


cdef bint is_fast_length(long n) noexcept:
    if n < 2 or n % 2:
        return False
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


def next_fast_length(long n):
    """Return the smallest even length >= n without a prime factor above 5: the lengths that `RealFFT` and `Welch` take.

    Raises:
        ValueError: n is below 1 or above 2**26.
    """
    if not 1 <= n <= MOST_SAMPLES:
        raise ValueError(f"{n} samples: the length must be 1 to {MOST_SAMPLES}")
    n += n % 2
    while not is_fast_length(n):
        n += 2
    return n


cdef long checked_length(long n) except -1:
    if not 2 <= n <= MOST_SAMPLES:
        raise ValueError(f"{n} samples: the length must be 2 to {MOST_SAMPLES}")
    if not is_fast_length(n):
        raise ValueError(
            f"{n} samples: the length must be even without a prime factor above 5; the next good length is {next_fast_length(n)}"
        )
    return n


cdef class RealFFT:
    """FFT of `n` real float32 samples; n is even without a prime factor above 5.

    Raises:
        ValueError: another length; the message names the next good one.
    """

    cdef rfft_plan *plan
    cdef bint busy
    cdef readonly long n
    """Number of samples."""
    cdef readonly str backend
    """The build in use: `avx2`, `sse2` or `neon`."""

    def __cinit__(self, long n):
        self.n = checked_length(n)
        self.backend = backend()
        self.plan = rfft_new(n, backend_is_avx2())
        if self.plan == NULL:
            raise MemoryError

    def __dealloc__(self):
        rfft_free(self.plan)

    def forward(self, const float[::1] x, out=None):
        """Return the n//2 + 1 bins of the spectrum of `x`, unscaled, as float32 pairs real, imaginary: n + 2 numbers.

        Args:
            x: n samples.
            out: writable float32 buffer of n + 2 numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        cdef float[::1] spectrum
        if x.shape[0] != self.n:
            raise ValueError(f"{x.shape[0]} samples for a transform of {self.n}")
        if out is None:
            out = array.clone(FLOATS, self.n + 2, zero=False)
        spectrum = out
        if spectrum.shape[0] != self.n + 2:
            raise ValueError(f"out has {spectrum.shape[0]} numbers; a spectrum of {self.n} samples has {self.n + 2}")
        if self.busy:
            raise RuntimeError("this plan is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            rfft_forward(self.plan, &x[0], &spectrum[0])
        self.busy = False
        return out


cdef class Welch:
    """Power spectral density by Welch's method: periodic Hann window, 50 % overlap, each segment without its mean, one-sided.

    Args:
        nfft: samples per segment, even without a prime factor above 5.
        rate_hz: samples per second.

    Raises:
        ValueError: `nfft` is another length (the message names the next good one), or `rate_hz` is not above 0.
    """

    cdef rfft_plan *plan
    cdef float *window
    cdef float *scratch
    cdef double *power
    cdef double scale
    cdef bint avx2
    cdef bint busy
    cdef readonly long nfft
    """Samples per segment."""
    cdef readonly double rate_hz
    """Samples per second."""
    cdef readonly str backend
    """The build in use: `avx2`, `sse2` or `neon`."""

    def __cinit__(self, long nfft, double rate_hz):
        cdef long i
        cdef double w
        cdef double squares = 0
        self.nfft = checked_length(nfft)
        if not 0 < rate_hz < float("inf"):
            raise ValueError(f"a rate of {rate_hz} Hz; it must be above 0")
        self.rate_hz = rate_hz
        self.avx2 = backend_is_avx2()
        self.backend = backend()
        self.plan = rfft_new(nfft, self.avx2)
        self.window = <float *>PyMem_Malloc(nfft * sizeof(float))
        self.scratch = <float *>PyMem_Malloc((nfft // 2 + 1) * sizeof(float))
        self.power = <double *>PyMem_Malloc((nfft // 2 + 1) * sizeof(double))
        if self.plan == NULL or self.window == NULL or self.scratch == NULL or self.power == NULL:
            raise MemoryError
        for i in range(nfft):
            w = 0.5 - 0.5 * cos(2 * M_PI * i / nfft)
            self.window[i] = <float>w
            squares += w * w
        self.scale = 1 / (rate_hz * squares)

    def __dealloc__(self):
        rfft_free(self.plan)
        PyMem_Free(self.window)
        PyMem_Free(self.scratch)
        PyMem_Free(self.power)

    @property
    def bin_hz(self):
        """Distance of two bins in Hz."""
        return self.rate_hz / self.nfft

    def psd(self, const float[::1] x, out=None):
        """Return the density in unit² / Hz of the nfft//2 + 1 bins from 0 Hz to half the rate, as float64.

        Averages all whole segments of `x`; what is left at its end does not count.

        Args:
            x: nfft samples or more.
            out: writable float64 buffer of nfft//2 + 1 numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        cdef double[::1] density
        cdef long bins = self.nfft // 2 + 1
        if x.shape[0] < self.nfft:
            raise ValueError(f"{x.shape[0]} samples are too few for a segment of {self.nfft}")
        if out is None:
            out = array.clone(DOUBLES, bins, zero=False)
        density = out
        if density.shape[0] != bins:
            raise ValueError(f"out has {density.shape[0]} numbers; the density has {bins} bins")
        if self.busy:
            raise RuntimeError("this plan is in use by another thread; make one per thread")
        self.busy = True
        with nogil:
            self._average(&x[0], x.shape[0], &density[0])
        self.busy = False
        return out

    cdef void _average(self, const float *x, long n, double *density) noexcept nogil:
        cdef long bins = self.nfft // 2 + 1
        cdef long segments = 0
        cdef long hop = self.nfft // 2
        cdef long start = 0
        cdef long k
        cdef double mean, scale
        cdef double first_half, second_half
        memset(self.power, 0, bins * sizeof(double))
        second_half = samples_sum(x, hop, self.avx2)
        while start + self.nfft <= n:
            first_half, second_half = second_half, samples_sum(x + start + hop, hop, self.avx2)
            mean = (first_half + second_half) / self.nfft
            rfft_add_power(self.plan, x + start, self.window, <float>mean, self.scratch, self.power)
            segments += 1
            start += hop
        # one-sided: a bin stands for its negative frequency too; 0 Hz and half the rate have none
        scale = self.scale / segments
        for k in range(bins):
            density[k] = self.power[k] * 2 * scale
        density[0] /= 2
        density[bins - 1] /= 2
