# cython: language_level=3
"""The transforms for other kernels: `from cython_ext.spectrum cimport ComplexFFT, RealFFT, Welch, fast_length`.

Nothing here checks or locks: whoever owns a plan gives it buffers of the right length, from one thread at a time.
"""

cdef extern from *:
    """
    typedef struct rfft_plan rfft_plan;
    """
    ctypedef struct rfft_plan

# the smallest even length >= n without a prime factor above 5
cdef long fast_length(long n) noexcept nogil

cdef class RealFFT:
    cdef rfft_plan *plan
    cdef bint busy
    cdef readonly long n
    cdef readonly str backend

    # n samples to n/2 + 1 pairs
    cdef void forward_into(self, const float *x, float *spectrum) noexcept nogil
    # the same of (x - mean) * window, or of x - mean where `window` is NULL
    cdef void forward_windowed(self, const float *x, const float *window, float mean, float *spectrum) noexcept nogil
    # n/2 + 1 pairs to n samples, scaled by 1/n; the two must not overlap
    cdef void inverse_into(self, const float *spectrum, float *x) noexcept nogil

cdef class ComplexFFT:
    cdef rfft_plan *plan
    cdef bint busy
    cdef readonly long n
    cdef readonly str backend

    # n pairs to n pairs, unscaled; `out` may be `x`
    cdef void forward_into(self, const float *x, float *out) noexcept nogil
    # the same backwards, scaled by 1/n
    cdef void inverse_into(self, const float *x, float *out) noexcept nogil
    # n pairs to two arrays of n, which are the plan's own and hold until its next transform. Point j of the inverse is point
    # (n - j) % n of this, divided by n: read backwards, this is the fastest inverse.
    cdef void forward_apart(self, const float *x, float **re, float **im) noexcept nogil
    cdef object _transform(self, const float[::1] x, object out, bint inverse)

cdef class Welch:
    cdef rfft_plan *plan
    cdef float *window
    cdef float *scratch
    cdef double *power
    cdef double scale
    cdef bint avx2
    cdef bint busy
    cdef readonly long nfft
    cdef readonly double rate_hz
    cdef readonly str backend

    # n >= nfft samples to the density of nfft/2 + 1 bins
    cdef void average_into(self, const float *x, long n, double *density) noexcept nogil
