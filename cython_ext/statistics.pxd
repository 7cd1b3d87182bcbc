"""The median for other kernels."""

# the mean of the middle two for an even count; reorders `x`
cdef double median(double *x, Py_ssize_t n) noexcept nogil
