/* Ends of the inverse FFT: joining the bins to the complex spectrum of half as many points, and the points to pairs. Included once
 * per build, after fft_ends.h, for 4 or 8 lanes. */

KERNEL void NAME(join)(const rfft_plan *plan, const float *restrict spectrum, float *restrict points) {
    const float scale = 1.0f / (float)plan->n;
    long k = 1;
    for (; k + LANES <= plan->half / 2; k += LANES) {
        const long mirror = 2 * (plan->half - k - LANES + 1);
        const vec a0 = load(spectrum + 2 * k), a1 = load(spectrum + 2 * k + LANES);
        const vec b0 = load(spectrum + mirror), b1 = load(spectrum + mirror + LANES);
        const point a = {EVEN(a0, a1), ODD(a0, a1)}, b = {REVERSE(EVEN(b0, b1)), REVERSE(ODD(b0, b1))};
        const point even = scaled((point){a.re + b.re, a.im - b.im}, scale);
        const point turned = scaled((point){a.re - b.re, a.im + b.im}, scale);
        const vec cosine = APART(load(plan->cosine + k)), sine = APART(load(plan->sine + k));
        const point odd = {turned.re * cosine - turned.im * sine, turned.re * sine + turned.im * cosine};
        const point here = {even.re - odd.im, even.im + odd.re};
        const point there = {REVERSE(even.re + odd.im), REVERSE(odd.re - even.im)};
        store(points + 2 * k, PAIR_LOW(here.im, here.re));
        store(points + 2 * k + LANES, PAIR_HIGH(here.im, here.re));
        store(points + mirror, PAIR_LOW(there.im, there.re));
        store(points + mirror + LANES, PAIR_HIGH(there.im, there.re));
    }
    rfft_join_from(plan, spectrum, points, k);
}

KERNEL void NAME(pairs)(const float *restrict first, const float *restrict second, float *restrict out, long n) {
    long k = 0;
    for (; k + LANES <= n; k += LANES) {
        const vec a = load(first + k), b = load(second + k);
        store(out + 2 * k, ZIP_LOW(a, b));
        store(out + 2 * k + LANES, ZIP_HIGH(a, b));
    }
    for (; k < n; k++) {
        out[2 * k] = first[k];
        out[2 * k + 1] = second[k];
    }
}

KERNEL void NAME(pairs_backwards)(const float *restrict first, const float *restrict second, float scale, float *restrict out,
                                  long n) {
    long k = 1;
    out[0] = scale * first[0];
    out[1] = scale * second[0];
    for (; k + LANES <= n; k += LANES) {
        const vec a = scale * REVERSE(load(first + n - k - LANES + 1)), b = scale * REVERSE(load(second + n - k - LANES + 1));
        store(out + 2 * k, ZIP_LOW(a, b));
        store(out + 2 * k + LANES, ZIP_HIGH(a, b));
    }
    for (; k < n; k++) {
        out[2 * k] = scale * first[n - k];
        out[2 * k + 1] = scale * second[n - k];
    }
}
