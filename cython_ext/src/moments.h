/* Sum and power sums of float32 samples, in the build that fits the processor. */
#pragma once

#include "backend.h"

typedef struct {
    double sums[4]; /* of (x - shift) to the power 1, 2, 3, 4 */
    float low, high;
} moments;

#define LANES 4
#define NAME(x) moments_##x##_baseline
#define TARGET
#include "lanes.h"
#include "moments_build.h"
#include "lanes_end.h"

#if HAVE_AVX2_BUILD
#define LANES 8
#define NAME(x) moments_##x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#include "moments_build.h"
#include "lanes_end.h"
#endif

static inline double samples_sum(const float *x, long n, int avx2) {
#if HAVE_AVX2_BUILD
    if (avx2) return moments_sum_avx2(x, n);
#endif
    (void)avx2;
    return moments_sum_baseline(x, n);
}

static inline void samples_moments(const float *x, long n, double shift, moments *result, int avx2) {
#if HAVE_AVX2_BUILD
    if (avx2) {
        moments_powers_avx2(x, n, shift, result);
        return;
    }
#endif
    (void)avx2;
    moments_powers_baseline(x, n, shift, result);
}
