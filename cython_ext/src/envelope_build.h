/* Steps of the squared envelope for one number of lanes. Included once per build, after lanes.h, for 4 or 8 lanes. */

#define mask NAME(mask)

typedef int mask __attribute__((vector_size(4 * LANES)));

enum { NAME(BLOCK) = 32 }; /* vectors that are summed in float before they go to the double sum */

INLINE vec NAME(root)(vec v) {
#if LANES == 8
    return __builtin_ia32_sqrtps256(v);
#elif defined(__x86_64__)
    return __builtin_ia32_sqrtps(v);
#else
    for (int i = 0; i < LANES; i++) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
}

INLINE float NAME(largest)(const float *x, long n) {
    const mask no_sign = (mask){0} + 0x7fffffff;
    vec most[2] = {{0}};
    float largest = 0;
    long i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        for (int k = 0; k < 2; k++) {
            const vec v = (vec)((mask)load(x + i + k * LANES) & no_sign);
            const mask more = v > most[k]; /* NaN is not */
            most[k] = (vec)(((mask)v & more) | ((mask)most[k] & ~more));
        }
    for (; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
    for (int k = 0; k < 2 * LANES; k++) largest = most[k / LANES][k % LANES] > largest ? most[k / LANES][k % LANES] : largest;
    return largest;
}

KERNEL void NAME(whiten)(float *bins, long count) {
    const float scale = envelope_scale(NAME(largest)(bins, 2 * count));
    long k = 0;
    for (; k + LANES <= count; k += LANES) {
        const vec low = scale * load(bins + 2 * k), high = scale * load(bins + 2 * k + LANES);
        vec re = EVEN(low, high), im = ODD(low, high);
        const vec square = re * re + im * im, by = 1.0f / NAME(root)(square);
        const mask keep = square != 0; /* NaN stays NaN */
        re = (vec)((mask)(re * by) & keep);
        im = (vec)((mask)(im * by) & keep);
        store(bins + 2 * k, PAIR_LOW(re, im));
        store(bins + 2 * k + LANES, PAIR_HIGH(re, im));
    }
    for (; k < count; k++) {
        const float re = scale * bins[2 * k], im = scale * bins[2 * k + 1], square = re * re + im * im;
        const float by = square != 0 ? 1.0f / __builtin_sqrtf(square) : 0;
        bins[2 * k] = re * by;
        bins[2 * k + 1] = im * by;
    }
}

KERNEL double NAME(square)(const float *restrict re, const float *restrict im, float factor, const float *restrict weights,
                           float *restrict out, long n) {
    out[0] = (factor * re[0]) * (factor * re[0]) + (factor * im[0]) * (factor * im[0]);
    double sum = out[0] * weights[0];
    long at = 1;
    while (at + LANES <= n) {
        const long vectors = (n - at) / LANES, end = at + LANES * (vectors < NAME(BLOCK) ? vectors : NAME(BLOCK));
        vec part = {0};
        for (; at < end; at += LANES) {
            const long from = n - at - LANES + 1;
            const vec a = factor * load(re + from), b = factor * load(im + from);
            const vec square = a * a + b * b, ordered = REVERSE(square);
            store(out + at, ordered);
            part += ordered * load(weights + at);
        }
        for (int i = 0; i < LANES; i++) sum += part[i];
    }
    for (; at < n; at++) {
        const float a = factor * re[n - at], b = factor * im[n - at];
        out[at] = a * a + b * b;
        sum += out[at] * weights[at];
    }
    return sum;
}

KERNEL void NAME(magnitudes)(const float *restrict bins, double factor, float *restrict out, long count) {
    for (long k = 0; k < count; k++) {
        const double re = bins[2 * k], im = bins[2 * k + 1];
        out[k] = (float)(factor * __builtin_sqrt(re * re + im * im));
    }
}

KERNEL void NAME(centre)(const float *restrict x, float mean, float *restrict out, long n) {
    for (long i = 0; i < n; i++) out[i] = x[i] - mean;
}

#undef mask
