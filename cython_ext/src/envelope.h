/* Steps of the squared envelope between its transforms, in the build that fits the processor. */
#pragma once

#include "backend.h"

#include <math.h>

/* squares between these are ordinary float32 numbers, and so is what is computed from them */
#define ENVELOPE_LEAST 1e-30f
#define ENVELOPE_MOST 1e30f

/* One by one, in float64, where the squares of any float32 are ordinary numbers; NaN stays NaN. */
static inline void envelope_whiten_pairs(float *bins, long count) {
    for (long k = 0; k < count; k++) {
        const double re = bins[2 * k], im = bins[2 * k + 1], square = re * re + im * im;
        const double by = square != 0 ? 1 / sqrt(square) : 0;
        bins[2 * k] = (float)(re * by);
        bins[2 * k + 1] = (float)(im * by);
    }
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
