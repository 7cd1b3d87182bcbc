# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Levels of lines above what surrounds them: medians and decibels, for kernels that look for combs."""

cdef enum:
    FEW = 24

    # a level is 0 dB to this
    MOST_DB = 40


cdef inline Py_ssize_t nearest(double position) noexcept nogil:
    """The bin nearest to a position, which is not negative: without a call of floor on old processors."""
    return <Py_ssize_t>(position + 0.5)


cdef inline float upper_median(float *values, Py_ssize_t n) noexcept nogil:
    """The element at n // 2 of the sorted values, by quickselect; the values change places. They must be finite."""
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t high = n - 1
    cdef Py_ssize_t target = n // 2
    cdef Py_ssize_t i, j
    cdef float pivot, other
    cdef int rank
    if n <= FEW:  # the value with as many before it, without a branch that the processor could guess wrong
        for i in range(n):
            rank = 0
            for j in range(n):
                rank += (values[j] < values[i]) | ((values[j] == values[i]) & (j < i))
            if rank == target:
                return values[i]
    while low < high:
        pivot = values[(low + high) // 2]
        i = low
        j = high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                other = values[i]
                values[i] = values[j]
                values[j] = other
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            break
    return values[target]


cdef inline double clipped_db(double decibels) noexcept nogil:
    return 0.0 if not decibels > 0 else (MOST_DB if decibels > MOST_DB else decibels)
