/* Power sums of complex numbers for one number of lanes. Included once per build, after lanes.h, for 4 or 8 lanes. */

enum { NAME(BLOCK) = 32 }; /* vectors that are summed in float before they go to the double sums */

/* Sums of |z|² and |z|⁴ over `n` numbers. */
KERNEL void NAME(sums)(const float *restrict re, const float *restrict im, long n, double *second, double *fourth) {
    double two = 0, four = 0;
    long at = 0;
    while (at + LANES <= n) {
        const long vectors = (n - at) / LANES, end = at + LANES * (vectors < NAME(BLOCK) ? vectors : NAME(BLOCK));
        vec squares = {0}, quads = {0};
        for (; at < end; at += LANES) {
            const vec a = load(re + at), b = load(im + at), square = a * a + b * b;
            squares += square;
            quads += square * square;
        }
        for (int i = 0; i < LANES; i++) {
            two += squares[i];
            four += quads[i];
        }
    }
    for (; at < n; at++) {
        const float square = re[at] * re[at] + im[at] * im[at];
        two += square;
        four += square * square;
    }
    *second = two;
    *fourth = four;
}

/* `count` numbers times `factor` */
KERNEL void NAME(scale)(const float *restrict x, float factor, float *restrict out, long count) {
    for (long i = 0; i < count; i++) out[i] = factor * x[i];
}

/* The largest magnitude; what is NaN is passed over. */
KERNEL float NAME(largest)(const float *x, long n) {
    float largest = 0;
    for (long i = 0; i < n; i++) largest = __builtin_fabsf(x[i]) > largest ? __builtin_fabsf(x[i]) : largest;
    return largest;
}
