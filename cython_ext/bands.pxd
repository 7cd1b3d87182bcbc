"""Bands of a density for other kernels: checked once with the GIL, summed without."""

cdef struct Band:
    Py_ssize_t first
    Py_ssize_t last
    double first_weight
    double last_weight

cdef Band band_of(Py_ssize_t bins, double bin_hz, double low_hz, double high_hz) except *
cdef double mean_square(const double *psd, double bin_hz, const Band *band, int integrations) noexcept nogil
cdef double order_amplitude(const double *psd, Py_ssize_t bins, double bin_hz, double hz) noexcept nogil
cdef int high_frequency_band(Py_ssize_t bins, double bin_hz, Band *band) except -1
cdef float high_frequency_reach(double rms) noexcept nogil
