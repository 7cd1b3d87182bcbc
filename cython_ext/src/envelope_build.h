/* Steps of the squared envelope for one number of lanes. Included once per build, after lanes.h, for 4 or 8 lanes. */

#define mask NAME(mask)

typedef int mask __attribute__((vector_size(4 * LANES)));

enum { NAME(BLOCK) = 32 }; /* vectors that are summed in float before they go to the double sum */

/* 1 / root of squares that are ordinary numbers: on x86 a guess of 12 bits and a step of Newton's, within 3e-7 */
INLINE vec NAME(inverse_root)(vec square) {
#if defined(__x86_64__)
#if LANES == 8
    const vec guess = __builtin_ia32_rsqrtps256(square);
#else
    const vec guess = __builtin_ia32_rsqrtps(square);
#endif
    return guess * (1.5f - 0.5f * square * guess * guess);
#else
    for (int i = 0; i < LANES; i++) square[i] = 1 / __builtin_sqrtf(square[i]);
    return square;
#endif
}

INLINE int NAME(any)(mask m) {
#if LANES == 8
    return __builtin_ia32_movmskps256((vec)m);
#elif defined(__x86_64__)
    return __builtin_ia32_movmskps((vec)m);
#else
    int any = 0;
    for (int i = 0; i < LANES; i++) any |= m[i];
    return any;
#endif
}

KERNEL void NAME(whiten)(float *bins, long count) {
    long k = 0;
    for (; k + LANES <= count; k += LANES) {
        const vec low = load(bins + 2 * k), high = load(bins + 2 * k + LANES), re = EVEN(low, high), im = ODD(low, high);
        const vec square = re * re + im * im;
        if (NAME(any)(~((square > ENVELOPE_LEAST) & (square < ENVELOPE_MOST)))) {
            envelope_whiten_pairs(bins + 2 * k, LANES);
            continue;
        }
        const vec by = NAME(inverse_root)(square);
        store(bins + 2 * k, PAIR_LOW(re * by, im * by));
        store(bins + 2 * k + LANES, PAIR_HIGH(re * by, im * by));
    }
    envelope_whiten_pairs(bins + 2 * k, count - k);
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
