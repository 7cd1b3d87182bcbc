/* Sums, powers and extremes of float32 samples. Included once per build, after lanes.h. */
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#define HALF (LANES / 2)
#define BLOCK (32 * LANES)
#define mask NAME(mask)
#define narrow NAME(narrow)
#define wide NAME(wide)
#define widen NAME(widen)
#define widened NAME(widened)
#define across NAME(across)
#define across_floats NAME(across_floats)
#define magnitude NAME(magnitude)
#define rooted NAME(rooted)
#define larger NAME(larger)
#define smaller NAME(smaller)
#define block NAME(block)

typedef int mask __attribute__((vector_size(4 * LANES)));
typedef float narrow __attribute__((vector_size(4 * HALF)));
typedef double wide __attribute__((vector_size(8 * HALF)));

INLINE wide widened(narrow v) {
#if LANES == 8 /* one instruction, of which GCC 12 makes four and a detour over the stack */
    return (wide)__builtin_ia32_cvtps2pd256(v);
#else
    return __builtin_convertvector(v, wide);
#endif
}

INLINE wide widen(const float *from) {
    narrow v;
    memcpy(&v, from, sizeof v);
    return widened(v);
}

INLINE double across(wide v) {
    double sum = 0;
    for (int i = 0; i < HALF; i++) sum += v[i];
    return sum;
}

INLINE double across_floats(vec v) {
    narrow halves[2];
    memcpy(halves, &v, sizeof v);
    return across(widened(halves[0]) + widened(halves[1]));
}

INLINE vec magnitude(vec v) { return (vec)((mask)v & 0x7fffffff); }

/* GCC knows no square root, maximum or minimum of a vector; with a NaN callers learn of it from the sums. */
#if LANES == 8
INLINE vec rooted(vec v) { return __builtin_ia32_sqrtps256(v); }
INLINE vec larger(vec a, vec b) { return __builtin_ia32_maxps256(a, b); }
INLINE vec smaller(vec a, vec b) { return __builtin_ia32_minps256(a, b); }
#elif defined(__x86_64__)
INLINE vec rooted(vec v) { return __builtin_ia32_sqrtps(v); }
INLINE vec larger(vec a, vec b) { return __builtin_ia32_maxps(a, b); }
INLINE vec smaller(vec a, vec b) { return __builtin_ia32_minps(a, b); }
#elif defined(__aarch64__)
INLINE vec rooted(vec v) { return (vec)vsqrtq_f32((float32x4_t)v); }
INLINE vec larger(vec a, vec b) { return (vec)vmaxq_f32((float32x4_t)a, (float32x4_t)b); }
INLINE vec smaller(vec a, vec b) { return (vec)vminq_f32((float32x4_t)a, (float32x4_t)b); }
#else
INLINE vec rooted(vec v) { return (vec){sqrtf(v[0]), sqrtf(v[1]), sqrtf(v[2]), sqrtf(v[3])}; }
INLINE vec larger(vec a, vec b) { return (vec)(((mask)a & (a > b)) | ((mask)b & ~(a > b))); }
INLINE vec smaller(vec a, vec b) { return (vec)(((mask)a & (a < b)) | ((mask)b & ~(a < b))); }
#endif

KERNEL double NAME(sum)(const float *x, long n) {
    wide part[4] = {{0}}; /* four sums side by side hide the latency of the additions */
    long i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES)
        for (int k = 0; k < 4; k++) part[k] += widen(x + i + k * HALF);
    double total = across((part[0] + part[1]) + (part[2] + part[3]));
    for (; i < n; i++) total += x[i];
    return total;
}

/* Vectors of a block: x[0..n), n a multiple of LANES, and x[n] is a sample too. */
INLINE void block(moments *m, const float *x, long n, float level, moments_sums *sums, mask *crossings) {
    vec one = {0}, two = {0}, three = {0}, four = {0}, distances = {0}, roots = {0};
    vec lows = load(x), highs = lows;
    for (long i = 0; i < n; i += LANES) {
        const vec v = load(x + i), d = v - level, next = load(x + i + 1) - level, squared = d * d, distance = magnitude(d);
        *crossings -= ((mask)d ^ (mask)next) >> 31;
        lows = smaller(v, lows);
        highs = larger(v, highs);
        one += d;
        two += squared;
        three += squared * d;
        four += squared * squared;
        distances += distance;
        roots += rooted(distance);
    }
    float low = lows[0], high = highs[0];
    for (int k = 1; k < LANES; k++) {
        low = lows[k] < low ? lows[k] : low;
        high = highs[k] > high ? highs[k] : high;
    }
    const float reach = high - level > level - low ? high - level : level - low;
    if (reach == 0 || (reach >= MOMENTS_LEAST && reach <= MOMENTS_MOST)) {
        sums->powers[0] += across_floats(one);
        sums->powers[1] += across_floats(two);
        sums->powers[2] += across_floats(three);
        sums->powers[3] += across_floats(four);
        sums->absolute += across_floats(distances);
        sums->root += across_floats(roots);
    } else {
        moments_add_exactly(x, n, level, sums);
    }
    moments_meet_block(m, low, high, x, n);
}

/* Sums about the level, and into `m` the extremes and the crossings of the level; n >= 1. */
KERNEL void NAME(pass)(moments *m, const float *x, long n, float level, moments_sums *sums) {
    mask crossings = {0};
    long i = 0;
    for (; i + BLOCK < n; i += BLOCK) block(m, x + i, BLOCK, level, sums, &crossings);
    const long vectors = (n - 1 - i) / LANES * LANES;
    if (vectors) block(m, x + i, vectors, level, sums, &crossings);
    for (int k = 0; k < LANES; k++) m->crossings += crossings[k];
    i += vectors;
    moments_add_exactly(x + i, n - i, level, sums);
    float low = x[i], high = x[i];
    for (long k = i; k < n; k++) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
        if (k + 1 < n) m->crossings += (x[k] >= level) != (x[k + 1] >= level);
    }
    moments_meet_block(m, low, high, x + i, n - i);
}

/* As a rule nothing is beyond, so a look at the farthest sample of a piece will do; four side by side hide the latency. */
KERNEL long NAME(excursions)(const float *x, long n, float level, float reach) {
    enum { PIECE = 16 * LANES };
    long count = 0, i = 0;
    int beyond = 0;
    while (i < n) {
        if (!beyond && i + PIECE <= n) {
            vec far[4] = {{0}};
            for (long k = 0; k < PIECE; k += 4 * LANES)
                for (int j = 0; j < 4; j++) far[j] = larger(magnitude(load(x + i + k + j * LANES) - level), far[j]);
            const vec farthest = larger(larger(far[0], far[1]), larger(far[2], far[3]));
            const mask outside = farthest > reach;
            int any = 0;
            for (int k = 0; k < LANES; k++) any |= outside[k];
            if (!any) {
                i += PIECE;
                continue;
            }
        }
        const long end = i + PIECE < n ? i + PIECE : n;
        for (; i < end; i++) {
            const int now = fabsf(x[i] - level) > reach;
            count += now & !beyond;
            beyond = now;
        }
    }
    return count;
}

#undef HALF
#undef BLOCK
#undef mask
#undef narrow
#undef wide
#undef widen
#undef widened
#undef across
#undef across_floats
#undef magnitude
#undef rooted
#undef larger
#undef smaller
#undef block
