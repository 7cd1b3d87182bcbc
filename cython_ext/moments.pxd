"""Statistics of samples in C, for the kernels; see src/moments.h."""

cdef extern from "src/moments.h" nogil:
    ctypedef struct moments:
        long count
        long wrong
    enum:
        MOMENTS_FIELDS
    double samples_sum(const float *x, long n, bint avx2)
    long samples_excursions(const float *x, long n, float level, float reach, bint avx2)
    void moments_clear(moments *m)
    void moments_update(moments *m, const float *x, long n, bint avx2)
    void moments_merge(moments *to, const moments *other)
    void moments_result(const moments *m, double *fields)

cdef enum:
    # some of the fields, which are those of `Statistics` in their order
    MEAN = 1
    RMS = 2
