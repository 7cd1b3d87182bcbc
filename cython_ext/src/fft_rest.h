/* What the vectors of the real FFT leave over, point by point. */
#pragma once

#include "fft_plan.h"

/* Inlined, so that they are compiled for the processor of the build they end. Called, they would come after its 256-bit registers without
 * these being cleared (GCC leaves that out before a last call of a local function), and on x86 all other code would be slow for long. */
#define FFT_REST static inline __attribute__((always_inline))

/* Bins k0..half - k0 one by one: what the vectors leave in the middle of the spectrum, and bins 0 and half. */
FFT_REST void rfft_bins_from(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict spectrum,
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

FFT_REST void rfft_power_from(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict power,
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
        plan->re[0][p] = window ? (x[2 * p] - mean) * window[2 * p] : x[2 * p] - mean;
        plan->im[0][p] = window ? (x[2 * p + 1] - mean) * window[2 * p + 1] : x[2 * p + 1] - mean;
    }
}

/* Undoes rfft_bins_from: the complex spectrum whose points k0..half - k0 and 0 these bins hold, scaled by 1 / n, real and imaginary
 * parts exchanged. */
FFT_REST void rfft_join_from(const rfft_plan *plan, const float *restrict spectrum, float *restrict points, long k0) {
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
