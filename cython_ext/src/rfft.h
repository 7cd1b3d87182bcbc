/* Real FFT of float32 samples and its inverse, lengths 2^a 3^b 5^c with a >= 1, and the complex one of half as many points, in the
 * build that fits the processor; allocates only in rfft_new. */
#pragma once

#include "backend.h"
#include "fft_plan.h"
#include "fft_rest.h"

#define LANES 1
#define NAME(x) fft_##x##_scalar
#define TARGET
#include "lanes.h"
#include "fft_build.h"
#include "lanes_end.h"

#define LANES 4
#define NAME(x) fft_##x##_baseline
#define TARGET
#include "lanes.h"
#include "fft_build.h"
#include "fft_ends.h"
#include "fft_inverse.h"
#include "fft_last.h"
#include "lanes_end.h"

#if HAVE_AVX2_BUILD
#define LANES 8
#define NAME(x) fft_##x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#include "fft_build.h"
#include "fft_ends.h"
#include "fft_inverse.h"
#include "fft_last.h"
#include "lanes_end.h"
#endif

#define LAST 16 /* behind the radix: of the last pass */
#define RUNS(build)                                                                 \
    {[2] = fft_pass2_##build,                                                       \
     [3] = fft_pass3_##build,                                                       \
     [4] = fft_pass4_##build,                                                       \
     [5] = fft_pass5_##build,                                                       \
     [8] = fft_pass8_##build,                                                       \
     [LAST + 4] = fft_pass4_last_##build,                                           \
     [LAST + 8] = fft_pass8_last_##build}

/* The pass of the widest build that the stride fills. */
static fft_run *fft_choose(const fft_pass *pass, int avx2) {
    static fft_run *const scalar[] = RUNS(scalar), *const baseline[] = RUNS(baseline);
    const int which = pass->radix == pass->length && pass->radix % 4 == 0 ? LAST + pass->radix : pass->radix;
#if HAVE_AVX2_BUILD
    static fft_run *const wide[] = RUNS(avx2);
    if (avx2 && pass->stride % 8 == 0) return wide[which];
#endif
    (void)avx2;
    return pass->stride % 4 == 0 ? baseline[which] : scalar[which];
}

#undef RUNS
#undef LAST

/* Eight lanes need whole vectors, for they hold their points in another order; four may overlap at the end. */
static int fft_first_lanes(long half, int avx2) {
    const long points = half / FFT_FIRST_RADIX;
    if (half % FFT_FIRST_RADIX || points < 4) return 0;
    return avx2 && points % 8 == 0 ? 8 : 4;
}

static void rfft_choose_build(rfft_plan *plan, int avx2) {
    for (int i = plan->begin; i < plan->count; i++) plan->pass[i].run = fft_choose(&plan->pass[i], avx2);
    plan->first = plan->first_lanes ? fft_first_baseline : rfft_take_apart;
    plan->bins = fft_bins_baseline;
    plan->power = fft_power_baseline;
    plan->add_up = fft_add_up_baseline;
    plan->join = fft_join_baseline;
    plan->pairs = fft_pairs_baseline;
    plan->pairs_backwards = fft_pairs_backwards_baseline;
#if HAVE_AVX2_BUILD
    if (avx2) {
        if (plan->first_lanes == 8) plan->first = fft_first_avx2;
        plan->bins = fft_bins_avx2;
        plan->power = fft_power_avx2;
        plan->add_up = fft_add_up_avx2;
        plan->join = fft_join_avx2;
        plan->pairs = fft_pairs_avx2;
        plan->pairs_backwards = fft_pairs_backwards_avx2;
    }
#endif
}

/* Where the last pass is of four or eight points and its stride fills the vectors. */
static void rfft_choose_last(rfft_plan *plan, int avx2) {
    if (plan->count <= plan->begin) return;
    const fft_pass *last = &plan->pass[plan->count - 1];
    if (last->radix % 4 || last->stride % 4) return;
    plan->last_pairs = last->radix == 8 ? fft_pairs8_last_baseline : fft_pairs4_last_baseline;
#if HAVE_AVX2_BUILD
    if (avx2 && last->stride % 8 == 0) plan->last_pairs = last->radix == 8 ? fft_pairs8_last_avx2 : fft_pairs4_last_avx2;
#endif
    (void)avx2;
}

static void rfft_free(rfft_plan *plan) {
    if (plan) free(plan->memory);
    free(plan);
}

/* Returns NULL when there is no memory; n must be even and of the factors 2, 3, 5. */
static rfft_plan *rfft_new(long n, int avx2) {
    rfft_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    plan->n = n;
    plan->half = n / 2;
    plan->first_lanes = fft_first_lanes(plan->half, avx2);
    plan->begin = plan->first_lanes > 0;
    fft_list_passes(plan);
    if (!fft_allocate(plan)) {
        rfft_free(plan);
        return NULL;
    }
    rfft_choose_build(plan, avx2);
    rfft_choose_last(plan, avx2);
    return plan;
}

/* The first `count` passes of the complex transform of n/2 pairs; returns which of the two pairs of arrays holds the result. */
static int rfft_passes(const rfft_plan *plan, int count, const float *x, const float *window, float mean) {
    int from = 0;
    plan->first(plan, x, window, mean);
    for (int i = plan->begin; i < count; i++, from = !from) {
        const fft_pass *pass = &plan->pass[i];
        pass->run(pass, plan->re[from], plan->im[from], plan->re[!from], plan->im[!from]);
    }
    return from;
}

static int rfft_transform(const rfft_plan *plan, const float *x, const float *window, float mean) {
    return rfft_passes(plan, plan->count, x, window, mean);
}

/* Writes n/2 + 1 bins of x - mean, or with a window of (x - mean) * window; real and imaginary part in turn. */
static void rfft_forward(const rfft_plan *plan, const float *x, const float *window, float mean, float *spectrum) {
    const int at = rfft_transform(plan, x, window, mean);
    plan->bins(plan, plan->re[at], plan->im[at], spectrum);
}

/* Adds the squared magnitudes of the n/2 + 1 bins of (x - mean) * window to `sum`; `scratch` holds as many floats. */
static void rfft_add_power(const rfft_plan *plan, const float *x, const float *window, float mean, float *scratch, double *sum) {
    const int at = rfft_transform(plan, x, window, mean);
    plan->power(plan, plan->re[at], plan->im[at], scratch);
    plan->add_up(sum, scratch, plan->half + 1);
}

/* The n samples of a spectrum of n/2 + 1 bins, scaled by 1 / n. With real and imaginary parts exchanged before and after, the
 * transform is its own inverse. `x` also serves as scratch. */
static void rfft_inverse(const rfft_plan *plan, const float *spectrum, float *x) {
    plan->join(plan, spectrum, x);
    if (plan->last_pairs) {
        const int at = rfft_passes(plan, plan->count - 1, x, NULL, 0);
        plan->last_pairs(plan, plan->re[at], plan->im[at], x);
        return;
    }
    const int at = rfft_transform(plan, x, NULL, 0);
    plan->pairs(plan->im[at], plan->re[at], x, plan->half);
}

/* The complex transform of n/2 points, pairs real, imaginary on both sides. `x` and `out` may be the same. */
static void rfft_forward_complex(const rfft_plan *plan, const float *x, float *out) {
    const int at = rfft_transform(plan, x, NULL, 0);
    plan->pairs(plan->re[at], plan->im[at], out, plan->half);
}

/* Its inverse, scaled by 2 / n: the transform read backwards. */
static void rfft_inverse_complex(const rfft_plan *plan, const float *x, float *out) {
    const int at = rfft_transform(plan, x, NULL, 0);
    plan->pairs_backwards(plan->re[at], plan->im[at], 1.0f / (float)plan->half, out, plan->half);
}

/* The forward one, left where it is: in two arrays that hold until the plan is used again. */
static void rfft_forward_apart(const rfft_plan *plan, const float *x, float **re, float **im) {
    const int at = rfft_transform(plan, x, NULL, 0);
    *re = plan->re[at];
    *im = plan->im[at];
}
