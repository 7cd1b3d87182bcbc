# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The speed of a shaft from the lines of its harmonics in a power spectral density, and what lies below all lines: the floor.

`cython_ext.reference` says the same in plain Python and is the test oracle.
"""

from cpython cimport array
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport NAN, isfinite, log10

from cython_ext.levels cimport clipped_db, nearest, upper_median

cdef array.array DOUBLES = array.array("d")

SPEED_TOLERANCE = 0.03
"""How far the true speed of a shaft is looked for on either side of the one given."""

cdef double SPEED_PENALTY_DB = 2.0  # per (1 %)² between the given and the found speed

cdef enum:
    SPEED_HARMONICS = 10
    LEAST_AROUND = 5


def shaft_speed(const double[::1] psd, double bin_hz, double shaft_hz, double tolerance=SPEED_TOLERANCE):
    """Return the speed in Hz near `shaft_hz` at which a comb of ten harmonics fits the spectrum best, and its mean level in dB.

    The level of a harmonic is that of the density over the median around it, between bins by a parabola, from 0 to 40 dB. A
    speed is the less likely the further it is from the one given: 2 dB less at 1 %, 8 dB at 2 %. Noise gives 5 dB or less;
    a shaft 15 to 30. Harmonics beyond the spectrum do not count; NaN and 0 dB where fewer than three are left or the density is
    not finite.

    Args:
        psd: density, of the whole record as one segment.
        bin_hz: distance of two bins.
        shaft_hz: the speed given.
        tolerance: how far from it to look, as a share.

    Raises:
        ValueError: a number is not above 0, or the tolerance is above 0.1.
    """
    cdef Py_ssize_t bins = psd.shape[0]
    cdef Py_ssize_t n, i, j, half, middle, first, last
    cdef double top, step, hz, offset, below, here, above, median, total, penalty, best, best_hz, best_db
    cdef array.array medians = array.clone(DOUBLES, SPEED_HARMONICS, zero=True)
    cdef double[::1] floors = medians
    cdef float *scratch
    cdef int k, lines
    if not (0 < bin_hz < float("inf") and 0 < shaft_hz < float("inf")):
        raise ValueError("the bin distance and the speed must be above 0")
    if not 0 < tolerance <= 0.1:
        raise ValueError(f"a tolerance of {tolerance}; it must be above 0 and at most 0.1")
    lines = 0
    for k in range(1, SPEED_HARMONICS + 1):
        top = k * shaft_hz * (1 + tolerance) / bin_hz
        if top + 2 < bins and k * shaft_hz * (1 - tolerance) / bin_hz >= 2:
            lines = k
        else:
            break
    if lines < 3:
        return NAN, 0.0
    half = min(bins, max(<Py_ssize_t>LEAST_AROUND, <Py_ssize_t>(0.4 * shaft_hz / bin_hz)))
    scratch = <float *>PyMem_Malloc((2 * half + 1) * sizeof(float))
    if scratch == NULL:
        raise MemoryError
    try:
        for k in range(1, lines + 1):
            middle = nearest(k * shaft_hz / bin_hz)
            first = max(<Py_ssize_t>1, middle - half)
            last = min(bins - 1, middle + half)
            for i in range(first, last + 1):
                if not isfinite(psd[i]):
                    return NAN, 0.0
                scratch[i - first] = <float>psd[i]
            floors[k - 1] = upper_median(scratch, last - first + 1)
    finally:
        PyMem_Free(scratch)
    n = max(<Py_ssize_t>3, <Py_ssize_t>(8 * tolerance * shaft_hz * lines / bin_hz) + 1)
    step = 2 * tolerance * shaft_hz / (n - 1)
    best, best_hz, best_db = -1e300, NAN, 0.0
    with nogil:
        for j in range(n):
            hz = shaft_hz * (1 - tolerance) + step * j
            total = 0
            for k in range(1, lines + 1):
                median = floors[k - 1]
                i = nearest(k * hz / bin_hz)
                if not (median > 0 and psd[i - 1] > 0 and psd[i] > 0 and psd[i + 1] > 0):
                    continue
                offset = k * hz / bin_hz - i
                below, here, above = log10(psd[i - 1] / median), log10(psd[i] / median), log10(psd[i + 1] / median)
                total += clipped_db(
                    10 * (here + offset * (above - below) / 2 + offset * offset * (below - 2 * here + above) / 2)
                )
            penalty = 100 * (hz / shaft_hz - 1)
            penalty = SPEED_PENALTY_DB * penalty * penalty
            if total / lines - penalty > best:
                best, best_hz, best_db = total / lines - penalty, hz, total / lines
    return best_hz, best_db


def floor_of(const double[::1] psd, Py_ssize_t first):
    """Return the power of a density (the sum of its bins) and that of its floor: the median from bin `first` on times their number.

    Both are NaN where the density is not finite. The GIL is released.

    Raises:
        ValueError: there is no such bin.
    """
    cdef Py_ssize_t bins = psd.shape[0]
    cdef Py_ssize_t i
    cdef double total = 0
    cdef double median = NAN
    cdef float *scratch
    if not 0 <= first < bins:
        raise ValueError(f"no bin {first} in a density of {bins}")
    scratch = <float *>PyMem_Malloc((bins - first) * sizeof(float))
    if scratch == NULL:
        raise MemoryError
    with nogil:
        for i in range(bins):
            total += psd[i]
        if isfinite(total):
            for i in range(first, bins):
                scratch[i - first] = <float>psd[i]
            median = upper_median(scratch, bins - first)
        else:
            total = NAN
    PyMem_Free(scratch)
    return total, median * (bins - first)
