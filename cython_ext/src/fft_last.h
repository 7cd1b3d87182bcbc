/* The last pass together with what follows it, a way through memory less: splitting the bins, or writing pairs. Included once per
 * build, after fft_ends.h, for 4 or 8 lanes.
 *
 * A last pass of radix r makes points c + j gap, j = 0..r-1, of column c; the mirrored point of each stands in column gap - c, in
 * the opposite order. So the columns c and gap - c are transformed together and hold all that their bins need. */

#define column NAME(column)

typedef struct {
    point at[8];
} column;

INLINE column NAME(column4)(const float *re, const float *im, long q, long gap) {
    const point a = get(re, im, q), b = get(re, im, q + gap), c = get(re, im, q + 2 * gap), d = get(re, im, q + 3 * gap);
    const point even = add(a, c), odd = add(b, d), straight = sub(a, c), turned = turn(sub(b, d));
    return (column){{add(even, odd), add(straight, turned), sub(even, odd), sub(straight, turned)}};
}

INLINE column NAME(column8)(const float *re, const float *im, long q, long gap) {
    point a[8];
    column out;
    for (int k = 0; k < 8; k++) a[k] = get(re, im, q + k * gap);
    NAME(eight)(a, out.at);
    return out;
}

INLINE bin_pair NAME(split_columns)(const rfft_plan *plan, point low, point high, long k) {
    bin_pair pair = split(low, (point){REVERSE(high.re), REVERSE(high.im)}, load(plan->cosine + k), load(plan->sine + k));
    pair.mirrored.re = REVERSE(pair.mirrored.re);
    pair.mirrored.im = REVERSE(pair.mirrored.im);
    return pair;
}

INLINE void NAME(put_bins)(const rfft_plan *plan, point low, point high, long k, float *spectrum) {
    const bin_pair pair = NAME(split_columns)(plan, low, high, k);
    float *mirror = spectrum + 2 * (plan->half - k - LANES + 1);
    store(spectrum + 2 * k, ZIP_LOW(pair.bin.re, pair.bin.im));
    store(spectrum + 2 * k + LANES, ZIP_HIGH(pair.bin.re, pair.bin.im));
    store(mirror, ZIP_LOW(pair.mirrored.re, pair.mirrored.im));
    store(mirror + LANES, ZIP_HIGH(pair.mirrored.re, pair.mirrored.im));
}

INLINE void NAME(put_power)(const rfft_plan *plan, point low, point high, long k, float *power) {
    const bin_pair pair = NAME(split_columns)(plan, low, high, k);
    store(power + k, pair.bin.re * pair.bin.re + pair.bin.im * pair.bin.im);
    store(power + plan->half - k - LANES + 1, pair.mirrored.re * pair.mirrored.re + pair.mirrored.im * pair.mirrored.im);
}

/* The blocks of columns may overlap in the middle, which only writes the same again. Column 0 is its own mirror. */
#define LAST(RADIX, WHAT)                                                                                                     \
    KERNEL void NAME(last##RADIX##_##WHAT)(const rfft_plan *plan, const float *restrict re, const float *restrict im,         \
                                           float *restrict to) {                                                              \
        const long gap = plan->half / RADIX;                                                                                  \
        for (long q = 1; q <= gap / 2; q += LANES) {                                                                          \
            const long mirror = gap - q - LANES + 1;                                                                          \
            const column a = NAME(column##RADIX)(re, im, q, gap), b = NAME(column##RADIX)(re, im, mirror, gap);               \
            for (int j = 0; j < RADIX / 2; j++) {                                                                             \
                NAME(put_##WHAT)(plan, a.at[j], b.at[RADIX - 1 - j], q + j * gap, to);                                        \
                NAME(put_##WHAT)(plan, b.at[j], a.at[RADIX - 1 - j], mirror + j * gap, to);                                   \
            }                                                                                                                 \
        }                                                                                                                     \
        rfft_column_##WHAT(plan, re, im, RADIX, to);                                                                          \
    }

LAST(4, bins)
LAST(8, bins)
LAST(4, power)
LAST(8, power)

/* Pairs of what the last pass makes; imaginary parts first, as the inverse wants them. */
#define LAST_PAIRS(RADIX)                                                                                                      \
    KERNEL void NAME(last##RADIX##_pairs)(const rfft_plan *plan, const float *restrict re, const float *restrict im,          \
                                          float *restrict to) {                                                               \
        const long gap = plan->half / RADIX;                                                                                  \
        for (long q = 0; q < gap; q += LANES) {                                                                               \
            const column a = NAME(column##RADIX)(re, im, q, gap);                                                             \
            for (int j = 0; j < RADIX; j++) {                                                                                 \
                store(to + 2 * (q + j * gap), ZIP_LOW(a.at[j].im, a.at[j].re));                                               \
                store(to + 2 * (q + j * gap) + LANES, ZIP_HIGH(a.at[j].im, a.at[j].re));                                      \
            }                                                                                                                 \
        }                                                                                                                     \
    }

LAST_PAIRS(4)
LAST_PAIRS(8)

#undef LAST
#undef LAST_PAIRS
#undef column
#undef split
#undef bin_pair
