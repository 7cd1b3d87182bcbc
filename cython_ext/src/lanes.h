/* Vectors of LANES floats in GCC's vector extensions. Included once per build, therefore without a guard.
 *
 * The including file defines LANES (8, 4 or 1), NAME(x) (gives a function its build's suffix) and TARGET (the function attribute of
 * the build). Eight lanes are for AVX2 alone: split in halves by the compiler on SSE2 they are seven times slower than four.
 */
#include <string.h>

#define INLINE TARGET static inline __attribute__((always_inline, unused))
#define KERNEL TARGET static __attribute__((unused))

#define vec NAME(vec)
#define load NAME(load)
#define store NAME(store)

#if LANES == 1
typedef float vec;
#else
typedef float vec __attribute__((vector_size(4 * LANES)));
#endif

/* sensor buffers come unaligned; memcpy is the aliasing-safe way to an unaligned vector move */
INLINE vec load(const float *from) {
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void store(float *to, vec v) { memcpy(to, &v, sizeof v); }

#ifndef SHUFFLE
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int shuffle_mask_4 __attribute__((vector_size(16)));
typedef int shuffle_mask_8 __attribute__((vector_size(32)));
#define SHUFFLE_MASK_(lanes) shuffle_mask_##lanes
#define SHUFFLE_MASK(lanes) SHUFFLE_MASK_(lanes)
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (SHUFFLE_MASK(LANES)){__VA_ARGS__})
#endif
#endif

/* EVEN and ODD take pairs apart; eight lanes hold them in the order 0 1 4 5 2 3 6 7, for crossing the halves costs extra. PAIR_LOW
 * and PAIR_HIGH undo them; APART brings a vector in order into theirs; ZIP_LOW and ZIP_HIGH pair vectors that are in order. */
#if LANES == 8
#define EVEN(a, b) SHUFFLE(a, b, 0, 2, 8, 10, 4, 6, 12, 14)
#define ODD(a, b) SHUFFLE(a, b, 1, 3, 9, 11, 5, 7, 13, 15)
#define APART(a) SHUFFLE(a, a, 0, 1, 4, 5, 2, 3, 6, 7)
#define PAIR_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define PAIR_HIGH(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define REVERSE(a) SHUFFLE(a, a, 7, 6, 5, 4, 3, 2, 1, 0)
#elif LANES == 4
#define EVEN(a, b) SHUFFLE(a, b, 0, 2, 4, 6)
#define ODD(a, b) SHUFFLE(a, b, 1, 3, 5, 7)
#define APART(a) (a)
#define PAIR_LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define PAIR_HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#define REVERSE(a) SHUFFLE(a, a, 3, 2, 1, 0)
#endif
