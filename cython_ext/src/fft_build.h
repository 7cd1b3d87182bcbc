/* Passes of the FFT for one number of lanes. Included once per build, after lanes.h. */

#define point NAME(point)
#define add NAME(add)
#define sub NAME(sub)
#define turn NAME(turn)
#define times NAME(times)
#define scaled NAME(scaled)
#define get NAME(get)
#define put NAME(put)

typedef struct {
    vec re, im;
} point;

INLINE point add(point a, point b) { return (point){a.re + b.re, a.im + b.im}; }
INLINE point sub(point a, point b) { return (point){a.re - b.re, a.im - b.im}; }
INLINE point scaled(point a, float by) { return (point){a.re * by, a.im * by}; }
/* a quarter turn clockwise: a * -i */
INLINE point turn(point a) { return (point){a.im, -a.re}; }
INLINE point times(point a, const float *factor) {
    return (point){a.re * factor[0] - a.im * factor[1], a.re * factor[1] + a.im * factor[0]};
}
INLINE point get(const float *re, const float *im, long at) { return (point){load(re + at), load(im + at)}; }
INLINE void put(float *re, float *im, long at, point a) {
    store(re + at, a.re);
    store(im + at, a.im);
}

/* Every pass is the same two loops around its butterfly: over the points p, whose factors differ, and along the stride in vectors.
 * `from` and `to` are where input and output 0 of the butterfly stand, `in` and `out` the distances to the next ones.
 * A stride of one vector is common and worth a loop of its own: the compiler then drops the inner one. */
#define PASS(RADIX)                                                                                                                \
    KERNEL void NAME(pass##RADIX)(const fft_pass *pass, const float *restrict re, const float *restrict im, float *restrict to_re, \
                                  float *restrict to_im) {                                                                         \
        const long points = pass->length / RADIX, out = pass->stride, in = points * out;                                           \
        const float *factor = pass->factors;                                                                                       \
        if (out == LANES)                                                                                                          \
            for (long p = 0; p < points; p++, factor += 2 * (RADIX - 1))                                                           \
                NAME(butterfly##RADIX)(re, im, LANES * p, in, to_re, to_im, RADIX * LANES * p, LANES, factor);                     \
        else                                                                                                                       \
            for (long p = 0; p < points; p++, factor += 2 * (RADIX - 1))                                                           \
                for (long q = 0; q < out; q += LANES)                                                                              \
                    NAME(butterfly##RADIX)(re, im, out * p + q, in, to_re, to_im, RADIX * out * p + q, out, factor);               \
    }

#define FROM const float *restrict re, const float *restrict im, long from, long in
#define TO float *restrict to_re, float *restrict to_im, long to, long out, const float *factor

INLINE void NAME(butterfly2)(FROM, TO) {
    const point a = get(re, im, from), b = get(re, im, from + in);
    put(to_re, to_im, to, add(a, b));
    put(to_re, to_im, to + out, times(sub(a, b), factor));
}

INLINE void NAME(butterfly3)(FROM, TO) {
    const float half = 0.5f, sin60 = 0.86602540378443865f;
    const point a = get(re, im, from), b = get(re, im, from + in), c = get(re, im, from + 2 * in);
    const point sum = add(b, c), middle = sub(a, scaled(sum, half)), side = turn(scaled(sub(b, c), sin60));
    put(to_re, to_im, to, add(a, sum));
    put(to_re, to_im, to + out, times(add(middle, side), factor));
    put(to_re, to_im, to + 2 * out, times(sub(middle, side), factor + 2));
}

INLINE void NAME(butterfly4)(FROM, TO) {
    const point a = get(re, im, from), b = get(re, im, from + in), c = get(re, im, from + 2 * in), d = get(re, im, from + 3 * in);
    const point even = add(a, c), odd = add(b, d), straight = sub(a, c), turned = turn(sub(b, d));
    put(to_re, to_im, to, add(even, odd));
    put(to_re, to_im, to + out, times(add(straight, turned), factor));
    put(to_re, to_im, to + 2 * out, times(sub(even, odd), factor + 2));
    put(to_re, to_im, to + 3 * out, times(sub(straight, turned), factor + 4));
}

INLINE void NAME(butterfly5)(FROM, TO) {
    const float cos72 = 0.30901699437494742f, cos144 = -0.80901699437494742f, sin72 = 0.95105651629515357f,
                sin144 = 0.58778525229247313f;
    const point a = get(re, im, from), b = get(re, im, from + in), c = get(re, im, from + 2 * in), d = get(re, im, from + 3 * in),
                e = get(re, im, from + 4 * in);
    const point outer = add(b, e), inner = add(c, d), outer_gap = sub(b, e), inner_gap = sub(c, d);
    const point first = add(a, add(scaled(outer, cos72), scaled(inner, cos144)));
    const point second = add(a, add(scaled(outer, cos144), scaled(inner, cos72)));
    const point first_side = turn(add(scaled(outer_gap, sin72), scaled(inner_gap, sin144)));
    const point second_side = turn(sub(scaled(outer_gap, sin144), scaled(inner_gap, sin72)));
    put(to_re, to_im, to, add(a, add(outer, inner)));
    put(to_re, to_im, to + out, times(add(first, first_side), factor));
    put(to_re, to_im, to + 2 * out, times(add(second, second_side), factor + 2));
    put(to_re, to_im, to + 3 * out, times(sub(second, second_side), factor + 4));
    put(to_re, to_im, to + 4 * out, times(sub(first, first_side), factor + 6));
}

/* The transform of eight points. */
INLINE void NAME(eight)(const point *a, point *out) {
    const float half_root = 0.70710678118654752f;
    const point s0 = add(a[0], a[4]), s1 = add(a[1], a[5]), s2 = add(a[2], a[6]), s3 = add(a[3], a[7]);
    const point d0 = sub(a[0], a[4]), d1 = sub(a[1], a[5]), d2 = turn(sub(a[2], a[6])), d3 = sub(a[3], a[7]);
    /* even outputs: a four-point transform of the sums */
    const point even = add(s0, s2), odd = add(s1, s3), straight = sub(s0, s2), turned = turn(sub(s1, s3));
    out[0] = add(even, odd);
    out[4] = sub(even, odd);
    out[2] = add(straight, turned);
    out[6] = sub(straight, turned);
    /* odd outputs: one of the differences, turned by 0, 45, 90 and 135 degrees */
    const point d45 = scaled((point){d1.re + d1.im, d1.im - d1.re}, half_root);
    const point d135 = scaled((point){d3.im - d3.re, -d3.re - d3.im}, half_root);
    const point both = add(d0, d2), gap = sub(d0, d2), diagonal = add(d45, d135), cross = turn(sub(d45, d135));
    out[1] = add(both, diagonal);
    out[5] = sub(both, diagonal);
    out[3] = add(gap, cross);
    out[7] = sub(gap, cross);
}

INLINE void NAME(butterfly8)(FROM, TO) {
    point a[8], eighths[8];
    for (int k = 0; k < 8; k++) a[k] = get(re, im, from + k * in);
    NAME(eight)(a, eighths);
    put(to_re, to_im, to, eighths[0]);
    for (int k = 1; k < 8; k++) put(to_re, to_im, to + k * out, times(eighths[k], factor + 2 * (k - 1)));
}

PASS(2)
PASS(3)
PASS(4)
PASS(5)
PASS(8)

/* Last passes have one point, whose factors are all 1. */
KERNEL void NAME(pass4_last)(const fft_pass *pass, const float *restrict re, const float *restrict im, float *restrict to_re,
                             float *restrict to_im) {
    const long gap = pass->stride;
    for (long q = 0; q < gap; q += LANES) {
        const point a = get(re, im, q), b = get(re, im, q + gap), c = get(re, im, q + 2 * gap), d = get(re, im, q + 3 * gap);
        const point even = add(a, c), odd = add(b, d), straight = sub(a, c), turned = turn(sub(b, d));
        put(to_re, to_im, q, add(even, odd));
        put(to_re, to_im, q + gap, add(straight, turned));
        put(to_re, to_im, q + 2 * gap, sub(even, odd));
        put(to_re, to_im, q + 3 * gap, sub(straight, turned));
    }
}

KERNEL void NAME(pass8_last)(const fft_pass *pass, const float *restrict re, const float *restrict im, float *restrict to_re,
                             float *restrict to_im) {
    const long gap = pass->stride;
    for (long q = 0; q < gap; q += LANES) {
        point a[8], out[8];
        for (int k = 0; k < 8; k++) a[k] = get(re, im, q + k * gap);
        NAME(eight)(a, out);
        for (int k = 0; k < 8; k++) put(to_re, to_im, q + k * gap, out[k]);
    }
}

#undef PASS
#undef FROM
#undef TO
