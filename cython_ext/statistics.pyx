# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Statistics of a signal in one pass over its samples, and the robust slope of a trend.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.math cimport NAN, isfinite, sqrt

from cython_ext.results import Statistics

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef extern from "src/moments.h" nogil:
    ctypedef struct moments:
        double[4] sums
        float low
        float high
    double samples_sum(const float *x, long n, bint avx2)
    void samples_moments(const float *x, long n, double shift, moments *result, bint avx2)

cdef enum:
    # samples whose mean is the shift of the power sums: enough that no outlier at the start can spoil their precision
    SHIFT_SAMPLES = 64
    # a slope per pair of points: 16 MB of scratch memory
    MOST_POINTS = 2048


def statistics(const float[::1] x):
    """Return the `Statistics` of `x`: float32 samples, float64 sums, one pass.

    A constant signal, and a single sample, have rms and peak 0; crest, skewness and kurtosis are NaN then, since they do not exist.
    With a sample that is not finite everything but the count is NaN.

    Raises:
        ValueError: there are no samples.
    """
    cdef long n = x.shape[0]
    cdef double shift, offset, mean, second, third, fourth, variance, rms, peak, crest, skewness, kurtosis
    cdef moments m
    cdef bint avx2 = backend_is_avx2()
    if n == 0:
        raise ValueError("no samples to take statistics of")
    with nogil:
        shift = samples_sum(&x[0], min(n, <long>SHIFT_SAMPLES), avx2) / min(n, <long>SHIFT_SAMPLES)
        samples_moments(&x[0], n, shift, &m, avx2)
    if not isfinite(m.sums[3]):
        return Statistics(n, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN)
    if m.low == m.high:
        return Statistics(n, m.low, 0.0, 0.0, 0.0, NAN, NAN, NAN, m.low, m.low)
    # from power sums about the shift to central moments
    offset = m.sums[0] / n
    second, third, fourth = m.sums[1] / n, m.sums[2] / n, m.sums[3] / n
    mean = shift + offset
    variance = second - offset * offset
    third = third - 3 * offset * second + 2 * offset**3
    fourth = fourth - 4 * offset * (m.sums[2] / n) + 6 * offset**2 * second - 3 * offset**4
    rms = sqrt(variance)
    peak = max(m.high - mean, mean - m.low)
    crest, skewness, kurtosis = peak / rms, third / (variance * rms), fourth / (variance * variance)
    return Statistics(n, mean, rms, peak, <double>m.high - m.low, crest, skewness, kurtosis, m.low, m.high)


def theil_sen(const double[::1] t, const double[::1] y):
    """Return the slope of `y` over `t` (unit of y per unit of t) as the median of the slopes of all pairs of points: Theil-Sen.

    Up to 29 % of the points may be arbitrarily wrong without spoiling it. Pairs at the same t do not count. NaN when a point
    is not finite.

    Raises:
        ValueError: lengths differ, there are no two different t, or there are more than 2048 points.
    """
    cdef Py_ssize_t n = t.shape[0]
    cdef Py_ssize_t count = 0
    cdef double slope = NAN
    cdef double *slopes
    if y.shape[0] != n:
        raise ValueError(f"{n} times but {y.shape[0]} values")
    if n > MOST_POINTS:
        raise ValueError(f"{n} points are more than the {MOST_POINTS} that a slope is taken of; thin them out")
    slopes = <double *>PyMem_RawMalloc((n * (n - 1) // 2 + 1) * sizeof(double))
    if slopes == NULL:
        raise MemoryError
    with nogil:
        if all_finite(t) and all_finite(y):
            count = pairwise_slopes(t, y, slopes)
            if count:
                slope = median(slopes, count)
        else:
            count = 1
    PyMem_RawFree(slopes)
    if count == 0:
        raise ValueError("a slope needs points at two different times at least")
    return slope


cdef bint all_finite(const double[::1] x) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        if not isfinite(x[i]):
            return False
    return True


cdef Py_ssize_t pairwise_slopes(const double[::1] t, const double[::1] y, double *slopes) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Py_ssize_t count = 0
    for i in range(t.shape[0]):
        for j in range(i + 1, t.shape[0]):
            if t[j] != t[i]:
                slopes[count] = (y[j] - y[i]) / (t[j] - t[i])
                count += 1
    return count


cdef double median(double *x, Py_ssize_t n) noexcept nogil:
    """The median, the mean of the middle two for an even count; reorders `x`."""
    cdef Py_ssize_t i
    cdef double upper = select(x, n, n // 2)
    cdef double lower
    if n % 2:
        return upper
    lower = x[0]
    for i in range(1, n // 2):    # `select` left everything smaller before the middle
        lower = max(lower, x[i])
    return lower + (upper - lower) / 2


cdef double select(double *x, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """The k-th smallest by Hoare's selection; everything before index k is then not larger, everything after not smaller."""
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t high = n - 1
    cdef Py_ssize_t i, j
    cdef double pivot, held
    while low < high:
        pivot = x[low + (high - low) // 2]
        i, j = low, high
        while i <= j:
            while x[i] < pivot:
                i += 1
            while pivot < x[j]:
                j -= 1
            if i <= j:
                held = x[i]
                x[i] = x[j]
                x[j] = held
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return x[k]
