/* Real FFT of float32 samples, lengths 2^a 3^b 5^c with a >= 1, in the build that fits the processor; allocates only in rfft_new. */
#pragma once

#include "backend.h"
#include "fft_plan.h"

/* Bins k0..half - k0 one by one: what the vectors leave in the middle of the spectrum, and bins 0 and half. */
static void rfft_bins_from(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict spectrum,
                           long k0) {
    const long half = plan->half;
    spectrum[0] = re[0] + im[0];
    spectrum[2 * half] = re[0] - im[0];
    spectrum[1] = spectrum[2 * half + 1] = 0;
    for (long k = k0; k <= half / 2; k++) {
        const long m = half - k;
        const float even_re = 0.5f * (re[k] + re[m]), even_im = 0.5f * (im[k] - im[m]);
        const float odd_re = 0.5f * (im[k] + im[m]), odd_im = 0.5f * (re[m] - re[k]);
        const float turned_re = odd_re * plan->cosine[k] + odd_im * plan->sine[k];
        const float turned_im = odd_im * plan->cosine[k] - odd_re * plan->sine[k];
        spectrum[2 * k] = even_re + turned_re;
        spectrum[2 * k + 1] = even_im + turned_im;
        spectrum[2 * m] = even_re - turned_re;
        spectrum[2 * m + 1] = turned_im - even_im;
    }
}

static void rfft_power_from(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict power,
                            long k0) {
    const long half = plan->half;
    power[0] = (re[0] + im[0]) * (re[0] + im[0]);
    power[half] = (re[0] - im[0]) * (re[0] - im[0]);
    for (long k = k0; k <= half / 2; k++) {
        const long m = half - k;
        const float even_re = 0.5f * (re[k] + re[m]), even_im = 0.5f * (im[k] - im[m]);
        const float odd_re = 0.5f * (im[k] + im[m]), odd_im = 0.5f * (re[m] - re[k]);
        const float turned_re = odd_re * plan->cosine[k] + odd_im * plan->sine[k];
        const float turned_im = odd_im * plan->cosine[k] - odd_re * plan->sine[k];
        power[k] = (even_re + turned_re) * (even_re + turned_re) + (even_im + turned_im) * (even_im + turned_im);
        power[m] = (even_re - turned_re) * (even_re - turned_re) + (turned_im - even_im) * (turned_im - even_im);
    }
}

/* For lengths that the radix-8 pass does not fit. */
static void rfft_take_apart(const rfft_plan *plan, const float *x, const float *window, float mean) {
    for (long p = 0; p < plan->half; p++) {
        plan->re[0][p] = window ? (x[2 * p] - mean) * window[2 * p] : x[2 * p];
        plan->im[0][p] = window ? (x[2 * p + 1] - mean) * window[2 * p + 1] : x[2 * p + 1];
    }
}

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
#include "lanes_end.h"

#if HAVE_AVX2_BUILD
#define LANES 8
#define NAME(x) fft_##x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#include "fft_build.h"
#include "fft_ends.h"
#include "lanes_end.h"
#endif

#define LAST_4 9
#define RUNS(build)                                                                  \
    {[2] = fft_pass2_##build, [3] = fft_pass3_##build,      [4] = fft_pass4_##build, \
     [5] = fft_pass5_##build, [8] = fft_pass8_last_##build, [LAST_4] = fft_pass4_last_##build}

/* The pass of the widest build that the stride fills. */
static fft_run *fft_choose(const fft_pass *pass, int avx2) {
    static fft_run *const scalar[] = RUNS(scalar), *const baseline[] = RUNS(baseline);
    const int which = pass->radix == 4 && pass->length == 4 ? LAST_4 : pass->radix;
#if HAVE_AVX2_BUILD
    static fft_run *const wide[] = RUNS(avx2);
    if (avx2 && pass->stride % 8 == 0) return wide[which];
#endif
    (void)avx2;
    return pass->stride % 4 == 0 ? baseline[which] : scalar[which];
}

#undef RUNS
#undef LAST_4

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
#if HAVE_AVX2_BUILD
    if (avx2) {
        if (plan->first_lanes == 8) plan->first = fft_first_avx2;
        plan->bins = fft_bins_avx2;
        plan->power = fft_power_avx2;
        plan->add_up = fft_add_up_avx2;
    }
#endif
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
    return plan;
}

/* The complex transform; returns which of the two pairs of arrays holds it. */
static int rfft_transform(const rfft_plan *plan, const float *x, const float *window, float mean) {
    int from = 0;
    plan->first(plan, x, window, mean);
    for (int i = plan->begin; i < plan->count; i++, from = !from) {
        const fft_pass *pass = &plan->pass[i];
        pass->run(pass, plan->re[from], plan->im[from], plan->re[!from], plan->im[!from]);
    }
    return from;
}

/* Writes n/2 + 1 bins, real and imaginary part in turn. */
static void rfft_forward(const rfft_plan *plan, const float *x, float *spectrum) {
    const int at = rfft_transform(plan, x, NULL, 0);
    plan->bins(plan, plan->re[at], plan->im[at], spectrum);
}

/* Adds the squared magnitudes of the n/2 + 1 bins of (x - mean) * window to `sum`; `scratch` holds as many floats. */
static void rfft_add_power(const rfft_plan *plan, const float *x, const float *window, float mean, float *scratch, double *sum) {
    const int at = rfft_transform(plan, x, window, mean);
    plan->power(plan, plan->re[at], plan->im[at], scratch);
    plan->add_up(sum, scratch, plan->half + 1);
}
