/* Steps of the squared envelope between its transforms, in the build that fits the processor. */
#pragma once

#include "backend.h"

#include <math.h>

/* The power of two that brings the largest of the numbers to about 1, so that no square is too large or too small for a float. */
static float envelope_scale(float largest) {
    int exponent;
    if (!(largest > 0) || !isfinite(largest)) return 1;
    frexpf(largest, &exponent);
    exponent = exponent < -125 ? -125 : exponent > 125 ? 125 : exponent;
    return ldexpf(1, -exponent);
}

#define LANES 4
#define NAME(x) envelope_##x##_baseline
#define TARGET
#include "lanes.h"
#include "envelope_build.h"
#include "lanes_end.h"

#if HAVE_AVX2_BUILD
#define LANES 8
#define NAME(x) envelope_##x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#include "envelope_build.h"
#include "lanes_end.h"
#define PICK(avx2, function, ...) ((avx2) ? envelope_##function##_avx2(__VA_ARGS__) : envelope_##function##_baseline(__VA_ARGS__))
#else
#define PICK(avx2, function, ...) ((void)(avx2), envelope_##function##_baseline(__VA_ARGS__))
#endif

/* Gives each of the `count` pairs the magnitude 1, keeping its phase; 0 stays 0. */
static inline void envelope_whiten(float *bins, long count, int avx2) { PICK(avx2, whiten, bins, count); }

/* Writes squared magnitudes of `n` complex numbers times `factor`, in the order 0, n-1, ..., 1; returns their sum times `weights`. */
static inline double envelope_square(const float *re, const float *im, float factor, const float *weights, float *out, long n, int avx2) {
    return PICK(avx2, square, re, im, factor, weights, out, n);
}

/* Magnitudes of `count` pairs, times `factor`. */
static inline void envelope_magnitudes(const float *bins, double factor, float *out, long count, int avx2) {
    PICK(avx2, magnitudes, bins, factor, out, count);
}

/* x - mean */
static inline void envelope_centre(const float *x, float mean, float *out, long n, int avx2) { PICK(avx2, centre, x, mean, out, n); }

#undef PICK
