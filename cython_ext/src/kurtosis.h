/* Kurtosis of complex numbers, in the build that fits the processor. */
#pragma once

#include "backend.h"

#define LANES 4
#define NAME(x) kurtosis_##x##_baseline
#define TARGET
#include "lanes.h"
#include "kurtosis_build.h"
#include "lanes_end.h"

#if HAVE_AVX2_BUILD
#define LANES 8
#define NAME(x) kurtosis_##x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#include "kurtosis_build.h"
#include "lanes_end.h"
#define PICK(avx2, function, ...) ((avx2) ? kurtosis_##function##_avx2(__VA_ARGS__) : kurtosis_##function##_baseline(__VA_ARGS__))
#else
#define PICK(avx2, function, ...) ((void)(avx2), kurtosis_##function##_baseline(__VA_ARGS__))
#endif

/* <|z|⁴> / <|z|²>² - 2: 0 for Gaussian noise, -1 for one tone; 0 where there is nothing. */
static inline double kurtosis_of(const float *re, const float *im, long n, int avx2) {
    double second, fourth;
    PICK(avx2, sums, re, im, n, &second, &fourth);
    return second == 0 ? 0 : fourth * (double)n / (second * second) - 2;
}

static inline void kurtosis_scaled(const float *x, float factor, float *out, long count, int avx2) {
    PICK(avx2, scale, x, factor, out, count);
}

static inline float kurtosis_largest(const float *x, long n, int avx2) { return PICK(avx2, largest, x, n); }

#undef PICK
