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
 * `from` and `to` are where input and output 0 of the butterfly stand, `in` and `out` the distances to the next ones. */
#define PASS(radix_name, RADIX)                                                                                                   \
    KERNEL void NAME(radix_name)(const fft_pass *pass, const float *restrict re, const float *restrict im, float *restrict to_re, \
                                 float *restrict to_im) {                                                                         \
        const long points = pass->length / RADIX, out = pass->stride, in = points * out;                                          \
        const float *factor = pass->factors;                                                                                      \
        for (long p = 0; p < points; p++, factor += 2 * (RADIX - 1))                                                              \
            for (long q = 0; q < out; q += LANES)                                                                                 \
                NAME(butterfly##RADIX)(re, im, out *p + q, in, to_re, to_im, RADIX *out *p + q, out, factor);                     \
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
    const float cos72 = 0.30901699437494742f, cos144 = -0.80901699437494742f, sin72 = 0.95105651629515357f, sin144 = 0.58778525229247313f;
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

PASS(pass2, 2)
PASS(pass3, 3)
PASS(pass4, 4)
PASS(pass5, 5)

/* The last pass has one point, whose factors are all 1. */
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

#undef PASS
#undef FROM
#undef TO
