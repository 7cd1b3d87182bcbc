/* The last pass of the inverse writing its points as pairs, a way through memory less. Included once per build, after fft_ends.h, for
 * 4 or 8 lanes. */

INLINE void NAME(put_pairs)(float *to, point a) { /* imaginary parts first: the inverse has them exchanged */
    store(to, ZIP_LOW(a.im, a.re));
    store(to + LANES, ZIP_HIGH(a.im, a.re));
}

KERNEL void NAME(pairs4_last)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict to) {
    const long gap = plan->half / 4;
    for (long q = 0; q < gap; q += LANES) {
        const point a = get(re, im, q), b = get(re, im, q + gap), c = get(re, im, q + 2 * gap), d = get(re, im, q + 3 * gap);
        const point even = add(a, c), odd = add(b, d), straight = sub(a, c), turned = turn(sub(b, d));
        NAME(put_pairs)(to + 2 * q, add(even, odd));
        NAME(put_pairs)(to + 2 * (q + gap), add(straight, turned));
        NAME(put_pairs)(to + 2 * (q + 2 * gap), sub(even, odd));
        NAME(put_pairs)(to + 2 * (q + 3 * gap), sub(straight, turned));
    }
}

KERNEL void NAME(pairs8_last)(const rfft_plan *plan, const float *restrict re, const float *restrict im, float *restrict to) {
    const long gap = plan->half / 8;
    for (long q = 0; q < gap; q += LANES) {
        point a[8], out[8];
        for (int k = 0; k < 8; k++) a[k] = get(re, im, q + k * gap);
        NAME(eight)(a, out);
        for (int k = 0; k < 8; k++) NAME(put_pairs)(to + 2 * (q + k * gap), out[k]);
    }
}
