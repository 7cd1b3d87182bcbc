# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Spectra of waveforms: real and complex FFT and their inverse, Welch's power spectral density.

float32 samples in, float64 sums. A plan (`RealFFT`, `Welch`) allocates when it is made and then no more where `out` is given;
it releases the GIL while it computes and serves one thread at a time. The fastest build for the processor is chosen when a
plan is made; the environment variable GATEWAY_KERNELS=baseline forces the plain one. `cython_ext.reference` says the same in
plain Python and is the test oracle.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport M_PI, cos
from libc.string cimport memset

from cython_ext.moments cimport samples_sum

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()
    const char *backend_name()

cdef extern from "src/rfft.h" nogil:
    rfft_plan *rfft_new(long n, bint avx2)
    void rfft_free(rfft_plan *plan)
    void rfft_forward(const rfft_plan *plan, const float *x, const float *window, float mean, float *spectrum)
    void rfft_inverse(const rfft_plan *plan, const float *spectrum, float *x)
    void rfft_forward_complex(const rfft_plan *plan, const float *x, float *out)
    void rfft_inverse_complex(const rfft_plan *plan, const float *x, float *out)
    void rfft_forward_apart(const rfft_plan *plan, const float *x, float **re, float **im)
    void rfft_add_power(const rfft_plan *plan, const float *x, const float *window, float mean, float *scratch, double *sum)

cdef enum:
    MOST_SAMPLES = 1 << 26

cdef array.array FLOATS = array.array("f")
cdef array.array DOUBLES = array.array("d")


def backend():
    """Return the build that a plan made now uses: `avx2`, `sse2` or `neon`."""
    return backend_name().decode()


cdef bint has_small_factors(long n) noexcept nogil:
    if n < 1:
        return False
    while n % 2 == 0:
        n //= 2
    while n % 3 == 0:
        n //= 3
    while n % 5 == 0:
        n //= 5
    return n == 1


cdef long fast_length(long n) noexcept nogil:
    n += n % 2
    while not has_small_factors(n):
        n += 2
    return n


def next_fast_length(long n):
    """Return the smallest even length >= n without a prime factor above 5: the lengths that `RealFFT` and `Welch` take.

    Raises:
        ValueError: n is below 1 or above 2**26.
    """
    if not 1 <= n <= MOST_SAMPLES:
        raise ValueError(f"{n} samples: the length must be 1 to {MOST_SAMPLES}")
    return fast_length(n)


cdef long checked_length(long n) except -1:
    if not 2 <= n <= MOST_SAMPLES:
        raise ValueError(f"{n} samples: the length must be 2 to {MOST_SAMPLES}")
    if n % 2 or not has_small_factors(n):
        raise ValueError(
            f"{n} samples: the length must be even without a prime factor above 5; the next good length is {fast_length(n)}"
        )
    return n


cdef int check_out(long given, long numbers) except -1:
    if given != numbers:
        raise ValueError(f"out has {given} numbers; it takes {numbers}")
    return 0


cdef int check_free(bint busy) except -1:
    if busy:
        raise RuntimeError("this plan is in use by another thread; make one per thread")
    return 0


cdef class RealFFT:
    """FFT of `n` real float32 samples; n is even without a prime factor above 5. `n` and `backend` (the build in use: `avx2`, `sse2`
    or `neon`) can be read.

    Raises:
        ValueError: another length; the message names the next good one.
    """

    def __cinit__(self, long n):
        self.n = checked_length(n)
        self.backend = backend()
        self.plan = rfft_new(n, backend_is_avx2())
        if self.plan == NULL:
            raise MemoryError

    def __dealloc__(self):
        rfft_free(self.plan)

    cdef void forward_into(self, const float *x, float *spectrum) noexcept nogil:
        rfft_forward(self.plan, x, NULL, 0, spectrum)

    cdef void forward_windowed(self, const float *x, const float *window, float mean, float *spectrum) noexcept nogil:
        rfft_forward(self.plan, x, window, mean, spectrum)

    cdef void inverse_into(self, const float *spectrum, float *x) noexcept nogil:
        rfft_inverse(self.plan, spectrum, x)

    def forward(self, const float[::1] x, out=None):
        """Return the n//2 + 1 bins of the spectrum of `x`, unscaled, as float32 pairs real, imaginary: n + 2 numbers.

        Args:
            x: n samples.
            out: writable float32 buffer of n + 2 numbers to write to and return; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        if out is None:
            out = array.clone(FLOATS, self.n + 2, zero=False)
        cdef float[::1] spectrum = out
        if x.shape[0] != self.n:
            raise ValueError(f"{x.shape[0]} samples for a transform of {self.n}")
        check_out(spectrum.shape[0], self.n + 2)
        check_free(self.busy)
        self.busy = True
        with nogil:
            self.forward_into(&x[0], &spectrum[0])
        self.busy = False
        return out

    def inverse(self, const float[::1] spectrum, out=None):
        """Return the n samples whose spectrum this is: inverse(forward(x)) is x. The imaginary parts of 0 Hz and half the rate do
        not count.

        Args:
            spectrum: n//2 + 1 bins as pairs real, imaginary, as `forward` returns them.
            out: writable float32 buffer of n numbers to write to and return, apart from `spectrum`; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        if out is None:
            out = array.clone(FLOATS, self.n, zero=False)
        cdef float[::1] samples = out
        if spectrum.shape[0] != self.n + 2:
            raise ValueError(f"{spectrum.shape[0]} numbers for a spectrum of {self.n} samples, which has {self.n + 2}")
        check_out(samples.shape[0], self.n)
        check_free(self.busy)
        self.busy = True
        with nogil:
            self.inverse_into(&spectrum[0], &samples[0])
        self.busy = False
        return out


cdef class ComplexFFT:
    """FFT of `n` complex points without a prime factor above 5; real and imaginary parts are float32 in turn.

    Raises:
        ValueError: another length.
    """

    def __cinit__(self, long n):
        if not 1 <= n <= MOST_SAMPLES // 2 or not has_small_factors(n):
            raise ValueError(f"{n} points: the length must be 1 to {MOST_SAMPLES // 2} without a prime factor above 5")
        self.n = n
        self.backend = backend()
        self.plan = rfft_new(2 * n, backend_is_avx2())
        if self.plan == NULL:
            raise MemoryError

    def __dealloc__(self):
        rfft_free(self.plan)

    cdef void forward_into(self, const float *x, float *out) noexcept nogil:
        rfft_forward_complex(self.plan, x, out)

    cdef void inverse_into(self, const float *x, float *out) noexcept nogil:
        rfft_inverse_complex(self.plan, x, out)

    cdef void forward_apart(self, const float *x, float **re, float **im) noexcept nogil:
        rfft_forward_apart(self.plan, x, re, im)

    def forward(self, const float[::1] x, out=None):
        """Return the spectrum of `x`, unscaled: 2 n numbers as `x` has.

        Args:
            x: n points as pairs real, imaginary.
            out: writable float32 buffer of 2 n numbers to write to and return, `x` itself if you like; a new array when None.

        Raises:
            ValueError: a length or type does not fit.
            RuntimeError: another thread is using this plan.
        """
        return self._transform(x, out, False)

    def inverse(self, const float[::1] x, out=None):
        """Return the points whose spectrum `x` is: inverse(forward(x)) is x. Arguments and errors as for `forward`."""
        return self._transform(x, out, True)

    cdef _transform(self, const float[::1] x, out, bint inverse):
        if out is None:
            out = array.clone(FLOATS, 2 * self.n, zero=False)
        cdef float[::1] points = out
        if x.shape[0] != 2 * self.n:
            raise ValueError(f"{x.shape[0]} numbers for a transform of {self.n} points, which has {2 * self.n}")
        check_out(points.shape[0], 2 * self.n)
        check_free(self.busy)
        self.busy = True
        with nogil:
            if inverse:
                self.inverse_into(&x[0], &points[0])
            else:
                self.forward_into(&x[0], &points[0])
        self.busy = False
        return out


cdef class Welch:
    """Power spectral density by Welch's method: periodic Hann window, 50 % overlap, each segment without its mean, one-sided.

    Attributes that can be read: `nfft`, `rate_hz`, `bin_hz` (distance of two bins) and `backend` (the build in use).

    Args:
        nfft: samples per segment, even without a prime factor above 5.
        rate_hz: samples per second.

    Raises:
        ValueError: `nfft` is another length (the message names the next good one), or `rate_hz` is not above 0.
    """

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
            self.average_into(&x[0], x.shape[0], &density[0])
        self.busy = False
        return out

    cdef void average_into(self, const float *x, long n, double *density) noexcept nogil:
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
