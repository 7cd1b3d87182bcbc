# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Statistics of a signal in one pass over its samples, mergeable, and the robust slope of a trend.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.math cimport NAN, isfinite, rint, sqrt
from libc.stdlib cimport qsort

from cython_ext.moments cimport MOMENTS_FIELDS, moments, moments_clear, moments_merge, moments_result, moments_update
from cython_ext.results import Statistics

cdef extern from "src/backend.h" nogil:
    bint backend_is_avx2()

cdef enum:
    # a slope per pair of points: 16 MB of scratch memory
    MOST_POINTS = 2048


cdef object fields_of(const moments *m):
    cdef double[MOMENTS_FIELDS] f
    moments_result(m, f)
    return Statistics(
        m.count, f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9], f[10], f[11], f[12], f[13], f[14], <long>f[15]
    )


def statistics(const float[::1] x):
    """Return the `Statistics` of `x`: float32 samples, one pass over memory, float64 sums of blocks of float32 sums.

    Within 1e-6 of the exact value, relative, skewness within 1e-6 absolute. A constant signal, and a single sample, have rms, peak,
    crossings and clipped 0; what is divided by the RMS is NaN then, since it does not exist. With a sample that is not finite
    everything but `count` and `nonfinite` is NaN.

    Raises:
        ValueError: there are no samples.
    """
    cdef moments m
    cdef bint avx2 = backend_is_avx2()
    if x.shape[0] == 0:
        raise ValueError("no samples to take statistics of")
    with nogil:
        moments_clear(&m)
        moments_update(&m, &x[0], x.shape[0], avx2)
    return fields_of(&m)


cdef class Moments:
    """Statistics of a signal that comes in buffers, or in parts that were looked at apart; 200 bytes, whatever its length.

    All fields are those of the whole signal, except that shape, impulse, clearance and crossings are about the mean of the
    buffer that each sample came in (see `Statistics`). One thread at a time.
    """

    cdef moments state
    cdef bint avx2
    cdef bint busy

    def __cinit__(self):
        self.avx2 = backend_is_avx2()
        moments_clear(&self.state)

    def __len__(self):
        return self.state.count

    def update(self, const float[::1] x):
        """Take the next samples of the signal; none are fine, too.

        Raises:
            RuntimeError: another thread is using this accumulator.
        """
        if x.shape[0] == 0:
            return
        self._take()
        with nogil:
            moments_update(&self.state, &x[0], x.shape[0], self.avx2)
        self.busy = False

    def merge(self, Moments other not None):
        """Take in what another accumulator has seen: a later part of the signal, or another signal of the same kind.

        A run of clipped samples and a crossing that lie across the seam are not seen.

        Raises:
            RuntimeError: another thread is using one of the two.
        """
        cdef moments copy
        other._take()
        copy = other.state
        other.busy = False
        self._take()
        moments_merge(&self.state, &copy)
        self.busy = False

    def result(self):
        """Return the `Statistics` of everything so far.

        Raises:
            ValueError: there are no samples.
            RuntimeError: another thread is using this accumulator.
        """
        if self.state.count == 0:
            raise ValueError("no samples to take statistics of")
        self._take()
        self.busy = False
        return fields_of(&self.state)

    def clear(self):
        """Begin anew.

        Raises:
            RuntimeError: another thread is using this accumulator.
        """
        self._take()
        moments_clear(&self.state)
        self.busy = False

    cdef int _take(self) except -1:
        if self.busy:
            raise RuntimeError("this accumulator is in use by another thread; make one per thread and merge them")
        self.busy = True
        return 0


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


def theil_sen_interval(const double[::1] t, const double[::1] y, double z=1.959963984540054):
    """Return the Theil-Sen slope with its confidence interval `(slope, low, high)` by Sen's method, from Kendall's score (Sen 1968).

    The interval holds the true slope with the probability of a normal variable within +-z (1.96: 95 %), for readings whose noise is
    independent; noise that lasts over several readings makes it too narrow. All three are NaN when a point is not finite.

    Raises:
        ValueError: as `theil_sen` does, or `z` is not positive.
    """
    cdef Py_ssize_t n = t.shape[0]
    cdef Py_ssize_t count = 0
    cdef Py_ssize_t first, last
    cdef double reach
    cdef double slope = NAN
    cdef double low = NAN
    cdef double high = NAN
    cdef double *slopes
    if not z > 0:
        raise ValueError(f"the width of an interval is positive, not {z}")
    if y.shape[0] != n:
        raise ValueError(f"{n} times but {y.shape[0]} values")
    if n > MOST_POINTS:
        raise ValueError(f"{n} points are more than the {MOST_POINTS} that a slope is taken of; thin them out")
    slopes = <double *>PyMem_RawMalloc((n * (n - 1) // 2 + n + 1) * sizeof(double))
    if slopes == NULL:
        raise MemoryError
    with nogil:
        if all_finite(t) and all_finite(y):
            # the variance of Kendall's score; points with the same value, or at the same time, say nothing about each other
            reach = n * (n - 1.0) * (2 * n + 5.0) - ties(t, slopes) - ties(y, slopes)
            reach = z * sqrt(max(0.0, reach) / 18)
            count = pairwise_slopes(t, y, slopes)
            if count:
                slope = median(slopes, count)
                first = max(<Py_ssize_t>rint((count - reach) / 2) - 1, <Py_ssize_t>0)
                last = min(<Py_ssize_t>rint((count + reach) / 2), count - 1)
                low = min(slope, select(slopes, count, first))
                high = max(slope, select(slopes, count, last))
        else:
            count = 1
    PyMem_RawFree(slopes)
    if count == 0:
        raise ValueError("a slope needs points at two different times at least")
    return slope, low, high


cdef double ties(const double[::1] x, double *scratch) noexcept nogil:
    """What equal numbers take away from 18 times the variance of Kendall's score."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n = x.shape[0]
    cdef double run = 1
    cdef double total = 0
    for i in range(n):
        scratch[i] = x[i]
    qsort(scratch, n, sizeof(double), by_size)
    for i in range(1, n + 1):
        if i < n and scratch[i] == scratch[i - 1]:
            run += 1
        else:
            total += run * (run - 1) * (2 * run + 5)
            run = 1
    return total


cdef int by_size(const void *a, const void *b) noexcept nogil:
    cdef double x = (<const double *>a)[0]
    cdef double y = (<const double *>b)[0]
    return (x > y) - (x < y)


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
