/* Both ends of the real FFT: taking the samples apart (with the radix-8 pass) and splitting the bins. Included once per
 * build, after fft_build.h, for 4 or 8 lanes. */

#define split NAME(split)
#define bin_pair NAME(bin_pair)

/* LANES samples without the mean, windowed where there is a window */
INLINE vec NAME(samples)(const float *x, const float *window, float mean, long at) {
    const vec v = load(x + at);
    return window ? (v - mean) * load(window + at) : v - mean;
}

/* Writes the columns v[0..7] as LANES rows of eight, each row to its point. */
INLINE void NAME(store_rows)(float *to, const vec *v) {
#if LANES == 8
    const vec a0 = SHUFFLE(v[0], v[1], 0, 8, 1, 9, 4, 12, 5, 13), a1 = SHUFFLE(v[0], v[1], 2, 10, 3, 11, 6, 14, 7, 15);
    const vec a2 = SHUFFLE(v[2], v[3], 0, 8, 1, 9, 4, 12, 5, 13), a3 = SHUFFLE(v[2], v[3], 2, 10, 3, 11, 6, 14, 7, 15);
    const vec a4 = SHUFFLE(v[4], v[5], 0, 8, 1, 9, 4, 12, 5, 13), a5 = SHUFFLE(v[4], v[5], 2, 10, 3, 11, 6, 14, 7, 15);
    const vec a6 = SHUFFLE(v[6], v[7], 0, 8, 1, 9, 4, 12, 5, 13), a7 = SHUFFLE(v[6], v[7], 2, 10, 3, 11, 6, 14, 7, 15);
    const vec b0 = SHUFFLE(a0, a2, 0, 1, 8, 9, 4, 5, 12, 13), b1 = SHUFFLE(a0, a2, 2, 3, 10, 11, 6, 7, 14, 15);
    const vec b2 = SHUFFLE(a1, a3, 0, 1, 8, 9, 4, 5, 12, 13), b3 = SHUFFLE(a1, a3, 2, 3, 10, 11, 6, 7, 14, 15);
    const vec b4 = SHUFFLE(a4, a6, 0, 1, 8, 9, 4, 5, 12, 13), b5 = SHUFFLE(a4, a6, 2, 3, 10, 11, 6, 7, 14, 15);
    const vec b6 = SHUFFLE(a5, a7, 0, 1, 8, 9, 4, 5, 12, 13), b7 = SHUFFLE(a5, a7, 2, 3, 10, 11, 6, 7, 14, 15);
    store(to + 8 * FFT_PAIR_OF_8(0), SHUFFLE(b0, b4, 0, 1, 2, 3, 8, 9, 10, 11));
    store(to + 8 * FFT_PAIR_OF_8(1), SHUFFLE(b1, b5, 0, 1, 2, 3, 8, 9, 10, 11));
    store(to + 8 * FFT_PAIR_OF_8(2), SHUFFLE(b2, b6, 0, 1, 2, 3, 8, 9, 10, 11));
    store(to + 8 * FFT_PAIR_OF_8(3), SHUFFLE(b3, b7, 0, 1, 2, 3, 8, 9, 10, 11));
    store(to + 8 * FFT_PAIR_OF_8(4), SHUFFLE(b0, b4, 4, 5, 6, 7, 12, 13, 14, 15));
    store(to + 8 * FFT_PAIR_OF_8(5), SHUFFLE(b1, b5, 4, 5, 6, 7, 12, 13, 14, 15));
    store(to + 8 * FFT_PAIR_OF_8(6), SHUFFLE(b2, b6, 4, 5, 6, 7, 12, 13, 14, 15));
    store(to + 8 * FFT_PAIR_OF_8(7), SHUFFLE(b3, b7, 4, 5, 6, 7, 12, 13, 14, 15));
#else
    for (int side = 0; side < 8; side += 4, v += 4) {
        const vec a0 = ZIP_LOW(v[0], v[1]), a1 = ZIP_HIGH(v[0], v[1]), a2 = ZIP_LOW(v[2], v[3]), a3 = ZIP_HIGH(v[2], v[3]);
        store(to + side, SHUFFLE(a0, a2, 0, 1, 4, 5));
        store(to + side + 8, SHUFFLE(a0, a2, 2, 3, 6, 7));
        store(to + side + 16, SHUFFLE(a1, a3, 0, 1, 4, 5));
        store(to + side + 24, SHUFFLE(a1, a3, 2, 3, 6, 7));
    }
#endif
}

/* The radix-8 butterfly of LANES neighbouring points at once; the eight outputs of a point are stored side by side. */
INLINE void NAME(first_points)(const rfft_plan *plan, const float *x, const float *window, float mean, long p) {
    const fft_pass *pass = &plan->pass[0];
    const long points = pass->length / 8;
    point a[8], out[8];
    for (int k = 0; k < 8; k++) {
        const long at = 2 * (p + k * points);
        const vec low = NAME(samples)(x, window, mean, at), high = NAME(samples)(x, window, mean, at + LANES);
        a[k] = (point){EVEN(low, high), ODD(low, high)};
    }
    NAME(eight)(a, out);
    vec re[8] = {out[0].re}, im[8] = {out[0].im};
    for (int j = 1; j < 8; j++) {
        const float *row = pass->factors + 2 * (j - 1) * points + p;
        const vec wr = load(row), wi = load(row + points);
        re[j] = out[j].re * wr - out[j].im * wi;
        im[j] = out[j].re * wi + out[j].im * wr;
    }
    NAME(store_rows)(plan->re[0] + 8 * p, re);
    NAME(store_rows)(plan->im[0] + 8 * p, im);
}

/* Where the points are no multiple of the lanes the last vector overlaps the one before, which only writes the same again. */
INLINE void NAME(first_all)(const rfft_plan *plan, const float *x, const float *window, float mean) {
    const long points = plan->pass[0].length / 8;
    long p = 0;
    for (; p + LANES <= points; p += LANES) NAME(first_points)(plan, x, window, mean, p);
    if (p < points) NAME(first_points)(plan, x, window, mean, points - LANES);
}

KERNEL void NAME(first)(const rfft_plan *plan, const float *x, const float *window, float mean) {
    if (window)
        NAME(first_all)(plan, x, window, mean);
    else
        NAME(first_all)(plan, x, NULL, mean);
}

/* Bins k and half - k of the signal from points k and half - k of the complex spectrum, which hold both; `b` is the mirrored one. */
typedef struct {
    point bin, mirrored;
} bin_pair;

INLINE bin_pair split(point a, point b, vec cosine, vec sine) {
    const point even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
    const point odd = {0.5f * (a.im + b.im), 0.5f * (b.re - a.re)};
    const point turned = {odd.re * cosine + odd.im * sine, odd.im * cosine - odd.re * sine};
    return (bin_pair){add(even, turned), {even.re - turned.re, turned.im - even.im}};
}

INLINE bin_pair NAME(split_at)(const rfft_plan *plan, const float *re, const float *im, long k) {
    const long mirror = plan->half - k - LANES + 1;
    const point a = get(re, im, k), b = {REVERSE(load(re + mirror)), REVERSE(load(im + mirror))};
    bin_pair pair = split(a, b, load(plan->cosine + k), load(plan->sine + k));
    pair.mirrored.re = REVERSE(pair.mirrored.re);
    pair.mirrored.im = REVERSE(pair.mirrored.im);
    return pair;
}

KERNEL void NAME(bins)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict spectrum) {
    long k = 1;
    for (; k + LANES <= plan->half / 2; k += LANES) {
        const bin_pair pair = NAME(split_at)(plan, re, im, k);
        float *mirror = spectrum + 2 * (plan->half - k - LANES + 1);
        store(spectrum + 2 * k, ZIP_LOW(pair.bin.re, pair.bin.im));
        store(spectrum + 2 * k + LANES, ZIP_HIGH(pair.bin.re, pair.bin.im));
        store(mirror, ZIP_LOW(pair.mirrored.re, pair.mirrored.im));
        store(mirror + LANES, ZIP_HIGH(pair.mirrored.re, pair.mirrored.im));
    }
    rfft_bins_from(plan, re, im, spectrum, k);
}

/* squared magnitudes, to be added up over segments */
KERNEL void NAME(power)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict power) {
    long k = 1;
    for (; k + LANES <= plan->half / 2; k += LANES) {
        const bin_pair pair = NAME(split_at)(plan, re, im, k);
        store(power + k, pair.bin.re * pair.bin.re + pair.bin.im * pair.bin.im);
        store(power + plan->half - k - LANES + 1, pair.mirrored.re * pair.mirrored.re + pair.mirrored.im * pair.mirrored.im);
    }
    rfft_power_from(plan, re, im, power, k);
}

KERNEL void NAME(add_up)(double *restrict sum, const float *restrict x, long n) {
    for (long k = 0; k < n; k++) sum[k] += x[k];
}

#undef split
#undef bin_pair
