# cython: language_level=3
"""The squared envelope for other kernels: `from cython_ext.envelope cimport Envelope`. Nothing here checks or locks."""

from cython_ext.spectrum cimport ComplexFFT, RealFFT

cdef class Envelope:
    cdef RealFFT record
    cdef ComplexFFT band
    cdef RealFFT grid
    cdef float *bins_scratch
    cdef float *padded
    cdef float *squares
    cdef float *window
    cdef double window_sum
    cdef long first
    cdef long count
    cdef long grid_points
    cdef bint avx2
    cdef bint busy
    cdef readonly long samples
    cdef readonly long n
    cdef readonly long points
    cdef readonly long bins
    cdef readonly double rate_hz
    cdef readonly double bin_hz
    cdef readonly double low_hz
    cdef readonly double high_hz
    cdef readonly double envelope_rate_hz
    cdef readonly bint prewhiten
    cdef readonly str backend

    cdef float mean_of(self, const float *x) noexcept nogil
    # samples numbers, whose mean is known, to `bins` amplitudes
    cdef void spectrum_into(self, const float *x, float mean_of_x, float *out) noexcept nogil
    # samples numbers to grid_points squares in self.squares; returns their mean under the window
    cdef double squared(self, const float *x, float mean) noexcept nogil
    cdef int _plan(self) except -1
    cdef int _check(self, long given, long out, long numbers) except -1
