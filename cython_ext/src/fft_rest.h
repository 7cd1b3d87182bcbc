/* What the vectors of the real FFT leave over, point by point. */
#pragma once

#include "fft_plan.h"

typedef struct {
    float re, im;
} fft_bin;

/* Bins k and half - k of the signal from points k and half - k of the complex spectrum. */
static void rfft_split(const rfft_plan *plan, long k, fft_bin a, fft_bin b, fft_bin *bin, fft_bin *mirrored) {
    const float even_re = 0.5f * (a.re + b.re), even_im = 0.5f * (a.im - b.im);
    const float odd_re = 0.5f * (a.im + b.im), odd_im = 0.5f * (b.re - a.re);
    const float turned_re = odd_re * plan->cosine[k] + odd_im * plan->sine[k];
    const float turned_im = odd_im * plan->cosine[k] - odd_re * plan->sine[k];
    *bin = (fft_bin){even_re + turned_re, even_im + turned_im};
    *mirrored = (fft_bin){even_re - turned_re, turned_im - even_im};
}

static void rfft_put_bins(const rfft_plan *plan, long k, fft_bin a, fft_bin b, float *spectrum) {
    fft_bin bin, mirrored;
    rfft_split(plan, k, a, b, &bin, &mirrored);
    spectrum[2 * k] = bin.re;
    spectrum[2 * k + 1] = bin.im;
    spectrum[2 * (plan->half - k)] = mirrored.re;
    spectrum[2 * (plan->half - k) + 1] = mirrored.im;
}

static void rfft_put_power(const rfft_plan *plan, long k, fft_bin a, fft_bin b, float *power) {
    fft_bin bin, mirrored;
    rfft_split(plan, k, a, b, &bin, &mirrored);
    power[k] = bin.re * bin.re + bin.im * bin.im;
    power[plan->half - k] = mirrored.re * mirrored.re + mirrored.im * mirrored.im;
}

/* Bins 0 and half, which are real, of point 0. */
static void rfft_end_bins(const rfft_plan *plan, fft_bin a, float *spectrum) {
    spectrum[0] = a.re + a.im;
    spectrum[2 * plan->half] = a.re - a.im;
    spectrum[1] = spectrum[2 * plan->half + 1] = 0;
}

static void rfft_end_power(const rfft_plan *plan, fft_bin a, float *power) {
    power[0] = (a.re + a.im) * (a.re + a.im);
    power[plan->half] = (a.re - a.im) * (a.re - a.im);
}

/* Bins k0..half - k0 one by one: what the vectors leave in the middle of the spectrum, and bins 0 and half. */
#define FROM(WHAT)                                                                                                            \
    static void rfft_##WHAT##_from(const rfft_plan *plan, const float *restrict re, const float *restrict im,                 \
                                   float *restrict to, long k0) {                                                             \
        rfft_end_##WHAT(plan, (fft_bin){re[0], im[0]}, to);                                                                   \
        for (long k = k0; k <= plan->half / 2; k++) {                                                                         \
            const long m = plan->half - k;                                                                                    \
            rfft_put_##WHAT(plan, k, (fft_bin){re[k], im[k]}, (fft_bin){re[m], im[m]}, to);                                   \
        }                                                                                                                     \
    }

/* Column 0 of a last pass of this radix, and its bins. */
#define COLUMN(WHAT)                                                                                                          \
    static void rfft_column_##WHAT(const rfft_plan *plan, const float *restrict re, const float *restrict im, int radix,      \
                                   float *restrict to) {                                                                      \
        const long gap = plan->half / radix;                                                                                  \
        fft_bin point[8];                                                                                                     \
        for (int j = 0; j < radix; j++) {                                                                                     \
            double sum_re = 0, sum_im = 0;                                                                                    \
            for (int k = 0; k < radix; k++) {                                                                                 \
                const double c = rfft_eighths[8 / radix * j * k % 8], s = rfft_eighths[(8 / radix * j * k + 6) % 8];          \
                sum_re += re[k * gap] * c + im[k * gap] * s;                                                                  \
                sum_im += im[k * gap] * c - re[k * gap] * s;                                                                  \
            }                                                                                                                 \
            point[j] = (fft_bin){(float)sum_re, (float)sum_im};                                                               \
        }                                                                                                                     \
        rfft_end_##WHAT(plan, point[0], to);                                                                                  \
        for (int j = 1; j <= radix / 2; j++) rfft_put_##WHAT(plan, j * gap, point[j], point[radix - j], to);                  \
    }

/* cosines of eighths of a turn; the sine of one is the cosine of six eighths more */
static const double rfft_eighths[8] = {1, 0.70710678118654752, 0, -0.70710678118654752, -1, -0.70710678118654752, 0, 0.70710678118654752};

FROM(bins)
FROM(power)
COLUMN(bins)
COLUMN(power)

#undef FROM
#undef COLUMN

/* For lengths that the radix-8 pass does not fit. */
static void rfft_take_apart(const rfft_plan *plan, const float *x, const float *window, float mean) {
    for (long p = 0; p < plan->half; p++) {
        plan->re[0][p] = window ? (x[2 * p] - mean) * window[2 * p] : x[2 * p] - mean;
        plan->im[0][p] = window ? (x[2 * p + 1] - mean) * window[2 * p + 1] : x[2 * p + 1] - mean;
    }
}

/* Undoes rfft_bins_from: the complex spectrum whose points k0..half - k0 and 0 these bins hold, scaled by 1 / n, real and imaginary
 * parts exchanged. */
static void rfft_join_from(const rfft_plan *plan, const float *restrict spectrum, float *restrict points, long k0) {
    const long half = plan->half;
    const float scale = 1.0f / (float)plan->n;
    points[1] = scale * (spectrum[0] + spectrum[2 * half]);
    points[0] = scale * (spectrum[0] - spectrum[2 * half]);
    for (long k = k0; k <= half / 2; k++) {
        const long m = half - k;
        const float *a = spectrum + 2 * k, *b = spectrum + 2 * m;
        const float even_re = scale * (a[0] + b[0]), even_im = scale * (a[1] - b[1]);
        const float turned_re = scale * (a[0] - b[0]), turned_im = scale * (a[1] + b[1]);
        const float odd_re = turned_re * plan->cosine[k] - turned_im * plan->sine[k];
        const float odd_im = turned_re * plan->sine[k] + turned_im * plan->cosine[k];
        points[2 * k + 1] = even_re - odd_im;
        points[2 * k] = even_im + odd_re;
        points[2 * m + 1] = even_re + odd_im;
        points[2 * m] = odd_re - even_im;
    }
}
