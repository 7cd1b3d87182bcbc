# cython: language_level=3
"""Scores of bearing faults for other kernels. Nothing here checks or locks."""

cdef class BearingScores:
    cdef Py_ssize_t bins
    cdef readonly double bin_hz
    cdef double[4] rates
    cdef float *scratch
    cdef double *sums
    cdef Py_ssize_t most_candidates
    cdef bint busy

    # nine numbers: scores of outer, inner, element and cage, the tail of the cage, the four rates found
    cdef void score_into(self, const float *spectrum, double shaft_hz, double *out) noexcept nogil
    cdef int _check(self, Py_ssize_t bins, double shaft_hz) except -1
    cdef bint _finite(self, const float *spectrum) noexcept nogil
    cdef bint _fits(self, double hz) noexcept nogil
    cdef double _median(self, const float *spectrum, double hz, double shaft_hz) noexcept nogil
    cdef double _unmasked(self, const float *spectrum, Py_ssize_t i, double shaft_hz) noexcept nogil
    cdef double _level(self, const float *spectrum, Py_ssize_t i, double shaft_hz, double median) noexcept nogil
    cdef void _comb(
        self, const float *spectrum, double shaft_hz, double rate_hz, double slip, bint sidebands, double *score, double *found_hz
    ) noexcept nogil
    cdef bint _add(
        self, const float *spectrum, double shaft_hz, int k, double beside_hz, double start, double step, Py_ssize_t n,
        double rate_hz, double weight, double *sums
    ) noexcept nogil
    cdef double _tail(self, const float *spectrum, double shaft_hz, double cage_hz) noexcept nogil
