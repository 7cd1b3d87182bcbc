/* Sum and power sums of float32 samples in float64. Included once per build, after lanes.h. */

#define HALF (LANES / 2)
#define mask NAME(mask)
#define narrow NAME(narrow)
#define wide NAME(wide)
#define widen NAME(widen)
#define across NAME(across)
#define larger NAME(larger)

typedef int mask __attribute__((vector_size(4 * LANES)));
typedef float narrow __attribute__((vector_size(4 * HALF)));
typedef double wide __attribute__((vector_size(8 * HALF)));

INLINE wide widen(const float *from) {
    narrow v;
    memcpy(&v, from, sizeof v);
#if LANES == 8 /* one instruction, of which GCC 12 makes four and a detour over the stack */
    return (wide)__builtin_ia32_cvtps2pd256(v);
#else
    return __builtin_convertvector(v, wide);
#endif
}

INLINE double across(wide v) {
    double sum = 0;
    for (int i = 0; i < HALF; i++) sum += v[i];
    return sum;
}

/* Where either is NaN the comparison is false and `b` is taken; callers learn of the NaN from the sums. */
INLINE vec larger(vec a, vec b) {
    const mask take = a > b;
    return (vec)(((mask)a & take) | ((mask)b & ~take));
}

KERNEL double NAME(sum)(const float *x, long n) {
    wide part[4] = {{0}}; /* four sums side by side hide the latency of the additions */
    long i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        for (int k = 0; k < 4; k++) part[k] += widen(x + i + k * HALF);
    double total = across((part[0] + part[1]) + (part[2] + part[3]));
    for (; i < n; i++) total += x[i];
    return total;
}

/* Power sums about `shift`, and the extremes, in one pass over memory; n >= 1. */
KERNEL void NAME(powers)(const float *x, long n, double shift, moments *result) {
    wide one[2] = {{0}}, two[2] = {{0}}, three[2] = {{0}}, four[2] = {{0}};
    float high = x[0], low = x[0];
    long i = 0;
    if (n >= LANES) {
        vec highs = load(x), negative_lows = -highs;
        for (; i + LANES <= n; i += LANES) {
            const vec v = load(x + i);
            highs = larger(v, highs);
            negative_lows = larger(-v, negative_lows);
            for (int k = 0; k < 2; k++) {
                const wide d = widen(x + i + k * HALF) - shift, squared = d * d;
                one[k] += d;
                two[k] += squared;
                three[k] += squared * d;
                four[k] += squared * squared;
            }
        }
        for (int k = 0; k < LANES; k++) {
            high = highs[k] > high ? highs[k] : high;
            low = -negative_lows[k] < low ? -negative_lows[k] : low;
        }
    }
    double sums[4] = {across(one[0] + one[1]), across(two[0] + two[1]), across(three[0] + three[1]), across(four[0] + four[1])};
    for (; i < n; i++) {
        const double d = x[i] - shift, squared = d * d;
        sums[0] += d;
        sums[1] += squared;
        sums[2] += squared * d;
        sums[3] += squared * squared;
        high = x[i] > high ? x[i] : high;
        low = x[i] < low ? x[i] : low;
    }
    memcpy(result->sums, sums, sizeof sums);
    result->low = low;
    result->high = high;
}

#undef HALF
#undef mask
#undef narrow
#undef wide
#undef widen
#undef across
#undef larger
