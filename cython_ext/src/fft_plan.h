/* Plan of a real FFT: which passes, with which factors, in which memory.
 *
 * A real signal of n samples is transformed as n/2 complex points (even samples real, odd samples imaginary), whose spectrum is
 * then split into the n/2 + 1 bins of the signal. Real and imaginary parts are kept in separate arrays, so that every lane of a
 * vector does the same. The passes are Stockham's: each reads one pair of arrays and writes the other, in an order that ends
 * sorted. A pass works on runs of `stride` neighbouring points with equal factors; the stride grows by the radix from pass to pass,
 * so the first pass makes it 8.
 */
#pragma once

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FFT_MAX_PASSES 32
#define FFT_ALIGNMENT 64
#define FFT_FIRST_RADIX 8
/* the pair of samples that lane i of eight holds after they were taken apart */
#define FFT_PAIR_OF_8(i) (((i) & 1) | ((i) & 2) << 1 | ((i) & 4) >> 1)

typedef struct fft_pass fft_pass;
typedef struct rfft_plan rfft_plan;

typedef void fft_run(const fft_pass *pass, const float *restrict re, const float *restrict im, float *restrict to_re,
                     float *restrict to_im);

struct fft_pass {
    fft_run *run;
    int radix;
    long length; /* points of the transforms that are left when this pass begins */
    long stride; /* transforms that are done side by side, = product of the radices before */
    float *factors;
};

struct rfft_plan {
    long n;    /* real samples */
    long half; /* complex points */
    int count;
    int first_lanes; /* of the radix-8 pass that takes the samples apart, too; 0: the length does not allow it */
    int begin;       /* passes that `first` has done already: 1 or 0 */
    fft_pass pass[FFT_MAX_PASSES];
    float *re[2], *im[2];
    float *cosine, *sine; /* of 2 pi k / n, to split the bins */
    /* takes the samples apart into re[0] and im[0]: x - mean, or with a window (x - mean) * window */
    void (*first)(const rfft_plan *plan, const float *x, const float *window, float mean);
    void (*bins)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict spectrum);
    void (*power)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict power);
    void (*add_up)(double *restrict sum, const float *restrict x, long n);
    /* undoes `bins` and scales by 1 / n; real and imaginary parts change places */
    void (*join)(const rfft_plan *plan, const float *restrict spectrum, float *restrict points);
    /* pairs of n values each; the second from the last but the first: 0, n-1, ..., 1 */
    void (*pairs)(const float *restrict first, const float *restrict second, float *restrict out, long n);
    void (*pairs_backwards)(const float *restrict first, const float *restrict second, float scale, float *restrict out, long n);
    /* the last pass and `pairs` in one, second and first array exchanged; NULL: the length does not allow it */
    void (*last_pairs)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict out);
    void *memory;
};

/* cos and sin of -2 pi k / n, with the angle reduced in integers first: exact to the last float32 bit at any length */
static void fft_factor(long k, long n, float *re, float *im) {
    const double angle = -2.0 * M_PI * (double)(k % n) / (double)n;
    *re = (float)cos(angle);
    *im = (float)sin(angle);
}

/* Factors of the vector first pass: per output j = 1..7 a row of real and a row of imaginary parts over the points, in the order
 * in which the lanes hold them (FFT_PAIR_OF_8). */
static void fft_factors_in_rows(fft_pass *pass, int lanes) {
    const long points = pass->length / pass->radix;
    for (int j = 1; j < pass->radix; j++)
        for (long at = 0; at < points; at++) {
            const long p = lanes == 8 ? (at & ~7L) + FFT_PAIR_OF_8(at & 7) : at;
            float *row = pass->factors + 2 * (j - 1) * points;
            fft_factor(p * j, pass->length, row + at, row + points + at);
        }
}

/* Factors of the other passes: per point p the pairs for outputs j = 1..radix-1. */
static void fft_factors_by_point(fft_pass *pass) {
    const long points = pass->length / pass->radix;
    float *pair = pass->factors;
    for (long p = 0; p < points; p++)
        for (int j = 1; j < pass->radix; j++, pair += 2) fft_factor(p * j, pass->length, pair, pair + 1);
}

/* Eights, for the fewest ways through memory; 16 makes two fours, not eight and two. */
static int fft_next_radix(long length) {
    if (length % 5 == 0) return 5;
    if (length % 3 == 0) return 3;
    if (length == 2) return 2;
    return length % 8 == 0 && length != 16 ? 8 : 4;
}

/* Lists the passes; where `begin` is set, the first is the radix-8 pass that also takes the samples apart. */
static void fft_list_passes(rfft_plan *plan) {
    long length = plan->half, stride = 1;
    while (length > 1) {
        int radix = fft_next_radix(length);
        if (plan->count < plan->begin)
            radix = FFT_FIRST_RADIX;
        else if (stride < 4 && length % 2 == 0) /* powers of two early make the stride a multiple of the lanes */
            radix = length % 4 == 0 ? 4 : 2;
        plan->pass[plan->count++] = (fft_pass){.radix = radix, .length = length, .stride = stride};
        length /= radix;
        stride *= radix;
    }
}

/* Hands out pieces of one allocation, or only counts them when there is no memory yet. A piece ends with a gap: arrays a power of
 * two apart would compete for the same lines of the cache. */
static float *fft_take(char *memory, size_t *used, long floats) {
    float *piece = memory ? (float *)(memory + *used) : NULL;
    const size_t bytes = sizeof(float) * (size_t)floats + 3 * FFT_ALIGNMENT;
    *used += (bytes + FFT_ALIGNMENT - 1) / FFT_ALIGNMENT * FFT_ALIGNMENT;
    return piece;
}

static size_t fft_lay_out(rfft_plan *plan, char *memory) {
    size_t used = 0;
    for (int i = 0; i < 2; i++) {
        plan->re[i] = fft_take(memory, &used, plan->half);
        plan->im[i] = fft_take(memory, &used, plan->half);
    }
    plan->cosine = fft_take(memory, &used, plan->half / 2 + 1);
    plan->sine = fft_take(memory, &used, plan->half / 2 + 1);
    for (int i = 0; i < plan->count; i++) {
        fft_pass *pass = &plan->pass[i];
        pass->factors = fft_take(memory, &used, 2 * (pass->radix - 1) * (pass->length / pass->radix));
    }
    return used;
}

/* Fills a plan whose passes are listed. Returns 0 when there is no memory. */
static int fft_allocate(rfft_plan *plan) {
    if (posix_memalign(&plan->memory, FFT_ALIGNMENT, fft_lay_out(plan, NULL))) {
        plan->memory = NULL;
        return 0;
    }
    fft_lay_out(plan, plan->memory);
    for (int i = 0; i < plan->count; i++)
        if (i < plan->begin)
            fft_factors_in_rows(&plan->pass[i], plan->first_lanes);
        else
            fft_factors_by_point(&plan->pass[i]);
    for (long k = 0; k <= plan->half / 2; k++) {
        fft_factor(k, plan->n, &plan->cosine[k], &plan->sine[k]);
        plan->sine[k] = -plan->sine[k];
    }
    return 1;
}
