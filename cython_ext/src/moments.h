/* Mergeable statistics of float32 samples, one pass over memory, in the build that fits the processor.
 *
 * Every buffer is looked at about its level: the float32 nearest to the mean of its first MOMENTS_LEVEL_SAMPLES samples, which for a
 * window is its mean. Powers of the distance are summed in float32 lanes over a block of a few hundred samples, so that no lane
 * has to hold a double, and the blocks in float64. Blocks whose powers float32 cannot hold are done once more in float64.
 */
#pragma once

#include <math.h>

#include "backend.h"

#define MOMENTS_LEVEL_SAMPLES 65536
#define MOMENTS_CLIPPED_RUN 3
/* distances whose fourth power, and a block of them, are ordinary float32 numbers */
#define MOMENTS_LEAST 1e-7f
#define MOMENTS_MOST 1e8f

typedef struct {
    float value;
    long run;     /* samples at the value that the buffer ends with */
    long clipped; /* samples in runs of MOMENTS_CLIPPED_RUN or more at the value */
} moments_extreme;

typedef struct {
    long count, wrong; /* samples; samples that are not finite, after which nothing but these two means anything */
    double mean, central[3]; /* sums of the distance from the mean to the power 2, 3, 4 */
    double absolute, root;   /* sums of the distance from the level and of its square root */
    long crossings;          /* of the level */
    int side;                /* 1: the last sample was at its level or above; 0: below; -1: there was none */
    moments_extreme low, high;
} moments;

typedef struct {
    double powers[4], absolute, root; /* sums about the level */
} moments_sums;

static inline void moments_clear(moments *m) {
    memset(m, 0, sizeof *m);
    m->side = -1;
    m->low.value = INFINITY;
    m->high.value = -INFINITY;
}

static inline void moments_add_exactly(const float *x, long n, float level, moments_sums *sums) {
    for (long i = 0; i < n; i++) {
        const double d = (double)x[i] - level, squared = d * d;
        sums->powers[0] += d;
        sums->powers[1] += squared;
        sums->powers[2] += squared * d;
        sums->powers[3] += squared * squared;
        sums->absolute += fabs(d);
        sums->root += sqrt(fabs(d));
    }
}

/* Takes in a block whose most extreme sample is `value`; `beyond` is above 0 where that surpasses what there was. */
static inline void moments_meet(moments_extreme *extreme, float value, float beyond, const float *x, long n) {
    if (beyond < 0) {
        extreme->run = 0;
        return;
    }
    if (beyond > 0) *extreme = (moments_extreme){.value = value};
    if (!extreme->run) { /* as a rule the extreme is alone in its block */
        int equal = 0;
        for (long i = 0; i < n; i++) equal += x[i] == value;
        if (equal < MOMENTS_CLIPPED_RUN) {
            while (n > 0 && x[--n] == value) extreme->run++;
            return;
        }
    }
    for (long i = 0; i < n; i++) {
        extreme->run = x[i] == value ? extreme->run + 1 : 0;
        if (extreme->run >= MOMENTS_CLIPPED_RUN) extreme->clipped += extreme->run == MOMENTS_CLIPPED_RUN ? MOMENTS_CLIPPED_RUN : 1;
    }
}

static inline void moments_meet_block(moments *m, float low, float high, const float *x, long n) {
    /* compared, not subtracted: the first block meets infinities */
    moments_meet(&m->low, low, (float)((low < m->low.value) - (low > m->low.value)), x, n);
    moments_meet(&m->high, high, (float)((high > m->high.value) - (high < m->high.value)), x, n);
}

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

/* How many runs of samples are farther than `reach` from the level. */
static inline long samples_excursions(const float *x, long n, float level, float reach, int avx2) {
#if HAVE_AVX2_BUILD
    if (avx2) return moments_excursions_avx2(x, n, level, reach);
#endif
    (void)avx2;
    return moments_excursions_baseline(x, n, level, reach);
}

/* Adds what `from` has seen; its samples come after those of `to`, but not right after: no run and no crossing spans the seam. */
static inline void moments_merge(moments *to, const moments *from) {
    if (from->count == 0) return;
    if (to->count == 0) to->mean = from->mean;
    const double a = (double)to->count, b = (double)from->count, n = a + b, delta = from->mean - to->mean;
    const double two = to->central[0], three = to->central[1], step = delta / n;
    to->central[0] += from->central[0] + delta * step * a * b;
    to->central[1] += from->central[1] + delta * step * step * a * b * (a - b) + 3 * step * (a * from->central[0] - b * two);
    to->central[2] += from->central[2] + delta * step * step * step * a * b * (a * a - a * b + b * b) +
                      6 * step * step * (a * a * from->central[0] + b * b * two) + 4 * step * (a * from->central[1] - b * three);
    to->mean += step * b;
    to->absolute += from->absolute;
    to->root += from->root;
    to->count += from->count;
    to->wrong += from->wrong;
    to->crossings += from->crossings;
    to->side = from->side;
    if (from->low.value < to->low.value)
        to->low = from->low;
    else if (from->low.value == to->low.value)
        to->low.clipped += from->low.clipped;
    if (from->high.value > to->high.value)
        to->high = from->high;
    else if (from->high.value == to->high.value)
        to->high.clipped += from->high.clipped;
    to->low.run = from->low.value == to->low.value ? from->low.run : 0;
    to->high.run = from->high.value == to->high.value ? from->high.run : 0;
}

/* Takes in the next samples of the signal. */
static inline void moments_update(moments *m, const float *x, long n, int avx2) {
    moments_sums sums = {{0}};
    moments part;
    if (n <= 0) return;
    const long first = n < MOMENTS_LEVEL_SAMPLES ? n : MOMENTS_LEVEL_SAMPLES;
    const float level = (float)(samples_sum(x, first, avx2) / (double)first);
    if (m->side >= 0 && m->side != (x[0] >= level)) m->crossings++;
#if HAVE_AVX2_BUILD
    if (avx2)
        moments_pass_avx2(m, x, n, level, &sums);
    else
#endif
        moments_pass_baseline(m, x, n, level, &sums);
    m->side = x[n - 1] >= level;
    if (!isfinite(sums.powers[3])) {
        for (long i = 0; i < n; i++) m->wrong += !isfinite(x[i]);
        m->count += n;
        return;
    }
    /* from powers about the level to those about the mean of this part */
    moments_clear(&part);
    const double offset = sums.powers[0] / (double)n;
    part.count = n;
    part.mean = level + offset;
    part.central[0] = sums.powers[1] - offset * sums.powers[0];
    part.central[1] = sums.powers[2] - 3 * offset * sums.powers[1] + 2 * offset * offset * sums.powers[0];
    part.central[2] = sums.powers[3] - 4 * offset * sums.powers[2] + 6 * offset * offset * sums.powers[1] -
                      3 * offset * offset * offset * sums.powers[0];
    part.absolute = sums.absolute;
    part.root = sums.root;
    part.side = m->side;
    part.low = m->low; /* the pass has seen to the extremes and crossings itself */
    part.high = m->high;
    part.low.clipped = part.high.clipped = 0;
    moments_merge(m, &part);
}

enum { MOMENTS_FIELDS = 16 };

/* Writes the fields of `Statistics` in their order; m->count >= 1. */
static inline void moments_result(const moments *m, double *out) {
    const double n = (double)m->count, low = m->low.value, high = m->high.value;
    const double variance = m->central[0] / n, rms = sqrt(variance), absolute = m->absolute / n, root = m->root / n;
    const double peak = high - m->mean > m->mean - low ? high - m->mean : m->mean - low;
    for (int i = 0; i < MOMENTS_FIELDS; i++) out[i] = NAN;
    out[0] = n;
    out[15] = (double)m->wrong;
    if (m->wrong) return;
    out[1] = low == high ? low : m->mean;
    out[8] = low;
    out[9] = high;
    out[2] = out[3] = out[4] = out[13] = out[14] = 0;
    if (low == high) return;
    out[2] = rms;
    out[3] = peak;
    out[4] = high - low;
    out[5] = peak / rms;
    out[6] = m->central[1] / n / (variance * rms);
    out[7] = m->central[2] / n / (variance * variance);
    out[13] = (double)m->crossings;
    out[14] = (double)(m->low.clipped + m->high.clipped) / n;
    if (absolute == 0) return; /* buffers that were constants, each another one */
    out[10] = rms / absolute;
    out[11] = peak / absolute;
    out[12] = peak / (root * root);
}
